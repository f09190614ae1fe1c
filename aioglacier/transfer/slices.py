"""A piece on its way to a file, slice by slice: while one is hashed and written, the next is received.

Only who reads a piece from memory needs all of it there at once. On the way to a file it passes through two
buffers of a slice each: the one it was begun with, and another one if there is memory to spare, for which it
never waits. What is in the file before the piece's hash is known is trusted by nobody.

A slice is a node of the piece's tree, so slices' hashes combine to the piece's. 4 MiB it is: smaller ones
cost more than the fresh pages that they save, since each wakes the loop and a worker, 0.3 ms in all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.limits import MIB
from aioglacier.core.treehash import combine
from aioglacier.transfer.output import open_piece, until_undamaged
from aioglacier.transfer.partjob import PartJob, WriteTo

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from aioglacier.core.ranges import ByteRange
    from aioglacier.transfer.buffers import PartBuffer
    from aioglacier.transfer.output import ArchiveOutput, Fetched
    from aioglacier.transfer.resources import TransferResources

#: The largest slice.
SLICE_SIZE: Final = 4 * MIB

_BUFFERS: Final = 2


class SlicedPiece:
    """One piece, to be fetched once, in slices of the size of the buffer it is given for that time."""

    def __init__(
        self,
        output: ArchiveOutput,
        resources: TransferResources,
        piece: ByteRange,
        buffer: PartBuffer,
        *,
        path: str,
        count: Callable[[int], None],
    ) -> None:
        self._output = output
        self._resources = resources
        self._piece = piece
        self._path = path
        self._count = count
        self._slice_size = buffer.size
        self._free = [buffer]
        self._more: list[PartBuffer] = []
        self._came_free = anyio.Event()
        self._hashes: dict[int, bytes] = {}

    async def fetch(self) -> bytes:
        """Fetch it, write it to its place in the file, verify it, and return its tree hash.

        Raises:
            IntegrityError: It differed from the service's hash each of three times.
            TargetError: The file cannot be written.
            GlacierError: It could not be had. All of these in groups.
        """
        try:
            return await until_undamaged(self._output, self._piece, self._attempt, count=self._count)
        finally:
            for buffer in self._more:
                self._resources.buffers.release(buffer)

    async def _attempt(self) -> Fetched:
        self._hashes.clear()
        async with (
            anyio.create_task_group() as tasks,  # which ends after the exchange, with the last slices stored
            self._resources.connections.exchange(self._piece.size, self._count) as moved,
        ):
            promised = await self._receive(tasks, moved)
        return promised, combine(self._hashes[start] for start in sorted(self._hashes))

    async def _receive(self, tasks: TaskGroup, moved: Callable[[int], None]) -> bytes | None:
        async with open_piece(self._output, self._piece) as answer:
            for start in range(self._piece.start, self._piece.stop, self._slice_size):
                size = min(self._slice_size, self._piece.stop - start)
                buffer = await self._take_buffer()
                try:
                    await answer.receive_into(buffer.view[:size], moved)
                except BaseException:
                    self._put_back(buffer)
                    raise
                tasks.start_soon(self._store, buffer, start, size)
        return answer.tree_hash

    async def _store(self, buffer: PartBuffer, start: int, size: int) -> None:
        try:
            job = PartJob(size, None, WriteTo(self._path, start), with_payload=False)
            self._hashes[start] = (await self._resources.hasher.run(job, buffer)).tree_hash
        finally:
            self._put_back(buffer)

    async def _take_buffer(self) -> PartBuffer:
        while not self._free:
            if len(self._more) < _BUFFERS - 1:
                buffer = self._resources.buffers.try_acquire(self._slice_size)
                if buffer is not None:
                    self._more.append(buffer)
                    return buffer
            self._came_free = anyio.Event()
            await self._came_free.wait()
        return self._free.pop()

    def _put_back(self, buffer: PartBuffer) -> None:
        self._free.append(buffer)
        self._came_free.set()
