"""Read a stream of several archives as one: retrieve each piece, verify it, and pass it on in order.

The manifest has the size and tree hash of each piece. They are compared before its retrieval is used, and
again with the bytes that were read. Retrievals start ahead, so that the next piece is ready when this one is
fetched.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.places.any_place import retrieve_once, wait_for_content
from aioglacier.bulk.streams.manifest import Manifest, Piece, not_a_manifest
from aioglacier.core.errors import IntegrityError, JobNotFoundError
from aioglacier.core.limits import MIB
from aioglacier.core.models import ArchiveId, Tier
from aioglacier.core.treehash import TreeHash
from aioglacier.files import landing
from aioglacier.files.open_flags import BINARY, NOFOLLOW
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.download.partial_file import find_file
from aioglacier.transfer.snapshot import TransferSnapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.buckets.restore import Restore
    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault

#: Bytes requested ahead of those fetched. An output is kept for a day, in which 1 MB/s fetches this much.
AHEAD: Final = 64 * 1024 * MIB

#: How often an expired output is requested again.
_RENEWALS: Final = 3

#: A manifest of a million pieces is smaller.
_LARGEST_MANIFEST: Final = 512 * MIB


async def read_manifest(
    place: Vault | Bucket, archive_id: str, tier: Tier = Tier.STANDARD, days: int = 1
) -> Manifest:
    """Return the manifest of a stream, from the catalog or by a retrieval, which takes hours from a vault.

    Raises:
        IntegrityError: The archive is no manifest.
    """
    known = await find_manifest(place, archive_id)
    if known is not None:
        return known
    retrieval = await retrieve_once(place, archive_id, tier, days)
    size, _ = await wait_for_content(retrieval)
    if size > _LARGEST_MANIFEST:
        raise not_a_manifest(archive_id, f"it has {size} bytes")
    async with retrieval.open_reader() as reader:
        text = b"".join([block async for block in reader])
    return Manifest.decode(text, archive_id)


async def find_manifest(place: Vault | Bucket, archive_id: str) -> Manifest | None:
    """Return the manifest of a stream if the catalog has the pieces."""
    if (records := place.context.records) is None:
        return None
    pieces = await records.catalog.streams.find_pieces(records.key, ArchiveId(archive_id))
    if not pieces:
        return None
    return Manifest("", "", tuple(Piece(each.id, each.size, each.tree_hash) for each in pieces))


class StreamDownload:
    """The reading of one stream, to be run once; ``snapshot`` shows its progress.

    Attributes:
        started: Retrievals that were started, and paid.
    """

    def __init__(
        self,
        place: Vault | Bucket,
        manifest: Manifest,
        *,
        tier: Tier = Tier.STANDARD,
        days: int = 1,
        ahead: int = AHEAD,
    ) -> None:
        """``days`` is the life of restored copies; up to ``ahead`` bytes are asked for ahead."""
        self.started = 0
        self._place = place
        self._days = days
        self._manifest = manifest
        self._tier = tier
        self._ahead = ahead
        self._done = 0
        self._moved = 0
        self._asked: dict[int, Job | Restore] = {}

    def snapshot(self) -> TransferSnapshot:
        """Return the counters now."""
        return TransferSnapshot(self._manifest.size, self._done, self._moved, self._done, 0, 0)

    async def run(self, write: Callable[[bytes], Awaitable[object]]) -> None:
        """Pass the whole stream to a function, in order; each block is verified first.

        Raises:
            IntegrityError: A piece differs from the manifest.
            GlacierError: A piece cannot be retrieved.
        """
        for index in range(len(self._manifest.pieces)):
            await self._read(index, 0, TreeHash(), write)

    async def check_room(self, target: str, *, is_encrypted: bool = False) -> None:
        """Refuse a target whose file system lacks room; ``save`` does so before it starts a job.

        Args:
            target: The path to write the stream to.
            is_encrypted: Whether the stream is saved beside it first, and then decrypted.

        Raises:
            TargetError: The file system lacks room.
        """
        check = partial(landing.check_download_room, is_encrypted=is_encrypted)
        await run_in_thread(partial(check, target, self._manifest.size, landing.STREAM))

    async def save(self, target: str, *, overwrite: bool = False) -> None:
        """Write the stream to a file, which appears when all of it is verified and on disk.

        A file that has the bytes of the stream already is left as it is, and nothing is retrieved.
        If it fails, or is stopped or killed, the fetched bytes stay in a hidden file beside it. Another run
        hashes that file and continues.

        Raises:
            TargetError: The file exists with other bytes and may not be overwritten, cannot be written, or
                there is no room.
            IntegrityError: A piece differs from the manifest; its fetched bytes are thrown away.
            GlacierError: A piece cannot be retrieved.
        """
        if await run_in_thread(partial(_is_delivered, target, self._manifest)):
            self._done = self._manifest.size
            return
        await self.check_room(target)
        fd = await run_in_thread(partial(_open_hidden, target, overwrite=overwrite))
        try:
            await self._save(fd)
            hidden = landing.hidden_name(target, landing.STREAM)
            await run_in_thread(partial(landing.land, fd, hidden, target, overwrite=overwrite))
        except OSError as error:
            raise landing.unwritable(target, error) from error
        finally:
            os.close(fd)  # lets another run in

    async def _save(self, fd: int) -> None:
        async def write(block: bytes) -> None:
            await run_in_thread(partial(landing.write_all, fd, block))

        start = 0
        for index, piece in enumerate(self._manifest.pieces):
            there, hasher = await run_in_thread(partial(_keep, fd, start, piece))
            self._done += there
            try:
                await self._read(index, there, hasher, write)
            except IntegrityError:
                os.ftruncate(fd, start)  # a later run must not keep these bytes
                raise
            start += piece.size
        os.ftruncate(fd, start)  # the hidden file of another stream may have been longer

    async def _read(
        self, index: int, position: int, hasher: TreeHash, write: Callable[[bytes], Awaitable[object]]
    ) -> None:
        """Read a piece from a position; the hasher has the bytes before it."""
        piece = self._manifest.pieces[index]
        renewals = 0
        while position < piece.size:
            await self._ask_ahead(index)
            retrieval = self._asked[index]
            try:
                size, tree_hash = await wait_for_content(retrieval)
                if size != piece.size or tree_hash not in {None, piece.tree_hash}:
                    raise _mismatch(piece, tree_hash or b"")
                async with retrieval.open_reader((position, piece.size)) as reader:
                    async for block in reader:
                        await run_in_thread(partial(hasher.update, block))
                        await write(block)
                        position += len(block)
                        self._done += len(block)
                        self._moved += len(block)
            except JobNotFoundError:  # its output has expired
                renewals += 1
                if renewals > _RENEWALS:
                    raise
                del self._asked[index]  # the next turn gets another
        self._asked.pop(index, None)
        if (actual := hasher.digest()) != piece.tree_hash:
            raise _mismatch(piece, actual)

    async def _ask_ahead(self, index: int) -> None:
        """Request this piece, and the pieces after it that are worth requesting now."""
        ahead = 0
        for number, piece in enumerate(self._manifest.pieces[index:], index):
            if number > index + 1 and ahead + piece.size > self._ahead:  # the next one always
                return
            ahead += piece.size
            if number not in self._asked:
                asked = await retrieve_once(self._place, piece.archive_id, self._tier, self._days)
                self.started += asked.is_new
                self._asked[number] = asked


def _open_hidden(target: str, *, overwrite: bool) -> int:
    landing.check_target(target, overwrite=overwrite)
    return landing.open_hidden(target, landing.STREAM)


def _is_delivered(target: str, manifest: Manifest) -> bool:
    """Return whether a file has the bytes of a stream; put its name on disk if so."""
    if find_file(target, manifest.size) is None:
        return False
    try:
        fd = os.open(target, os.O_RDONLY | BINARY | NOFOLLOW)
    except OSError:
        return False
    try:
        for piece in manifest.pieces:
            if _hash_next(fd, piece.size).digest() != piece.tree_hash:
                return False
    finally:
        os.close(fd)
    landing.sync_folder(Path(target).absolute().parent)
    return True


def _hash_next(fd: int, size: int) -> TreeHash:
    """Hash the next bytes of a file."""
    hasher = TreeHash()
    while size and (block := os.read(fd, min(MIB, size))):
        hasher.update(block)
        size -= len(block)
    return hasher


def _keep(fd: int, start: int, piece: Piece) -> tuple[int, TreeHash]:
    """Keep the bytes of a piece that a former run fetched; return their number and their hash."""
    there = max(0, min(os.fstat(fd).st_size - start, piece.size))
    if there < piece.size:
        there -= there % MIB  # a job's output is verified by whole MiB
        os.ftruncate(fd, start + there)
    os.lseek(fd, start, os.SEEK_SET)
    hasher = _hash_next(fd, there)
    if there == piece.size and hasher.digest() != piece.tree_hash:
        there, hasher = 0, TreeHash()
        os.ftruncate(fd, start)
    os.lseek(fd, start + there, os.SEEK_SET)
    return there, hasher


def _mismatch(piece: Piece, actual: bytes) -> IntegrityError:
    return IntegrityError(
        f"archive {piece.archive_id} is not the piece of the stream that its manifest names",
        expected=piece.tree_hash,
        actual=actual,
        archive_id=piece.archive_id,
    )
