"""Big files: each is an archive of its own, and goes on where a former run has stopped.

The archive is recorded before the entry is. A kill between the two is no loss: the record of the upload says
that the archive was not reported yet, and the next run records the entry.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from aioglacier.bulk.formats.attributes import encode_extra
from aioglacier.bulk.formats.folder_descriptions import describe_file
from aioglacier.bulk.sync.folder_files import hash_file, look_at_file
from aioglacier.bulk.sync.packing import Touched, find_content, point_to, touch
from aioglacier.bulk.sync.seal_files import archive_sealed
from aioglacier.catalog.folders.entries import Entry
from aioglacier.catalog.records import UploadNumber
from aioglacier.core.errors import (
    CatalogError,
    EmptyArchiveError,
    GlacierError,
    IntegrityError,
    OutcomeUnknownError,
    ResumeMismatchError,
    SourceError,
    UnsafePathError,
    UploadExpiredError,
    UploadFailedError,
    UploadLockedError,
    WorkerDiedError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.planning import count_parts
from aioglacier.files.reading import FileIdentity
from aioglacier.files.unreadable import source_changed, source_unreadable
from aioglacier.recorded.resume import ResumedUpload, open_or_resume
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.upload.writer import UploadOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.streams.memory import MemoryObjectReceiveStream

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.sync.compare import Change, Known
    from aioglacier.bulk.sync.scan import Found
    from aioglacier.catalog.folders.entries import RunNumber, TreeRecord
    from aioglacier.core.models import Archive
    from aioglacier.recorded.vault_context import RecordedVault
    from aioglacier.transfer.upload.writer import ArchiveWriter

_ONE_FILE: tuple[type[GlacierError], ...] = (
    SourceError,
    UnsafePathError,
    EmptyArchiveError,
    IntegrityError,
    ResumeMismatchError,
    UploadExpiredError,
    OutcomeUnknownError,
    UploadLockedError,
    WorkerDiedError,
)


class BigFiles:
    """Uploads the big files of one folder.

    Attributes:
        archived: Files that are archives now.
        archived_size: Their bytes.
        recorded: Files whose content was stored already.
        linked: Those of them whose content was at another path.
        requests: Asked of the service.
    """

    def __init__(
        self,
        context: RecordedVault,
        root: str,
        fail: Callable[[bytes, GlacierError], None],
        recipients: Recipients | None = None,
        *,
        least: int = 0,
    ) -> None:
        self._least = least
        self._sizes: set[int] | None = None
        self._asking = anyio.Lock()
        self.archived = 0
        self.archived_size = 0
        self.recorded = 0
        self.linked = 0
        self.requests = 0
        self._moved = 0
        self._context = context
        self._root = root
        self._fail = fail
        self._recipients = recipients
        self._under_way: dict[bytes, ResumedUpload | ArchiveWriter] = {}
        self._drain_until: float | None = None

    def moved(self) -> int:
        """Bytes handed to connections."""
        return self._moved + sum(upload.snapshot().moved for upload in self._under_way.values())

    def current(self) -> tuple[str, ...]:
        """The files on their way."""
        return tuple(os.fsdecode(path) for path in self._under_way)

    def drain(self, seconds: float) -> None:
        """Begin no more, and let what is being sent arrive; a file that is not done is kept at the service.

        An encrypted one cannot go on later, so it may only come to its end.
        """
        self._drain_until = anyio.current_time() + seconds
        for upload in self._under_way.values():
            if isinstance(upload, ResumedUpload):
                upload.drain(seconds)

    async def upload_all(
        self, tree: TreeRecord, run: RunNumber, take: MemoryObjectReceiveStream[Change]
    ) -> None:
        """Upload one after the other, until no more come."""
        async with take:
            async for change in take:
                if change.found is None or self._drain_until is not None:
                    continue
                try:
                    await self._upload(tree, run, change)
                except UploadFailedError:
                    if self._drain_until is None:
                        raise
                except _ONE_FILE as error:
                    if isinstance(error, CatalogError) and not isinstance(error, UploadLockedError):
                        raise
                    self._fail(change.found.path, error)

    async def _upload(self, tree: TreeRecord, run: RunNumber, change: Change) -> None:
        found, known = change
        assert found is not None  # noqa: S101  # see above
        if await self._is_stored(tree, run, found, known):
            self.recorded += 1
            return
        if self._recipients is not None:
            await self._seal(tree, run, found, self._recipients)
            return
        try:
            await self._archive(tree, run, found, restart=False)
        except ResumeMismatchError:
            # It has changed since a former run began with it, and what that had sent is of no more use.
            await self._archive(tree, run, found, restart=True)

    async def _is_stored(self, tree: TreeRecord, run: RunNumber, found: Found, known: Known | None) -> bool:
        """Record a version that points to content in the vault, if there is any; then nothing is sent."""
        entries, key = self._context.catalog.entries, self._context.key
        is_known = known is not None and (known.kind, known.size) == (found.kind, found.size)
        async with self._asking:  # once for all files
            if self._sizes is None:
                self._sizes = await entries.sizes_on_record(key, self._least)
        if not is_known and found.size not in self._sizes:
            return False
        identity, attributes = await self._look_at(found)
        with _reading(found):
            content_hash = await run_in_thread(partial(hash_file, self._root, found.path))
        if identity.difference((await self._look_at(found))[0]):
            return False  # the upload says what changes
        entry = _entry(tree, run, found, attributes)._replace(content_hash=content_hash)
        if is_known and known is not None and known.upload is not None:
            expected = known.content_hash
            if expected is None:
                expected = (
                    await self._context.catalog.uploads.get_number(UploadNumber(known.upload))
                ).tree_hash
            if content_hash == expected:
                await entries.add(await touch(entries, [Touched(known, entry)]))
                return True
        pair = (found.size, content_hash)
        stored = await find_content(self._context, [pair], self._recipients)
        if pair not in stored:
            return False
        await entries.add([point_to(entry, stored[pair])])
        self.linked += 1
        return True

    async def _look_at(self, found: Found) -> tuple[FileIdentity, dict[str, bytes]]:
        with _reading(found):
            return await run_in_thread(partial(look_at_file, self._root, found.path))

    async def _seal(self, tree: TreeRecord, run: RunNumber, found: Found, recipients: Recipients) -> None:
        def note(writer: ArchiveWriter) -> None:
            self._under_way[found.path] = writer

        try:
            archive = await archive_sealed(
                self._context, tree, run, _entry(tree, run, found), self._root, recipients, note
            )
        finally:
            if (writer := self._under_way.pop(found.path, None)) is not None:
                self._moved += writer.snapshot().moved
        self._count(archive)

    async def _archive(self, tree: TreeRecord, run: RunNumber, found: Found, *, restart: bool) -> None:
        context = self._context
        description = describe_file(
            found.path,
            self._root,
            tree.identity,
            mode=found.mode,
            mtime_ns=found.mtime_ns,
            uid=found.uid,
            gid=found.gid,
        )
        options = UploadOptions(context.name, description, keep_unfinished=True)
        path = os.path.join(self._root, os.fsdecode(found.path))  # noqa: PTH118  # of any bytes
        expected, _ = await self._look_at(found)
        with _reading(found):
            there = FileIdentity.of(await run_in_thread(partial(os.stat, path)))
        if field := expected.difference(there):
            raise source_changed(path, field)  # before anything is begun for it
        async with open_or_resume(context, path, options, restart=restart, in_parts=True) as upload:
            # The upload reads by the path, and at each opening compares the file with what it was at first.
            if field := expected.difference(upload.file.identity):
                raise source_changed(path, field)
            self._under_way[found.path] = upload
            if self._drain_until is not None:  # it came while the file was opened
                upload.drain(self._drain_until - anyio.current_time())
            try:
                archive = await upload.run()
            finally:
                del self._under_way[found.path]
                self._moved += upload.snapshot().moved
            record = await context.catalog.archives.get(context.key, archive.id)
            if record is None or record.upload is None:
                raise CatalogError(f"archive {archive.id} was made, and its upload is not on record")
            identity = upload.file.identity
            now = found._replace(size=identity.size, mtime_ns=identity.mtime_ns, ctime_ns=identity.ctime_ns)
            # What was given to it since makes its ``ctime`` another one, and so the next run sees it.
            _, attributes = await self._look_at(found)
            entry = _entry(tree, run, now, attributes)._replace(upload=record.upload)
            await context.catalog.entries.add([entry])
            await context.catalog.uploads.record_told(record.upload)
        self._count(archive)

    def _count(self, archive: Archive) -> None:
        self.archived += 1
        self.archived_size += archive.size
        self.requests += 2 + count_parts(archive.size, 16 * MIB)


@contextmanager
def _reading(found: Found) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise source_unreadable(os.fsdecode(found.path), 0, error) from error


def _entry(
    tree: TreeRecord, run: RunNumber, found: Found, attributes: dict[str, bytes] | None = None
) -> Entry:
    return Entry(
        tree=tree.number,
        path=found.path,
        since=run,
        kind="file",
        size=found.size,
        mtime_ns=found.mtime_ns,
        ctime_ns=found.ctime_ns,
        inode=found.inode,
        device=found.device,
        mode=found.mode,
        uid=found.uid,
        gid=found.gid,
        target=None,
        extra=encode_extra(attributes or {}, has_holes=found.blocks * 512 < found.size),
        content_hash=None,
        upload=None,
        position=None,
        stored=None,
        compression=None,
        encryption=None,
    )
