"""Taking up an upload of a file where the catalog says that one is unfinished.

What the record's state means for the next run:

- ``intent``: its upload may be at the service under an id that nobody heard. It is looked for, see
  ``core.lost``, and taken, or there is none.
- ``open``: the service's list of parts and a hash of the file decide what is missing. If the service no
  longer knows the upload, it has expired, and the file is uploaded anew at once.
- ``completing``: the archive may have been made. Completing is repeated, which is answered with the same
  archive for a while; after that an inventory settles it. Until then nothing is uploaded again.
- ``completed``, but the program died before it could say so: the archive is reported now.

One process and one task at a time: the file is locked while the block runs.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aioglacier.catalog import ArchiveState, SourceIdentity, UploadState
from aioglacier.core.errors import (
    CatalogMismatchError,
    InvalidParameterError,
    OutcomeUnknownError,
    ResumeMismatchError,
    UploadExpiredError,
    UploadLockedError,
    UploadNotFoundError,
)
from aioglacier.core.planning import choose_part_size
from aioglacier.core.upload_identity import CLOCK_TOLERANCE, LATEST_BEGIN, may_be_lost
from aioglacier.gateway.contract.paging import follow
from aioglacier.tasks.see_through import GRACE_SECONDS
from aioglacier.transfer.snapshot import TransferSnapshot
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import open_file
from aioglacier.transfer.upload.writer import UploadOptions

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from aioglacier.catalog import UploadRecord
    from aioglacier.core.models import Archive, UploadId
    from aioglacier.recorded.vault_context import RecordedVault
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.upload.sources import NamedFile

#: An inventory is about a day old, and made about once a day (Guide, "Downloading a Vault Inventory"); one
#: that is dated this long after an archive was to be made, and does not list it, proves that it was not.
INVENTORY_ALLOWANCE: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Expired:
    """An upload that the service has removed.

    Attributes:
        record: The upload.
        size: Bytes of it that were at the service as far as is on record, and have to go again.
    """

    record: UploadRecord
    size: int


class TakenUpload:
    """An upload that begins, goes on, or turns out to be done; to be run once.

    Attributes:
        file: What is uploaded.
        continued: The record of the upload it goes on with, as it was found; ``None`` for a new one.
        expired: One that was to go on, and is gone.
        aborted: One that was aborted on request.
        former: An archive that a former version of the file has become, which was not known until now.
    """

    def __init__(self, taking: _Taking, file: NamedFile) -> None:
        self.file = file
        self.continued: UploadRecord | None = None
        self.expired: Expired | None = None
        self.aborted: UploadRecord | None = None
        self.former: Archive | None = None
        self._taking = taking
        self._upload: SourceUpload | None = None
        self._archive: Archive | None = None

    @property
    def is_new(self) -> bool:
        """Whether nothing of the file is known to be at the service."""
        return self.continued is None

    @property
    def archive(self) -> Archive | None:
        """The archive, once there is one; before ``run`` where a former run has made it."""
        return self._archive or (self._upload.archive if self._upload else None)

    def snapshot(self) -> TransferSnapshot:
        """The counters now."""
        if self._upload is not None:
            return self._upload.snapshot()
        done = self.file.size if self._archive else 0
        return TransferSnapshot(self.file.size, done, done, done, 0, 0)

    async def run(self) -> Archive:
        """Upload what is missing; see ``Vault.upload`` for what it raises."""
        if self._archive is not None:
            return self._archive
        assert self._upload is not None  # noqa: S101  # it was prepared before it was given out
        try:
            return await self._upload.run()
        except UploadExpiredError:
            if self.continued is None:
                raise
            self.note_expired(self.continued, self.snapshot().done)
            self.begin()
            return await self._upload.run()

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Stop gently; see ``SourceUpload.drain``."""
        if self._upload is not None:
            self._upload.drain(seconds)

    # --- preparing, before it is given out

    def begin(self) -> None:
        """Upload the file from its beginning."""
        self.continued = None
        self._upload = self._taking.new_upload(self.file)

    async def begin_in_parts(self) -> None:
        """Likewise, and in parts even if one is enough."""
        self._upload = await self._taking.new_upload_in_parts(self.file)

    def go_on(self, record: UploadRecord, known: dict[int, bytes]) -> None:
        """Upload what is not known to be there."""
        self.continued = record
        self._upload = self._taking.old_upload(self.file, record, known)

    def end(self, archive: Archive, record: UploadRecord) -> bool:
        """Report an archive that a former run has made, if the file is still what it was made of."""
        if record.identity != SourceIdentity(*self.file.identity):
            self.former = archive
            return False
        self.continued, self._archive = record, archive
        return True

    def note_expired(self, record: UploadRecord, size: int) -> None:
        """Remember an upload that is gone."""
        self.expired = Expired(record, size)


@asynccontextmanager
async def take_up(
    context: RecordedVault,
    path: str | os.PathLike[str],
    options: UploadOptions,
    *,
    resume: bool = True,
    restart: bool = False,
    in_parts: bool = False,
) -> AsyncIterator[TakenUpload]:
    """See ``Vault.open_or_resume``.

    With ``in_parts`` a small file is not sent in one request: if that is cut off nobody can tell for days
    what became of it. It takes two requests more.
    """
    file = await open_file(path)
    with context.naming():
        async with context.catalog.lock_source(context.place, file.path):
            taking = _Taking(context, options)
            taken = await taking.take(file, resume=resume, restart=restart)
            if in_parts and taken.is_new and taken.archive is None:
                await taken.begin_in_parts()
            yield taken


class _Taking:
    """Finds out where to begin."""

    def __init__(self, context: RecordedVault, options: UploadOptions) -> None:
        self._context = context
        self._uploads = context.catalog.uploads
        self._place = context.place
        self._options = options

    def new_upload(self, file: NamedFile) -> SourceUpload:
        """From the beginning."""
        store = self._context.store(self._options, file, awaits_telling=True)
        return SourceUpload(store, self._context.resources, self._options, file)

    async def new_upload_in_parts(self, file: NamedFile) -> SourceUpload:
        """From the beginning; the service has heard of it when this returns."""
        options = replace(self._options, part_size=choose_part_size(file.size, self._options.part_size))
        store = self._context.store(options, file, awaits_telling=True)
        assert options.part_size is not None  # noqa: S101  # it was chosen
        upload_id = await store.initiate(options.part_size)
        return SourceUpload(store, self._context.resources, options, file, resume=(upload_id, {}))

    def old_upload(self, file: NamedFile, record: UploadRecord, known: dict[int, bytes]) -> SourceUpload:
        """From where it is."""
        assert record.upload_id is not None  # noqa: S101  # it is open
        options = replace(self._options, part_size=record.part_size)
        store = self._context.store(options, file, record, awaits_telling=True)
        return SourceUpload(store, self._context.resources, options, file, resume=(record.upload_id, known))

    async def take(self, file: NamedFile, *, resume: bool, restart: bool) -> TakenUpload:
        """What is to be done for a file."""
        taken = TakenUpload(self, file)
        if not resume:
            taken.begin()
            return taken
        record = await self._uploads.find_unfinished(self._place, file.path)
        if record is None:
            record = await self._uploads.find_untold(self._place, file.path)
        while record is not None:
            if restart:
                record = await self._give_up(taken, record)
                continue
            match record.state:
                case UploadState.INTENT:
                    record = await self._find_lost(record)
                case UploadState.OPEN:
                    if await self._go_on(taken, record):
                        return taken
                    record = None
                case UploadState.COMPLETING:
                    record = await self._settle(record)
                case _:
                    archive = await self._archive_of(record)
                    if archive is not None and taken.end(archive, record):
                        return taken
                    await self._uploads.record_told(record.number)
                    record = None
        taken.begin()
        return taken

    async def _give_up(self, taken: TakenUpload, record: UploadRecord) -> UploadRecord | None:
        """Begin anew, as was asked for."""
        if record.state is UploadState.INTENT:
            return await self._find_lost(record)
        if record.state is UploadState.COMPLETED:
            await self._uploads.record_told(record.number)
            return None
        if record.upload_id is not None:
            with suppress(UploadNotFoundError):  # as it was to be
                await self._context.gateway.abort_multipart_upload(self._place.vault, record.upload_id)
            taken.aborted = record
        await self._uploads.record_aborted(record, "begun anew on request")
        return None

    async def _find_lost(self, record: UploadRecord) -> UploadRecord | None:
        upload_id = await find_lost(self._context, record)
        if upload_id is not None:
            try:
                return await self._uploads.record_initiated(record, upload_id)
            except CatalogMismatchError:
                pass  # somebody else was quicker
        await self._uploads.record_failed(record, "it was never begun")
        return None

    async def _go_on(self, taken: TakenUpload, record: UploadRecord) -> bool:
        """Prepare to go on with an open upload; false if it is gone."""
        assert record.upload_id is not None  # noqa: S101  # it is open
        try:
            found, known = await self._context.fetch_parts(record.upload_id)
        except UploadNotFoundError as error:
            sent = sum([part.size async for part in self._uploads.list_parts(record.number)])
            await self._uploads.record_expired(record, error.message)
            taken.note_expired(record, sent)
            return False
        await self._context.records.confirm_account(found.vault_arn)
        if not known and not self._fits(record, taken.file):
            await self._context.gateway.abort_multipart_upload(self._place.vault, record.upload_id)
            await self._uploads.record_aborted(record, "nothing had been sent")
            return False
        self._check_options(record)
        taken.go_on(record, known)
        return True

    def _fits(self, record: UploadRecord, file: NamedFile) -> bool:
        wanted = choose_part_size(file.size, self._options.part_size)
        return (record.part_size, record.description) == (wanted, self._options.description or "")

    def _check_options(self, record: UploadRecord) -> None:
        wanted = self._options.part_size
        if wanted is not None and wanted != record.part_size:
            raise mismatch(record, "part size", f"{record.part_size} bytes", f"{wanted} bytes")
        described = self._options.description or ""
        if described != record.description:
            raise mismatch(record, "description", repr(record.description), repr(described))

    async def _settle(self, record: UploadRecord) -> UploadRecord | None:
        """Find out what has become of an upload that was about to be completed.

        Returns:
            The record as it is now: completed, or open again; ``None`` if it has come to nothing.

        Raises:
            OutcomeUnknownError: Nothing tells yet.
        """
        return await settle(self._context, record)

    async def _archive_of(self, record: UploadRecord) -> Archive | None:
        if record.archive_id is None:
            return None
        found = await self._context.records.catalog.archives.get(self._place, record.archive_id)
        return found.archive if found is not None and found.state is ArchiveState.STORED else None


async def find_lost(context: RecordedVault, record: UploadRecord) -> UploadId | None:
    """The upload at the service that this intent began, if there is one; see ``core.lost``."""
    found = [
        upload
        async for upload in follow(
            "ListMultipartUploads",
            lambda marker: context.gateway.list_multipart_uploads(context.name, marker=marker),
        )
        if may_be_lost(
            upload,
            description=record.description,
            part_size=record.part_size,
            since=record.created,
            until=record.created + LATEST_BEGIN,
        )
    ]
    for upload in sorted(found, key=lambda upload: upload.started):
        if await context.catalog.uploads.is_known(upload.id):
            continue
        try:
            _, page = await context.gateway.list_parts(context.name, upload.id, limit=1)
        except UploadNotFoundError:
            continue
        if not page.items:
            return upload.id
    return None


async def sweep(context: RecordedVault) -> None:
    """Abort what dead processes began for streams, before anything was sent: nobody can go on with that."""
    uploads = context.catalog.uploads
    intents = [
        upload
        async for upload in uploads.list_unfinished(context.place)
        if upload.state is UploadState.INTENT and upload.source is None
    ]
    for upload in intents:
        with suppress(UploadLockedError):  # it is alive
            async with context.catalog.lock_source(context.place, upload.nonce):
                upload_id = await find_lost(context, upload)
                if upload_id is not None:
                    await context.gateway.abort_multipart_upload(context.name, upload_id)
                await uploads.record_failed(upload, "its process died before anything was sent")


async def settle(context: RecordedVault, record: UploadRecord) -> UploadRecord | None:
    """Find out what has become of an upload that was about to be completed, without sending any byte of it.

    Returns:
        The record as it is now: completed, or open again; ``None`` if it has come to nothing.

    Raises:
        OutcomeUnknownError: Nothing tells yet. An inventory will.
    """
    size, tree_hash = _content(record)
    uploads = context.catalog.uploads
    unknown: OutcomeUnknownError
    if record.upload_id is not None:
        options = UploadOptions(context.name, record.description or None, record.part_size)
        store = context.store(options, record=record, awaits_telling=True)
        try:
            await store.complete(record.upload_id, size, tree_hash)
            return await uploads.get(record)
        except InvalidParameterError:
            return await uploads.get(record)  # parts are missing, and it is open
        except OutcomeUnknownError as error:
            unknown = error
    else:
        unknown = OutcomeUnknownError(
            "the archive was on its way in a single request when that was interrupted",
            size=size,
            tree_hash=tree_hash,
        )
    if (settled := await settle_by_inventory(context.records, record)) is not None:
        return settled
    if (await uploads.get(record)).state is not UploadState.COMPLETING:
        return None
    with context.naming():
        raise unknown


async def settle_all(records: VaultRecords) -> list[UploadRecord]:
    """Settle every upload of unknown outcome that the inventories which were merged can settle.

    Returns:
        Those that are settled now: completed, or failed because there is no such archive.
    """
    uploads = records.catalog.uploads
    waiting = [
        upload
        async for upload in uploads.list_unfinished(records.place)
        if upload.state is UploadState.COMPLETING
    ]
    for upload in waiting:
        await settle_by_inventory(records, upload)
    now = [await uploads.get(upload) for upload in waiting]
    return [upload for upload in now if upload.state is not UploadState.COMPLETING]


async def settle_by_inventory(records: VaultRecords, record: UploadRecord) -> UploadRecord | None:
    """Compare an upload of unknown outcome with the inventories that were merged.

    An archive of its size and tree hash that no upload on record has made is its archive. If an inventory of
    three days later lists none, there is none, and the upload is recorded as failed.

    Returns:
        The record, completed; ``None`` otherwise.
    """
    size, tree_hash = _content(record)
    catalog = records.catalog
    alike = catalog.archives.list_alike(records.place, size=size, tree_hash=tree_hash)
    async for found in alike:
        is_later = found.archive.created >= record.created - CLOCK_TOLERANCE
        if found.upload is None and found.state is ArchiveState.STORED and is_later:
            await catalog.uploads.record_completed(record, found.archive, is_told=False)
            return await catalog.uploads.get(record)
    inventoried = (await catalog.archives.totals(records.place)).inventoried
    if inventoried is not None and inventoried >= record.active + INVENTORY_ALLOWANCE:
        await catalog.uploads.record_failed(record, f"the inventory of {inventoried} does not list it")
    return None


def _content(record: UploadRecord) -> tuple[int, bytes]:
    """Size and tree hash of what was to be completed."""
    assert record.size is not None  # noqa: S101  # recorded with the state
    assert record.tree_hash is not None  # noqa: S101
    return record.size, record.tree_hash


def mismatch(record: UploadRecord, what: str, recorded: str, wanted: str) -> ResumeMismatchError:
    """The error of an upload that was begun otherwise than it is to go on."""
    error = ResumeMismatchError(
        f"the unfinished upload of {record.source!r} was begun with {what} {recorded}, but now it is {wanted}"
    )
    error.upload_id = record.upload_id
    return error
