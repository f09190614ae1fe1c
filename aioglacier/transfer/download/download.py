"""Downloads to a file: pieces in parallel, each written and verified slice by slice, the whole at the end."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from aioglacier.core.errors import IntegrityError, SourceError
from aioglacier.core.ranges import ByteRange, whole_range
from aioglacier.files.crashpoints import passing
from aioglacier.files.reading import FileIdentity
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.download.partial_file import PartialFile
from aioglacier.transfer.download.retrieval_source import GlacierOutput, PiecePlaces, choose_piece_size
from aioglacier.transfer.download.slices import SLICE_SIZE, SlicedPiece
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom
from aioglacier.transfer.snapshot import TransferSnapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.download.retrieval_source import ArchiveOutput
    from aioglacier.transfer.download.spread_ranges import RangeSpreader
    from aioglacier.transfer.resources import TransferResources


class Download:
    """One download of one output to one file, to be run once; ``snapshot`` shows how far it is."""

    def __init__(
        self,
        output: ArchiveOutput,
        resources: TransferResources,
        target: str | os.PathLike[str],
        *,
        overwrite: bool = False,
    ) -> None:
        self._output = output
        self._resources = resources
        self._target = Path(os.fsdecode(target)).absolute()
        self._overwrite = overwrite
        self._piece_size = choose_piece_size(resources)
        self._hashes: dict[ByteRange, bytes] = {}
        self._places = PiecePlaces(resources, self._piece_size)
        self._moved = 0
        self._in_flight = 0
        self._spreader: RangeSpreader | None = None

    def snapshot(self) -> TransferSnapshot:
        """Return the counters now; pieces that a former try left behind count as done."""
        done = sum(piece.size for piece in self._hashes)
        workers = self._spreader.workers if self._spreader is not None else 0
        return TransferSnapshot(
            self._output.size, done, self._moved, done, len(self._hashes), self._in_flight, workers
        )

    async def run(self) -> None:
        """Fetch what is missing, verify, and give the file its name.

        If it fails or is cancelled, what was verified stays in a hidden file beside the target, and the next
        download of the same output, or of one with the same tree hash, to the same target goes on from there.

        Raises:
            TargetError: The target exists, cannot be written, or has no room; nothing was fetched.
            IntegrityError: Bytes kept differing from their hashes. There is no file of that name.
            GlacierError: They could not be fetched.
        """
        with self._output.naming():
            async with self._partial_file() as partial:
                await self._fill(partial)
                passing("file verified")
                await run_in_thread(partial.publish)

    async def _fill(self, partial: PartialFile) -> None:
        # Only after the check for room: the list of pieces for an absurd size would fill the memory.
        size = self._output.size
        pieces = list(self._output.proofs.pieces(whole_range(size), size, self._piece_size))
        await self._adopt_verified(partial, pieces)
        if not await self._spread(partial, pieces):
            with first_cause():
                async with anyio.create_task_group() as tasks:
                    for piece in pieces:
                        if piece not in self._hashes:
                            tasks.start_soon(self._fetch, partial, piece, await self._acquire())
        self._check_whole(pieces)

    async def _spread(self, partial: PartialFile, pieces: list[ByteRange]) -> bool:
        """Let other processes fetch the pieces, if there are any and it pays; return whether they did."""
        runner, output = self._resources.runner, self._output
        if runner is None or output.size < runner.smallest or not isinstance(output, GlacierOutput):
            return False
        if (source := output.shared) is None:
            return False
        from aioglacier.transfer.download.spread_ranges import RangeSpreader  # noqa: PLC0415  # few need it

        def take(piece: ByteRange, proof: bytes) -> None:
            self._hashes[piece] = proof
            self._moved += piece.size

        self._spreader = RangeSpreader(runner, partial, source, self._piece_size)
        await self._spreader.fetch(pieces, self._hashes, take)
        return True

    @asynccontextmanager
    async def _partial_file(self) -> AsyncIterator[PartialFile]:
        opened: list[PartialFile] = []  # where a cancellation that comes while it is opened finds it

        def open_() -> None:
            opened.append(PartialFile.open(self._target, self._output.size, overwrite=self._overwrite))

        try:
            await run_in_thread(open_)
            yield opened[0]
        finally:
            for partial in opened:
                partial.close()

    async def _acquire(self) -> PartBuffer:
        await self._places.acquire()
        try:
            return await self._resources.buffers.acquire(min(SLICE_SIZE, self._piece_size), is_private=True)
        except BaseException:
            self._places.release()
            raise

    async def _adopt_verified(self, partial: PartialFile, pieces: list[ByteRange]) -> None:
        """Hash the pieces that a former try recorded, and keep those that are unchanged."""
        whole = self._output.whole_hash
        # Bytes are known by their hash, whichever job they come from: jobs last a day, downloads longer.
        identity = {
            "output": None if whole else self._output.name,
            "size": self._output.size,
            "hash": whole.hex() if whole else None,
        }
        recorded = await run_in_thread(lambda: partial.verified(identity))
        stat = await run_in_thread(partial.path.stat)
        known = sum(piece.size for piece in pieces if piece in recorded)
        self._resources.hasher.expect(known, self._piece_size)
        with first_cause():
            async with anyio.create_task_group() as tasks:
                for piece in pieces:
                    if (expected := recorded.get(piece)) is not None:
                        place = ReadFrom(str(partial.path), piece.start, FileIdentity.of(stat))
                        await self._places.acquire()  # pieces on disk take no more memory at once than others
                        tasks.start_soon(self._adopt, place, piece, expected)

    async def _adopt(self, place: ReadFrom, piece: ByteRange, expected: bytes) -> None:
        try:
            job = PartJob(piece.size, place, self._output.proofs.hashes)
            hashes = await self._resources.hasher.run(job)
        except SourceError:
            return  # what cannot be read from this disk is fetched again
        finally:
            self._places.release()
        if self._output.proofs.of(hashes) == expected:
            self._hashes[piece] = expected
            self._moved += piece.size

    async def _fetch(self, partial: PartialFile, piece: ByteRange, buffer: PartBuffer) -> None:
        self._in_flight += 1
        try:
            sliced = SlicedPiece(
                self._output, self._resources, piece, buffer, partial=partial, count=self._count
            )
            proof = await sliced.fetch()
            await run_in_thread(lambda: partial.record(piece, proof))  # before it counts: a kill may follow
            passing("piece recorded")
            self._hashes[piece] = proof
        finally:
            self._in_flight -= 1
            self._resources.buffers.release(buffer)
            self._places.release()

    def _count(self, moved: int) -> None:
        self._moved += moved

    def _check_whole(self, pieces: list[ByteRange]) -> None:
        expected = self._output.whole_hash
        if expected is None:
            return  # an inventory, or a range without a hash: only the size can be checked
        actual = self._output.proofs.combine((piece.size, self._hashes[piece]) for piece in pieces)
        if actual != expected:
            raise IntegrityError(
                f"the whole of {self._output.name} differs; the file was not given its name",
                expected=expected,
                actual=actual,
            )
