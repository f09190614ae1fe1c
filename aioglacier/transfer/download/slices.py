"""A piece on its way to a file, slice by slice: while one is hashed and written, the next is received.

Only a reader of a piece needs all of it in memory at once. On the way to a file it passes through two
buffers of a slice each: the one it was begun with, and another one if there is memory to spare, for which it
never waits. Bytes in the file are not trusted before the hash of the piece is known.

A slice is a node of the piece's tree, so slices' hashes combine to the piece's. Another hash needs the slices
in order: then each is written when the one before it is. A slice has 4 MiB: each takes the loop a tenth of a
millisecond, so smaller ones cost more than the fresh pages and the room in the CPU's cache that they save.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from aioglacier.core.errors import TargetError
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import combine
from aioglacier.tasks.threads import wait_until_ended, withdraw
from aioglacier.transfer.download.retrieval_source import until_undamaged
from aioglacier.transfer.hashing.part_job import TREE, new_hasher

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from aioglacier.core.crc import CrcHasher
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.treehash import PartHasher
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.download.retrieval_source import ArchiveOutput, Fetched
    from aioglacier.transfer.resources import TransferResources

#: The largest slice.
SLICE_SIZE: Final = 4 * MIB

_BUFFERS: Final = 2


class Written(Protocol):
    """A file that pieces are written to."""

    @property
    def path(self) -> Path:
        """Its path."""
        ...

    @property
    def file(self) -> int:
        """Its descriptor."""
        ...


class SlicedPiece:
    """One piece, fetched once, in slices of the size of the given buffer."""

    def __init__(
        self,
        output: ArchiveOutput,
        resources: TransferResources,
        piece: ByteRange,
        buffer: PartBuffer,
        *,
        partial: Written,
        count: Callable[[int], None],
    ) -> None:
        self._output = output
        self._resources = resources
        self._piece = piece
        self._count = count
        self._slices = _Slices(resources, buffer, partial)

    async def fetch(self) -> bytes:
        """Fetch it, write it to its place in the file, verify it, and return the hash that proves it.

        Raises:
            IntegrityError: It differed from the service's hash each of three times.
            TargetError: The file cannot be written.
            GlacierError: It could not be fetched.
        """
        try:
            return await until_undamaged(self._output, self._piece, self._attempt, count=self._count)
        finally:
            self._slices.release()

    async def _attempt(self) -> Fetched:
        proofs, slices = self._output.proofs, self._slices
        in_order = new_hasher(proofs.hashes, self._piece.size) if proofs.hashes != TREE else None
        slices.begin(in_order)
        try:
            async with self._resources.connections.exchange(self._piece.size, self._count) as moved:
                promised = await self._receive(moved)
            await slices.finish()
        except BaseException:
            await slices.withdraw()
            raise
        if in_order is not None:
            return promised, proofs.of(in_order.finish())
        return promised, combine(slices.hashes)

    async def _receive(self, moved: Callable[[int], None]) -> bytes | None:
        slices = self._slices
        async with self._output.open(self._piece) as answer:
            for start in range(self._piece.start, self._piece.stop, slices.size):
                buffer = await slices.take_buffer()
                view = buffer.view[: min(slices.size, self._piece.stop - start)]
                try:
                    await answer.receive_into(view, moved)
                except BaseException:
                    slices.give_back(buffer)  # not filled, so no thread has it
                    raise
                await slices.store(buffer, view, start)
        return answer.head


class _Slices:
    """The buffers of a piece, which threads hash and write to the file while others are filled."""

    def __init__(self, resources: TransferResources, buffer: PartBuffer, partial: Written) -> None:
        self._resources = resources
        self._partial = partial
        self._free = [buffer]
        self._more: list[PartBuffer] = []
        self._storing: deque[tuple[PartBuffer, Future[bytes]]] = deque()
        self._in_order: PartHasher | CrcHasher | None = None
        self.size = buffer.size
        self.hashes: list[bytes] = []

    def begin(self, in_order: PartHasher | CrcHasher | None) -> None:
        """Begin an attempt, with the hasher that needs the slices in order, if one does."""
        self._in_order = in_order
        self.hashes.clear()  # those of an attempt that came damaged

    async def take_buffer(self) -> PartBuffer:
        """Return a free buffer; borrow one more while none has come back, or wait."""
        while not self._free:
            is_busy = not self._storing[0][1].done()
            if is_busy and len(self._more) < _BUFFERS - 1:
                buffer = self._resources.buffers.try_acquire(self.size, is_private=True)
                if buffer is not None:
                    self._more.append(buffer)
                    return buffer
            await self._finish_oldest()
        return self._free.pop()

    def give_back(self, buffer: PartBuffer) -> None:
        """Take a buffer back that was not filled."""
        self._free.append(buffer)

    async def store(self, buffer: PartBuffer, view: memoryview, start: int) -> None:
        """Let a thread hash a filled buffer and write it to its place."""
        if self._in_order is not None:
            await self.finish()
        storing = self._resources.hasher.threads.store(view, self._partial.file, start, self._in_order)
        self._storing.append((buffer, storing))

    async def finish(self) -> None:
        """Wait until all slices are written; raise a failure of writing."""
        while self._storing:
            await self._finish_oldest()

    async def _finish_oldest(self) -> None:
        buffer, storing = self._storing[0]
        await wait_until_ended(storing)
        self._storing.popleft()
        self._free.append(buffer)
        try:
            self.hashes.append(storing.result())
        except OSError as error:
            path = str(self._partial.path)
            raise TargetError(f"{path!r} cannot be written: {error.strerror}", path=path) from error

    async def withdraw(self) -> None:
        """End an attempt that failed: threads may still read the buffers, so wait for them."""
        await withdraw(storing for _, storing in self._storing)
        self._free += [buffer for buffer, _ in self._storing]
        self._storing.clear()

    def release(self) -> None:
        """Give back what was borrowed."""
        for buffer in self._more:
            self._resources.buffers.release(buffer)
