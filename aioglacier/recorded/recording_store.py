"""A store that records each step of an upload: the intent before the effect, the outcome after it.

``RecordingStore`` is a store that holds a store, so the engine does not know of it:

- An upload in parts is ``intent`` before it is initiated, ``open`` when its id is known, ``completing``
  before it is completed. A single request is ``completing`` before the last of it is sent. Each of these is
  on disk before the service can act.
- Parts are recorded after their acknowledgement, in the background and several at a time. They are hints: the
  service's own list decides which parts a resume sends.
- If a record cannot be made, no request follows, not even an abort: the next run finds the last record, and
  the service in the state after it.

Only a connection with a catalog imports this module, because it takes long to load.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio

from aioglacier.catalog import PartRecord, UploadState
from aioglacier.core.errors import (
    CatalogError,
    CatalogMismatchError,
    CostLimitError,
    GlacierError,
    IntegrityError,
    InvalidParameterError,
    ObjectExistsError,
    OutcomeUnknownError,
    UploadExpiredError,
)
from aioglacier.core.models import Archive, ArchiveId
from aioglacier.core.spending import take_expenses
from aioglacier.files.crashpoints import passing
from aioglacier.recorded.upload_records import unknown_outcome
from aioglacier.transfer.store import SharedStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from aioglacier.catalog import Catalog, UploadRecord
    from aioglacier.core.models import UploadDescription, UploadId
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Progress
    from aioglacier.recorded.upload_records import UploadRecords
    from aioglacier.transfer.store import ArchiveStore, Destination, PartDone, StoreRules
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.sources import ByteSource
    from aioglacier.transfer.upload.writer import UploadOptions

_log: Final = logging.getLogger("aioglacier.recorded.recording_store")

A = TypeVar("A", bound=Archive)

#: Requests that are recorded as spent with the upload's own steps, so that a kill does not hide them.
_PAID: Final = ("InitiateMultipartUpload", "UploadMultipartPart", "CompleteMultipartUpload", "UploadArchive")


class RecordingStore(Generic[A]):
    """Records one upload and passes it on to the inner store."""

    def __init__(
        self,
        records: UploadRecords,
        inner: ArchiveStore[A],
        options: UploadOptions,
        source: NamedFile | ByteSource | None,
        record: UploadRecord | None,
        *,
        found: UploadDescription | None,
        awaits_report: bool,
    ) -> None:
        self._found = found
        self._taking_in = anyio.Lock()  # parts begin side by side, and only the first may record the upload
        self._records = records
        self._awaits_report = awaits_report
        self._inner = inner
        self._options = options
        self._source = source
        self._record = record
        self._parts = _PartLog(records.catalog)

    @property
    def rules(self) -> StoreRules:
        """See ``ArchiveStore``."""
        return self._inner.rules

    async def store_whole(
        self, body: Body, hashes: PartHashes, progress: Progress | None, before_last: BeforeLast | None = None
    ) -> A:
        """See ``ArchiveStore``.

        A single request has no effect before its last bytes are sent, so it is recorded just before them. A
        process that is killed earlier leaves no archive and no record.
        """
        size = body.nbytes
        sent = 0

        def count(moved: int) -> None:
            nonlocal sent
            sent += moved
            if progress is not None:
                progress(moved)

        async def record() -> None:
            if self._record is None:
                try:
                    self._record = await self._recorded(
                        self._intend(part_size=size or 1, size=size, tree_hash=hashes.tree_hash)
                    )
                except CatalogError:
                    scope.cancel()  # this runs in a task of the connection; the error is raised below
                    await anyio.sleep_forever()
            passing("single request intended")
            if before_last is not None:
                await before_last()

        archive: A | None = None
        with anyio.CancelScope() as scope:
            try:
                if not size:  # the last byte of an empty body is not announced
                    await record()
                archive = await self._inner.store_whole(body, hashes, count, record)
            except OutcomeUnknownError:  # the record stays "completing", and the next run asks an inventory
                raise
            except IntegrityError as error:
                if self._record is not None:
                    await self._note_suspect(self._record, error, size, hashes.tree_hash)
                raise
            except GlacierError as error:
                await self._note_failed(error, error.message)
                raise
            except BaseException as error:
                if sent < size:  # an incomplete body makes no archive
                    with anyio.CancelScope(shield=True):
                        # Or the next run would wait three days for an inventory.
                        await self._note_failed(error, "stopped")
                raise
        self._check()
        assert archive is not None  # noqa: S101  # or the scope was cancelled for the failure just raised
        passing("single request answered")
        await self._complete(archive)
        return archive

    async def initiate(self, part_size: int) -> UploadId:
        """See ``ArchiveStore``."""
        if self._record is None or self._record.state is UploadState.EXPIRED:
            self._record = await self._recorded(self._intend(part_size=part_size))
        passing("upload intent recorded")
        async with self._records.initiating(self._record):
            try:
                return await self._initiate(self._record, part_size)
            except CostLimitError as error:  # it was never sent
                await self._note_failed(error, error.message)
                self._record = None
                raise

    async def _initiate(self, record: UploadRecord, part_size: int) -> UploadId:
        while True:
            upload_id = await self._inner.initiate(part_size)
            passing("upload initiated")
            try:
                self._record = await self._records.catalog.uploads.record_initiated(
                    record, upload_id, spent=take_expenses(*_PAID)
                )
            except CatalogMismatchError:
                continue  # another process took this upload for one that it had lost; begin another
            except CatalogError as error:
                self._parts.failure = error
                raise
            passing("upload id recorded")
            return upload_id

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> object:
        """See ``ArchiveStore``."""
        record = await self._known_record()
        self._check()
        try:
            receipt = await self._inner.put_part(upload_id, start, body, hashes, progress)
        except UploadExpiredError as error:
            await self._note_expired(record, error)
            raise
        passing("part sent")
        # After the answer: the record is behind the service, never ahead.
        part = PartRecord(start // record.part_size, body.nbytes, hashes.tree_hash, hashes.leaves)
        self._parts.add(record, part)
        return receipt

    @property
    def destination(self) -> Destination:
        """See ``SharedStore``."""
        assert isinstance(self._inner, SharedStore)  # noqa: S101  # vaults and buckets are
        return self._inner.destination

    async def note_parts(self, parts: Sequence[PartDone]) -> None:
        """See ``SharedStore``."""
        record = await self._known_record()
        for index, size, hashes, _ in parts:
            self._parts.add(record, PartRecord(index, size, hashes.tree_hash, hashes.leaves))
        await self._parts.finish()
        self._check()

    async def complete(
        self, upload_id: UploadId, size: int, tree_hash: bytes, receipts: Sequence[object] = ()
    ) -> A:
        """See ``ArchiveStore``."""
        record = await self._known_record()
        await self._parts.finish()
        self._check()
        # An earlier run was stopped here, so the service may have the archive.
        was_completing = record.state is UploadState.COMPLETING
        if not was_completing:
            self._record = record = await self._recorded(
                self._records.catalog.uploads.record_completing(record, size=size, tree_hash=tree_hash)
            )
        passing("completing recorded")
        try:
            archive = await self._inner.complete(upload_id, size, tree_hash, receipts)
        except UploadExpiredError as error:
            if was_completing:  # it may have become the archive, whose id is lost
                raise unknown_outcome(record) from error
            await self._note_expired(record, error)
            raise
        except (InvalidParameterError, ObjectExistsError) as error:
            # The service refused, so the upload is as it was.
            await self._note(error, self._records.catalog.uploads.record_reopened(record))
            raise
        except IntegrityError as error:
            await self._note_suspect(record, error, size, tree_hash)
            raise
        passing("completed")
        await self._complete(archive)
        return archive

    async def abort(self, upload_id: UploadId) -> None:
        """See ``ArchiveStore``."""
        record = await self._known_record()
        await self._parts.finish()
        self._check()
        await self._inner.abort(upload_id)
        passing("abort answered")
        await self._recorded(self._records.catalog.uploads.record_aborted(record))

    # --- how

    async def _intend(
        self, *, part_size: int, size: int | None = None, tree_hash: bytes | None = None
    ) -> UploadRecord:
        return await self._records.intend(
            self._options, self._source, part_size=part_size, size=size, tree_hash=tree_hash
        )

    async def _known_record(self) -> UploadRecord:
        if self._found is not None:
            async with self._taking_in:
                if self._found is not None:
                    taken = self._records.take_in(self._found, self._options, self._source, self._record)
                    self._record = await self._recorded(taken)
                    self._found = None
        assert self._record is not None  # noqa: S101  # it was initiated here, or continues
        return self._record

    def _check(self) -> None:
        if (failure := self._parts.failure) is not None:
            raise failure

    async def _recorded(self, recording: Awaitable[UploadRecord]) -> UploadRecord:
        """Await a record that must be made before the next request."""
        try:
            return await recording
        except CatalogError as error:
            self._parts.failure = error
            raise

    async def _complete(self, archive: Archive) -> None:
        source = self._options.recorded_source
        path = os.path.abspath(os.fsdecode(source)) if source is not None else None  # noqa: ASYNC240, PTH100
        try:
            await self._records.catalog.uploads.record_completed(
                await self._known_record(),
                archive,
                source=path,
                is_told=not self._awaits_report,
                spent=take_expenses(*_PAID),
            )
        except CatalogError as error:
            error.add_note(f"archive {archive.id} was made, but is not on record")  # the id is nowhere else
            self._parts.failure = error
            raise
        passing("archive recorded")

    async def _note_failed(self, error: BaseException, outcome: str) -> None:
        if self._record is not None:
            await self._note(error, self._records.catalog.uploads.record_failed(self._record, outcome))

    async def _note_suspect(
        self, record: UploadRecord, error: IntegrityError, size: int, tree_hash: bytes
    ) -> None:
        uploads = self._records.catalog.uploads
        if error.archive_id is None:
            # No archive was made, and the parts are still at the service.
            is_open = record.upload_id is not None
            await self._note(
                error,
                uploads.record_reopened(record) if is_open else uploads.record_failed(record, error.message),
            )
            return
        archive = Archive(
            ArchiveId(error.archive_id),
            self._records.key.vault,
            size,
            tree_hash,
            self._options.description or "",
            record.active,  # the service gave no date; this is the latest that is known
        )
        await self._note(error, uploads.record_completed(record, archive, is_suspect=True))

    async def _note_expired(self, record: UploadRecord, error: UploadExpiredError) -> None:
        await self._parts.finish()
        uploads = self._records.catalog.uploads
        self._record = replace(record, state=UploadState.EXPIRED)  # also if the catalog does not take it

        async def expire() -> None:
            now = await uploads.get(record.number)  # the record here may be older than the catalog
            if now.state is UploadState.COMPLETING:
                await uploads.record_reopened(record)
            await uploads.record_expired(record, error.message)

        await self._note(error, expire())

    async def _note(self, error: BaseException, recording: Awaitable[object]) -> None:
        """Await the record of a failure without hiding the failure itself."""
        try:
            await recording
        except CatalogError as failure:
            error.add_note(f"the failure could not be recorded: {failure}")


class _PartLog:
    """Records parts in the background: parts that arrive during one transaction go into the next."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._waiting: list[PartRecord] = []
        self._idle: anyio.Event | None = None
        self.failure: CatalogError | None = None

    def add(self, record: UploadRecord, part: PartRecord) -> None:
        """Record a part soon."""
        self._waiting.append(part)
        if self._idle is None:
            self._idle = anyio.Event()
            self._catalog.start_soon(lambda: self._write(record))  # a part does not wait for the disk

    async def finish(self) -> None:
        """Wait until all parts are recorded, or a record has failed."""
        if self._idle is not None:
            await self._idle.wait()

    async def _write(self, record: UploadRecord) -> None:
        assert self._idle is not None  # noqa: S101  # made before this was started
        try:
            while self._waiting and self.failure is None:
                parts, self._waiting = self._waiting, []  # before the await, which lets more arrive
                await self._catalog.uploads.record_parts(record, parts, spent=take_expenses(*_PAID))
                for _ in parts:
                    passing("part recorded")
        except CatalogError as error:
            _log.debug("parts could not be recorded: %s", error)  # the next request fails with it
            self.failure = error
        finally:
            self._idle.set()
            self._idle = None
