"""Big files: each is an archive of its own, and continues where a former run stopped.

The archive is recorded before the version of the path. A kill between the two loses nothing: the record of
the upload says that the archive was not reported yet, and the next run records the version.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from aioglacier.bulk.formats.age import AGE
from aioglacier.bulk.formats.folder_descriptions import describe_file, name_file
from aioglacier.bulk.sync.folder_files import hash_file, look_at_file, new_version, reading
from aioglacier.bulk.sync.seal_files import archive_sealed
from aioglacier.bulk.sync.stored_contents import Touched, point_to, touch
from aioglacier.catalog.folders.entry_records import storable_time
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
from aioglacier.files.unreadable import source_changed
from aioglacier.recorded.resume import ResumedUpload, open_or_resume
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.streams.memory import MemoryObjectReceiveStream

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.path_failures import PathFailures
    from aioglacier.bulk.places.folder_place import FolderPlace
    from aioglacier.bulk.sync.compare import Change, Known
    from aioglacier.bulk.sync.plan import SyncSnapshot
    from aioglacier.bulk.sync.scan import Found
    from aioglacier.bulk.sync.stored_contents import StoredContents
    from aioglacier.catalog.folders.entry_records import RunNumber, TreeRecord
    from aioglacier.core.models import Archive
    from aioglacier.transfer.upload.writer import ArchiveWriter

#: Errors that concern one file; the run goes on with the others.
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
        top: A path that leads to the folder while the run reads it.
    """

    def __init__(
        self,
        place: FolderPlace,
        root: str,
        recipients: Recipients | None,
        stored: StoredContents,
        counters: SyncSnapshot,
        failures: PathFailures,
    ) -> None:
        self.top = root
        self._place = place
        self._context = place.context
        self._root = root
        self._recipients = recipients
        self._stored = stored
        self._counters = counters
        self._failures = failures
        self._under_way: dict[bytes, ResumedUpload | ArchiveWriter[Archive]] = {}
        self._drain_until: float | None = None

    def moved(self) -> int:
        """Return the bytes that the uploads under way have handed to connections."""
        return sum(upload.snapshot().moved for upload in self._under_way.values())

    def current(self) -> tuple[str, ...]:
        """Return the files under way."""
        return tuple(os.fsdecode(path) for path in self._under_way)

    def drain(self, seconds: float) -> None:
        """Begin no more files, and let what is being sent arrive; an unfinished file stays at the service.

        An encrypted file cannot continue later, so it may go on to its end.
        """
        self._drain_until = anyio.current_time() + seconds
        for upload in self._under_way.values():
            if isinstance(upload, ResumedUpload):
                upload.drain(seconds)

    async def upload_all(
        self, tree: TreeRecord, run: RunNumber, take: MemoryObjectReceiveStream[Change]
    ) -> None:
        """Upload one file after the other until no more come."""
        async with take:
            async for found, known, _ in take:
                if found is None or self._drain_until is not None:
                    continue
                try:
                    await self._upload(tree, run, found, known)
                except UploadFailedError:
                    if self._drain_until is None:
                        raise
                except _ONE_FILE as error:
                    if isinstance(error, CatalogError) and not isinstance(error, UploadLockedError):
                        raise
                    self._failures.add(found.path, error)  # the run goes on

    async def _upload(self, tree: TreeRecord, run: RunNumber, found: Found, known: Known | None) -> None:
        if await self._is_stored(tree, run, found, known):
            self._counters.recorded += 1
            return
        if self._recipients is not None:
            with self._showing(found.path) as show:
                archive = await archive_sealed(
                    self._context, tree, run, found, self.top, self._recipients, show
                )
                await self._keep_sidecar(archive, AGE)
        else:
            try:
                archive = await self._archive(tree, run, found, restart=False)
            except ResumeMismatchError:  # the file has changed since a former run began it
                archive = await self._archive(tree, run, found, restart=True)
        self._counters.archived += 1
        self._counters.archives += 1
        self._counters.archived_size += archive.size
        self._counters.requests += 2 + count_parts(archive.size, 16 * MIB)

    async def _is_stored(self, tree: TreeRecord, run: RunNumber, found: Found, known: Known | None) -> bool:
        """Record a version that points to content in the vault, if there is any; then nothing is sent."""
        entries = self._context.catalog.entries
        is_known = known is not None and (known.kind, known.size) == (found.kind, found.size)
        if not is_known and not await self._stored.may_have(found.size):
            return False
        identity, attributes = await self._look_at(found)
        content_hash = await run_in_thread(partial(hash_file, self.top, found.path))
        if identity.difference((await self._look_at(found))[0]):
            return False  # the upload names the fact that changed
        entry = new_version(found, tree.number, run, attributes=attributes, content_hash=content_hash)
        if is_known and known is not None and known.upload is not None:
            expected = known.content_hash
            if expected is None:
                record = await self._context.catalog.uploads.get(UploadNumber(known.upload))
                expected = record.tree_hash
            if content_hash == expected:
                await entries.add(await touch(entries, [Touched(known, entry)]))
                return True
        pair = (found.size, content_hash)
        stored = await self._stored.find([pair])
        if pair not in stored:
            return False
        await entries.add([point_to(entry, stored[pair])])
        self._stored.linked += 1
        return True

    async def _keep_sidecar(self, archive: Archive, encryption: str | None) -> None:
        """Keep the facts of an archive beside it, where the place wants that: they have its tree hash."""
        async with self._place.open_sidecar(None, encryption) as sidecar:
            await sidecar.keep(archive)

    async def _look_at(self, found: Found) -> tuple[FileIdentity, dict[str, bytes]]:
        return await run_in_thread(partial(look_at_file, self.top, found.path))

    async def _archive(self, tree: TreeRecord, run: RunNumber, found: Found, *, restart: bool) -> Archive:
        context, catalog = self._context, self._context.catalog
        description = describe_file(new_version(found, tree.number, run), self._root, tree.identity)
        options = context.upload_options(description, name=name_file(found.path), keep_unfinished=True)
        path = os.path.join(self._root, os.fsdecode(found.path))  # noqa: PTH118  # of any bytes
        # The upload opens the file by its path, and a folder on the way may be a link by then. So the file is
        # compared with the one below the folder, before anything is begun for it and when it is open.
        expected, _ = await self._look_at(found)
        with reading(found.path):
            there = FileIdentity.of(await run_in_thread(partial(os.stat, path)))
        if field := expected.difference(there):
            raise source_changed(path, field)
        async with open_or_resume(
            context, path, options, restart=restart, in_parts=True, takes_any_key=True
        ) as upload:
            if field := expected.difference(upload.file.identity):
                raise source_changed(path, field)
            with self._showing(found.path) as show:
                show(upload)
                archive = await upload.run()
            record = await catalog.archives.get(context.key, archive.id)
            if record is None or record.upload is None:
                raise CatalogError(f"archive {archive.id} was made, and its upload is not on record")
            identity = upload.file.identity
            mtime_ns = storable_time(identity.mtime_ns)
            now = found._replace(size=identity.size, mtime_ns=mtime_ns, ctime_ns=identity.ctime_ns)
            # Attributes that were set since have changed the ``ctime``, so the next run sees them.
            _, attributes = await self._look_at(found)
            entry = new_version(now, tree.number, run, attributes=attributes)
            await catalog.entries.add([entry._replace(upload=record.upload)])
            await self._keep_sidecar(archive, None)
            await catalog.uploads.record_told(record.upload)  # last: until then the next run records it
        return archive

    @contextmanager
    def _showing(self, path: bytes) -> Iterator[Callable[[ResumedUpload | ArchiveWriter[Archive]], None]]:
        """Show the upload that the block passes to the function as under way."""

        def show(upload: ResumedUpload | ArchiveWriter[Archive]) -> None:
            self._under_way[path] = upload
            if self._drain_until is not None and isinstance(upload, ResumedUpload):
                upload.drain(self._drain_until - anyio.current_time())  # it came while the file was opened

        try:
            yield show
        finally:
            if (upload := self._under_way.pop(path, None)) is not None:
                self._counters.sent += upload.snapshot().moved
