"""The bytes of a job's output, straight into the buffers of an upload.

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

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.transfer.download.retrieval_source import GlacierOutput
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.upload.engine import UploadEngine

A = TypeVar("A")


class JobBytes:
    """Fills buffers with ranges of a job's output.

    Attributes:
        promised: By the start of each range that was fetched, the tree hash that the service promises for it;
            ``None`` where it promises none.
    """

    def __init__(self, output: GlacierOutput, resources: TransferResources) -> None:
        self.promised: dict[int, bytes | None] = {}
        self._output = output
        self._resources = resources
        self._piece_size = choose_piece_size(resources)

    async def fill(self, byte_range: ByteRange, view: memoryview) -> None:
        """Fetch a part into a buffer: as several pieces at once if it is large.

        Raises:
            GlacierError: It could not be fetched.
        """
        promised: dict[int, bytes | None] = {}
        starts = range(byte_range.start, byte_range.stop, self._piece_size)

        async def fetch(start: int) -> None:
            piece = ByteRange(start, min(start + self._piece_size, byte_range.stop))
            at = start - byte_range.start
            target = view[at : at + piece.size]
            async with (
                self._resources.connections.exchange(piece.size, _ignore) as moved,
                self._output.open(piece) as answer,
            ):
                await answer.receive_into(target, moved)
                promised[start] = answer.head

        if len(starts) == 1:
            await fetch(starts[0])
        else:
            with first_cause():
                async with anyio.create_task_group() as tasks:
                    for start in starts:
                        tasks.start_soon(fetch, start)
        hashes = [promised[start] for start in starts]
        known = [hash_ for hash_ in hashes if hash_ is not None]
        # Pieces are nodes of the tree, so their hashes make that of the part.
        self.promised[byte_range.start] = combine(known) if len(known) == len(hashes) else None


async def send_output(engine: UploadEngine[A], source: JobBytes, size: int, there: Mapping[int, bytes]) -> A:
    """Send a job's output through an engine, part by part, and return what became of it.

    ``there`` are the tree hashes of the parts that the bucket has, by index; they are not fetched.
    """
    for byte_range in part_ranges(size, engine.part_size):
        tree_hash = there.get(byte_range.start // engine.part_size)
        if tree_hash is not None:
            engine.skip(byte_range.size, tree_hash)
            continue
        buffer = await engine.acquire()
        try:
            with engine.stops_on_failure():
                await source.fill(byte_range, buffer.view[: byte_range.size])
        except BaseException:
            engine.discard(buffer)
            raise
        engine.submit(buffer, byte_range.size)
    return await engine.finish()


def _ignore(moved: int) -> None:
    """Count nothing: the upload counts its own bytes."""
