"""Downloads to a file: pieces in parallel, each written and verified slice by slice, the whole at the end."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from aioglacier.core.errors import IntegrityError, SourceError
from aioglacier.core.ranges import ByteRange, whole_range
from aioglacier.files.crashpoints import passing
from aioglacier.files.reading import FileIdentity
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.download.partial_file import PartialFile, find_file, left_pieces, settle
from aioglacier.transfer.download.retrieval_source import GlacierOutput, PiecePlaces, choose_piece_size
from aioglacier.transfer.download.slices import SLICE_SIZE, SlicedPiece
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom
from aioglacier.transfer.snapshot import TransferSnapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

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

        A target that has these very bytes already is left as it is: a former run may have been killed when
        the file had its name. It is fetched again only if nothing else tells the bytes and it has their size.

        If it fails or is cancelled, what was verified stays in a hidden file beside the target, and the next
        download of the same output, or of one with the same tree hash, to the same target goes on from there.

        Raises:
            TargetError: The target exists with other bytes, cannot be written, or has no room.
            IntegrityError: Bytes kept differing from their hashes. There is no file of that name.
            GlacierError: They could not be fetched.
        """
        if await self.is_delivered():
            return
        with self._output.naming():
            async with self._partial_file() as partial:
                await self._fill(partial)
                passing("file verified")
                await run_in_thread(partial.publish)

    async def is_delivered(self) -> bool:
        """Hash the target if it has the right size, and return whether it has these very bytes.

        Nothing is fetched. Bytes whose hashes are not known before they are fetched are compared with those
        that a killed run has recorded.
        """
        status = await run_in_thread(lambda: find_file(self._target, self._output.size))
        if status is None:
            return False
        output, pieces = self._output, self._pieces()
        left = await run_in_thread(lambda: left_pieces(self._target, self._identity()))
        expected = {piece: output.recorded_hash(piece) or left.get(piece) for piece in pieces}
        if output.whole_hash is None and None in expected.values():
            return False
        await self._adopt_all(str(self._target), status, expected)
        if len(self._hashes) < len(pieces) or not self._is_whole(pieces):
            self._hashes.clear()
            self._moved = 0
            return False
        await run_in_thread(lambda: settle(self._target))
        return True

    def _pieces(self) -> list[ByteRange]:
        size = self._output.size
        return list(self._output.proofs.pieces(whole_range(size), size, self._piece_size))

    async def _fill(self, partial: PartialFile) -> None:
        # Only after the check for room: the list of pieces for an absurd size would fill the memory.
        pieces = self._pieces()
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
            size, is_known = self._output.size, self._output.whole_hash is not None
            may_be_there = not is_known and find_file(self._target, size) is not None
            opened.append(
                PartialFile.open(self._target, size, overwrite=self._overwrite, may_be_there=may_be_there)
            )

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
        recorded = await run_in_thread(lambda: partial.verified(self._identity()))
        status = await run_in_thread(partial.path.stat)
        wanted = {piece: recorded[piece] for piece in pieces if piece in recorded}
        await self._adopt_all(str(partial.path), status, wanted)

    def _identity(self) -> dict[str, Any]:
        """Return how a journal names the output."""
        whole = self._output.whole_hash
        # Bytes are known by their hash, whichever job they come from: jobs last a day, downloads longer.
        return {
            "output": None if whole else self._output.name,
            "size": self._output.size,
            "hash": whole.hex() if whole else None,
        }

    async def _adopt_all(
        self, path: str, status: os.stat_result, wanted: Mapping[ByteRange, bytes | None]
    ) -> None:
        """Hash pieces of a file, and keep those with the wanted hash; ``None`` wants any."""
        self._resources.hasher.expect(sum(piece.size for piece in wanted), self._piece_size)
        with first_cause():
            async with anyio.create_task_group() as tasks:
                for piece, expected in wanted.items():
                    place = ReadFrom(path, piece.start, FileIdentity.of(status))
                    await self._places.acquire()  # pieces on disk take no more memory at once than others
                    tasks.start_soon(self._adopt, place, piece, expected)

    async def _adopt(self, place: ReadFrom, piece: ByteRange, expected: bytes | None) -> None:
        try:
            job = PartJob(piece.size, place, self._output.proofs.hashes)
            hashes = await self._resources.hasher.run(job)
        except SourceError:
            return  # what cannot be read from this disk is fetched again
        finally:
            self._places.release()
        actual = self._output.proofs.of(hashes)
        if expected in {None, actual}:
            self._hashes[piece] = actual
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
        if not self._is_whole(pieces):
            raise IntegrityError(
                f"the whole of {self._output.name} differs; the file was not given its name",
                expected=self._output.whole_hash or b"",
                actual=self._combined(pieces),
            )

    def _is_whole(self, pieces: list[ByteRange]) -> bool:
        expected = self._output.whole_hash
        # Of an inventory, or a range without a hash, only the size can be checked.
        return expected is None or self._combined(pieces) == expected

    def _combined(self, pieces: list[ByteRange]) -> bytes:
        return self._output.proofs.combine((piece.size, self._hashes[piece]) for piece in pieces)
