"""A stream of several archives read back as one: each piece is retrieved, verified, and given in order.

What a piece must be, its manifest says; its size and its tree hash are compared before its job is used, and
again with what was read. Jobs are started ahead, so that the next piece is ready when this one is fetched.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.streams.manifest import Manifest, Piece
from aioglacier.core.errors import IntegrityError, JobNotFoundError
from aioglacier.core.limits import MIB
from aioglacier.core.models import ArchiveId, Tier
from aioglacier.core.treehash import TreeHash
from aioglacier.files import landing
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.snapshot import TransferSnapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault

#: Bytes asked for ahead of what is fetched. An output is kept for a day: at 1 MB/s so much comes in one.
AHEAD: Final = 64 * 1024 * MIB

#: How often an output that is gone is asked for again.
_RENEWALS: Final = 3

#: A manifest of a million pieces has less.
_LARGEST_MANIFEST: Final = 512 * MIB


async def read_manifest(vault: Vault, archive_id: str, tier: Tier = Tier.STANDARD) -> Manifest:
    """The manifest of a stream: from the catalog if it knows the pieces, or retrieved, which takes hours.

    Raises:
        IntegrityError: The archive is no manifest.
    """
    known = await find_manifest(vault, archive_id)
    if known is not None:
        return known
    job = await vault.retrievals.find(archive_id) or await vault.retrieve(archive_id, tier=tier)
    description = await job.wait_until_done()
    if (description.output_size or 0) > _LARGEST_MANIFEST:
        raise IntegrityError(
            f"archive {archive_id} has {description.output_size} bytes, and is no manifest",
            expected=b"",
            actual=b"",
            archive_id=archive_id,
        )
    async with job.open_reader() as reader:
        text = b"".join([block async for block in reader])
    return Manifest.decode(text, archive_id)


async def find_manifest(vault: Vault, archive_id: str) -> Manifest | None:
    """The manifest of a stream, if the catalog knows the pieces."""
    if vault.records is None:
        return None
    pieces = await vault.records.catalog.streams.find_pieces(vault.records.key, ArchiveId(archive_id))
    if not pieces:
        return None
    return Manifest("", "", tuple(Piece(each.id, each.size, each.tree_hash) for each in pieces))


class StreamDownload:
    """The reading of one stream, to be run once; ``snapshot`` shows how far it is."""

    def __init__(
        self, vault: Vault, manifest: Manifest, *, tier: Tier = Tier.STANDARD, ahead: int = AHEAD
    ) -> None:
        self.started = 0
        self._vault = vault
        self._manifest = manifest
        self._tier = tier
        self._ahead = ahead
        self._done = 0
        self._moved = 0
        self._jobs: dict[int, Job] = {}

    def snapshot(self) -> TransferSnapshot:
        """The counters now."""
        return TransferSnapshot(self._manifest.size, self._done, self._moved, self._done, 0, 0)

    async def run(self, write: Callable[[bytes], Awaitable[object]]) -> None:
        """Give the whole stream to a function, in order; each block is verified by itself before.

        Raises:
            IntegrityError: A piece is not what the manifest says.
            GlacierError: A piece cannot be had.
        """
        for index in range(len(self._manifest.pieces)):
            await self._read(index, 0, TreeHash(), write)

    async def check_room(self, target: str, *, more: int = 0) -> None:
        """Refuse a target that its file system has no room for; ``save`` does so before it asks for anything.

        Args:
            target: Where the stream is to be written.
            more: Bytes that are needed beside it: what is encrypted is decrypted into another file.

        Raises:
            TargetError: It has no room.
        """
        await run_in_thread(partial(_check_room, target, self._manifest.size, more))

    async def save(self, target: str, *, overwrite: bool = False) -> None:
        """Write the stream to a file, which appears when all of it is verified and on disk.

        If it fails, or is stopped or killed, what was fetched stays in a hidden file beside it, and another
        run goes on from there: what is in that file is hashed again.

        Raises:
            TargetError: The file exists and may not be overwritten, or cannot be written, or has no room.
            IntegrityError: A piece is not what the manifest says; what was fetched of it is thrown away.
            GlacierError: A piece cannot be had.
        """
        await self.check_room(target)
        fd = await run_in_thread(partial(_open_kept, target, overwrite=overwrite))
        try:
            await self._save(fd)
            hidden = landing.hidden_name(target, landing.STREAM)
            await run_in_thread(partial(landing.land, fd, hidden, target, overwrite=overwrite))
        except OSError as error:
            raise landing.unwritable(target, error) from error
        finally:
            os.close(fd)

    async def _save(self, fd: int) -> None:
        start = 0
        for index, piece in enumerate(self._manifest.pieces):
            there = max(0, min(os.fstat(fd).st_size - start, piece.size))
            hasher = TreeHash()
            if there < piece.size:
                there -= there % MIB
                os.ftruncate(fd, start + there)
            await run_in_thread(partial(_hash, fd, start, there, hasher))
            if there == piece.size and hasher.digest() != piece.tree_hash:
                there, hasher = 0, TreeHash()
                os.ftruncate(fd, start)
            os.lseek(fd, start + there, os.SEEK_SET)
            self._done += there

            async def write(block: bytes) -> None:
                await run_in_thread(partial(_write, fd, block))

            try:
                await self._read(index, there, hasher, write)
            except IntegrityError:
                os.ftruncate(fd, start)
                raise
            start += piece.size
        os.ftruncate(fd, start)

    async def _read(
        self, index: int, position: int, hasher: TreeHash, write: Callable[[bytes], Awaitable[object]]
    ) -> None:
        """Read a piece from a position, of which the bytes before are in the hasher."""
        piece = self._manifest.pieces[index]
        renewals = 0
        while position < piece.size:
            await self._ask_ahead(index)
            job = self._jobs[index]
            try:
                description = await job.wait_until_done()
                if description.archive_tree_hash not in {None, piece.tree_hash}:
                    raise _mismatch(piece, description.archive_tree_hash or b"")
                async with job.open_reader((position, piece.size)) as reader:
                    if description.output_size != piece.size:
                        raise _mismatch(piece, b"")
                    async for block in reader:
                        await run_in_thread(partial(hasher.update, block))
                        await write(block)
                        position += len(block)
                        self._done += len(block)
                        self._moved += len(block)
            except JobNotFoundError:
                renewals += 1
                if renewals > _RENEWALS:
                    raise
                del self._jobs[index]  # it has had its day
        self._jobs.pop(index, None)
        if (actual := hasher.digest()) != piece.tree_hash:
            raise _mismatch(piece, actual)

    async def _ask_ahead(self, index: int) -> None:
        """See that there is a job for this piece, and for those after it that are worth asking for now."""
        ahead = 0
        for number, piece in enumerate(self._manifest.pieces[index:], index):
            if number > index + 1 and ahead + piece.size > self._ahead:
                return
            ahead += piece.size
            if number not in self._jobs:
                job = await self._vault.retrievals.find(piece.archive_id)
                if job is None:
                    job = await self._vault.retrieve(piece.archive_id, tier=self._tier)
                    self.started += job.is_new
                self._jobs[number] = job


def _open_kept(target: str, *, overwrite: bool) -> int:
    landing.check_target(target, overwrite=overwrite)
    return landing.open_hidden(target, landing.STREAM)


def _check_room(target: str, size: int, more: int) -> None:
    kept = landing.hidden_name(target, landing.STREAM)
    if more and os.path.exists(target):  # noqa: PTH110  # fetched as a whole, and not decrypted yet
        kept = target
    twice = ", because an encrypted stream is fetched whole and then decrypted" if more else ""
    landing.check_room(target, size + more, kept=[kept], note=f"{twice}; no job was started")


def _hash(fd: int, start: int, size: int, hasher: TreeHash) -> None:
    stop = start + size
    while start < stop and (block := os.pread(fd, min(MIB, stop - start), start)):
        hasher.update(block)
        start += len(block)


def _write(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]


def _mismatch(piece: Piece, actual: bytes) -> IntegrityError:
    return IntegrityError(
        f"archive {piece.archive_id} is not the piece of the stream that its manifest tells of",
        expected=piece.tree_hash,
        actual=actual,
        archive_id=piece.archive_id,
    )
