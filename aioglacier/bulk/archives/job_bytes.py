"""Fetches a job's output straight into the buffers of an upload.

Nothing is hashed here: the upload hashes each part once, for both services, and compares it with the hash
that the vault's answer promises before it sends the part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from aioglacier.core.planning import part_ranges
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import combine
from aioglacier.tasks.groups import first_cause
from aioglacier.transfer.download.retrieval_source import choose_piece_size
from aioglacier.transfer.upload.named_file import look_at_file

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.files.scratch_folder import ScratchFolder
    from aioglacier.transfer.download.retrieval_source import GlacierOutput
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.upload.engine import UploadEngine
    from aioglacier.transfer.upload.named_file import NamedFile

A = TypeVar("A")


class JobBytes:
    """Fills buffers with ranges of a job's output.

    Attributes:
        promised: By the start of each range that was fetched, the tree hash that the service promises for it;
            ``None`` where it promises none.
        scratch: The files that hold parts too large for the memory.
    """

    def __init__(
        self, output: GlacierOutput, resources: TransferResources, scratch: ScratchFolder | None = None
    ) -> None:
        self.promised: dict[int, bytes | None] = {}
        self.scratch = scratch
        self._output = output
        self._resources = resources
        self._piece_size = choose_piece_size(resources)

    async def fill(self, byte_range: ByteRange, view: memoryview) -> None:
        """Fetch a part into a buffer: as several pieces at once if it is large.

        Raises:
            GlacierError: It could not be fetched.
        """

        async def fetch(start: int) -> bytes | None:
            piece = ByteRange(start, min(start + self._piece_size, byte_range.stop))
            at = start - byte_range.start
            return await self._fetch(piece, view[at : at + piece.size])

        await self._fetch_all(byte_range, fetch)

    async def fill_file(self, byte_range: ByteRange, scratch: ScratchFolder) -> NamedFile:
        """Fetch a part into a file, through buffers of a piece each.

        Raises:
            TargetError: The file cannot be written.
            GlacierError: The part could not be fetched.
        """
        path = await scratch.add(byte_range.start)

        async def fetch(start: int) -> bytes | None:
            piece = ByteRange(start, min(start + self._piece_size, byte_range.stop))
            # Memory bounds the pieces under way, whatever the size of the part.
            buffer = await self._resources.buffers.acquire(self._piece_size)
            try:
                view = buffer.view[: piece.size]
                promised = await self._fetch(piece, view)
                await scratch.write(byte_range.start, start - byte_range.start, view)
            finally:
                self._resources.buffers.release(buffer)
            return promised

        await self._fetch_all(byte_range, fetch)
        return await look_at_file(path)

    async def _fetch(self, piece: ByteRange, view: memoryview) -> bytes | None:
        async with (
            self._resources.connections.exchange(piece.size, _ignore) as moved,
            self._output.open(piece) as answer,
        ):
            await answer.receive_into(view, moved)
            return answer.head

    async def _fetch_all(
        self, byte_range: ByteRange, fetch: Callable[[int], Awaitable[bytes | None]]
    ) -> None:
        """Fetch the pieces of a part side by side, and note what the service promises for the part."""
        starts = range(byte_range.start, byte_range.stop, self._piece_size)
        promised: dict[int, bytes | None] = {}

        async def note(start: int) -> None:
            promised[start] = await fetch(start)

        with first_cause():
            async with anyio.create_task_group() as tasks:
                for start in starts:
                    tasks.start_soon(note, start)
        hashes = [promised[start] for start in starts]
        known = [hash_ for hash_ in hashes if hash_ is not None]
        # Pieces are nodes of the tree, so their hashes make that of the part.
        self.promised[byte_range.start] = combine(known) if len(known) == len(hashes) else None


async def send_output(engine: UploadEngine[A], source: JobBytes, size: int, there: Mapping[int, bytes]) -> A:
    """Send a job's output through an engine, part by part, and return the engine's result.

    ``there`` holds, by index, the tree hashes of the parts that the bucket has; these are not fetched.
    """
    for byte_range in part_ranges(size, engine.part_size):
        tree_hash = there.get(byte_range.start // engine.part_size)
        if tree_hash is not None:
            engine.skip(byte_range.size, tree_hash)
        elif source.scratch is not None:
            with engine.stops_on_failure():
                file = await source.fill_file(byte_range, source.scratch)
                await engine.submit_file(file, ByteRange(0, byte_range.size))
        else:
            await send_part(engine, source, byte_range)
    return await engine.finish()


async def send_part(engine: UploadEngine[A], source: JobBytes, byte_range: ByteRange) -> None:
    """Fetch the next part into a buffer of the engine, and submit it."""
    buffer = await engine.acquire()
    try:
        with engine.stops_on_failure():
            await source.fill(byte_range, buffer.view[: byte_range.size])
    except BaseException:  # a cancellation, too, or the memory would stay lent
        engine.discard(buffer)
        raise
    engine.submit(buffer, byte_range.size)


def _ignore(moved: int) -> None:
    """Count nothing: the upload counts its own bytes."""
