"""A piece on its way to a file, slice by slice: while one is hashed and written, the next is received.

Only a reader of a piece needs all of it in memory at once. On the way to a file it passes through two
buffers of a slice each: the one it was begun with, and another one if there is memory to spare, for which it
never waits. Bytes in the file are not trusted before the hash of the piece is known.

A slice is a node of the piece's tree, so slices' hashes combine to the piece's. Another hash needs the slices
in order: then each is written when the one before it is. 4 MiB it is: smaller ones cost more than the fresh
pages and the room in the CPU's cache that they save, since each takes the loop a tenth of a millisecond.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import TargetError
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import combine
from aioglacier.tasks.threads import wait_until_ended, withdraw
from aioglacier.transfer.download.retrieval_source import open_piece, until_undamaged
from aioglacier.transfer.hashing.part_job import TREE, new_hasher

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from aioglacier.core.crc import CrcHasher
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.treehash import PartHasher
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.download.partial_file import PartialFile
    from aioglacier.transfer.download.retrieval_source import ArchiveOutput, Fetched
    from aioglacier.transfer.resources import TransferResources

#: The largest slice.
SLICE_SIZE: Final = 4 * MIB

_BUFFERS: Final = 2


class SlicedPiece:
    """One piece, fetched once, in slices of the size of the given buffer."""

    def __init__(
        self,
        output: ArchiveOutput,
        resources: TransferResources,
        piece: ByteRange,
        buffer: PartBuffer,
        *,
        partial: PartialFile,
        count: Callable[[int], None],
    ) -> None:
        self._output = output
        self._resources = resources
        self._piece = piece
        self._partial = partial
        self._count = count
        self._slice_size = buffer.size
        self._free = [buffer]
        self._more: list[PartBuffer] = []
        self._storing: deque[tuple[PartBuffer, Future[bytes]]] = deque()
        self._hashes: list[bytes] = []
        self._in_order: PartHasher | CrcHasher | None = None

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
            for buffer in self._more:
                self._resources.buffers.release(buffer)

    async def _attempt(self) -> Fetched:
        self._hashes.clear()  # those of an attempt that came damaged
        proofs = self._output.proofs
        self._in_order = new_hasher(proofs.hashes, self._piece.size) if proofs.hashes != TREE else None
        try:
            async with self._resources.connections.exchange(self._piece.size, self._count) as moved:
                promised = await self._receive(moved)
            while self._storing:
                await self._finish_oldest()
        except BaseException:
            await withdraw(storing for _, storing in self._storing)  # threads may still read the buffers
            self._free += [buffer for buffer, _ in self._storing]
            self._storing.clear()
            raise
        if self._in_order is not None:
            return promised, proofs.of(self._in_order.finish())
        return promised, combine(self._hashes)

    async def _receive(self, moved: Callable[[int], None]) -> bytes | None:
        async with open_piece(self._output, self._piece) as answer:
            for start in range(self._piece.start, self._piece.stop, self._slice_size):
                size = min(self._slice_size, self._piece.stop - start)
                buffer = await self._take_buffer()
                view = buffer.view[:size]
                try:
                    await answer.receive_into(view, moved)
                except BaseException:
                    self._free.append(buffer)
                    raise  # not filled, so no thread has it
                while self._in_order is not None and self._storing:
                    await self._finish_oldest()
                storing = self._resources.hasher.threads.store(
                    view, self._partial.file, start, self._in_order
                )
                self._storing.append((buffer, storing))
        return answer.head

    async def _take_buffer(self) -> PartBuffer:
        """Return a free buffer; borrow one more while none has come back, or wait."""
        while not self._free:
            is_busy = not self._storing[0][1].done()
            if is_busy and len(self._more) < _BUFFERS - 1:
                buffer = self._resources.buffers.try_acquire(self._slice_size, is_private=True)
                if buffer is not None:
                    self._more.append(buffer)
                    return buffer
            await self._finish_oldest()
        return self._free.pop()

    async def _finish_oldest(self) -> None:
        buffer, storing = self._storing[0]
        await wait_until_ended(storing)
        self._storing.popleft()
        self._free.append(buffer)
        try:
            self._hashes.append(storing.result())
        except OSError as error:
            path = str(self._partial.path)
            raise TargetError(f"{path!r} cannot be written: {error.strerror}", path=path) from error
