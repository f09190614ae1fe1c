"""The records of one vault: what is known of its uploads, jobs, downloads and deletions, and what is noted.

Imported only where there is a catalog, because that takes long to load.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.catalog import ArchiveState, DownloadState, JobState, Place, SourceIdentity, UploadState
from aioglacier.catalog.uploads import UNFINISHED
from aioglacier.core.errors import (
    CatalogMismatchError,
    ResumeMismatchError,
    ServiceError,
    TemporaryServiceError,
    UploadLockedError,
)
from aioglacier.core.models import JobAction, JobStatus
from aioglacier.files.crashpoints import passing
from aioglacier.recorded.recording_store import RecordingStore
from aioglacier.transfer.upload.sources import NamedFile
from aioglacier.transfer.upload.writer import UploadOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.catalog import Catalog, JobRecord, UploadRecord
    from aioglacier.core.models import (
        Archive,
        ArchiveId,
        InventoryParameters,
        JobDescription,
        JobId,
        Tier,
        UploadDescription,
        UploadId,
    )
    from aioglacier.core.ranges import ByteRange
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.sources import ByteSource

__all__ = ["Place", "VaultRecords"]

_LOOK_AGAIN_SECONDS: Final = 0.05

#: What becomes of a job, by what the service says of it.
_STATES: Final = {
    JobStatus.IN_PROGRESS: JobState.OPEN,
    JobStatus.SUCCEEDED: JobState.SUCCEEDED,
    JobStatus.FAILED: JobState.FAILED,
}


class VaultRecords:
    """The records of one vault.

    Attributes:
        catalog: Where they are.
        place: The vault, as the catalog knows it.
    """

    def __init__(self, catalog: Catalog, place: Place) -> None:
        self.catalog = catalog
        self.place = place

    def __repr__(self) -> str:
        return f"<VaultRecords {self.place.vault} in {self.catalog.location!r}>"

    def store(
        self,
        inner: ArchiveStore,
        options: UploadOptions,
        source: NamedFile | ByteSource | None = None,
        record: UploadRecord | None = None,
        *,
        found: UploadDescription | None = None,
        awaits_telling: bool = False,
    ) -> RecordingStore:
        """A store that records what is done through it.

        Args:
            inner: The vault.
            options: Of the upload.
            source: What is uploaded; ``None`` for a writer.
            record: An upload on record that goes on; ``None`` for a new one.
            found: An upload that the service has and that goes on; it is put on record, if it is not,
                when the source has proved to be the right one: before anything is sent.
            awaits_telling: Whoever asked for the archive will say when he has been told of it, with
                ``Uploads.record_told``; until then the next run reports it instead of making another.
        """
        return RecordingStore(
            self, inner, options, source, record, found=found, awaits_telling=awaits_telling
        )

    async def told(self, archive: Archive) -> None:
        """Record that whoever asked for an archive knows of it; see ``store``."""
        found = await self.catalog.archives.get(self.place, archive.id)
        if found is not None and found.upload is not None:
            await self.catalog.uploads.record_told(found.upload)

    async def find_upload(self, upload_id: UploadId) -> UploadRecord | None:
        """The upload with this id, if it is on record.

        Raises:
            ResumeMismatchError: It is, in another vault, account, region or endpoint.
        """
        try:
            return await self.catalog.uploads.find(self.place, upload_id)
        except CatalogMismatchError as error:
            raise ResumeMismatchError(f"{error.message}; name that one to go on with it") from error

    async def confirm_account(self, vault_arn: str) -> None:
        """Compare the account in the vault's ARN with the one on record, or record it.

        Raises:
            CatalogMismatchError: They differ: with these credentials "-" is another account than before.
        """
        fields = vault_arn.split(":")
        if len(fields) > 4 and fields[4]:
            await self.catalog.confirm_account(self.place, fields[4])

    async def aborted(self, upload_id: UploadId) -> None:
        """Record that an upload was aborted, if it is on record."""
        record = await self.catalog.uploads.find(self.place, upload_id)
        if record is not None and record.state in UNFINISHED:
            await self.catalog.uploads.record_aborted(record)

    async def take_in(
        self,
        upload: UploadDescription,
        source: NamedFile | ByteSource | None,
        record: UploadRecord | None,
    ) -> UploadRecord:
        """Record an upload that the service has and that goes on; ``record`` is what is known of it."""
        uploads = self.catalog.uploads
        if record is None:
            record = await self.find_upload(upload.id)
        if record is None:
            options = UploadOptions(self.place.vault, upload.description or None)
            record = await self.intend_upload(options, source, part_size=upload.part_size)
        if record.state is UploadState.COMPLETED:
            raise ResumeMismatchError(f"upload {upload.id} has become archive {record.archive_id} already")
        if record.state is not UploadState.OPEN:
            record = await uploads.record_initiated(record, upload.id)
        return record

    async def intend_upload(
        self,
        options: UploadOptions,
        source: NamedFile | ByteSource | None,
        *,
        part_size: int,
        size: int | None = None,
        tree_hash: bytes | None = None,
    ) -> UploadRecord:
        """Record that an upload is about to begin; see ``Uploads.record_intent``."""
        file = source if isinstance(source, NamedFile) else None
        return await self.catalog.uploads.record_intent(
            self.place,
            part_size=part_size,
            description=options.description or "",
            size=size or (file.size if file else options.expected_size),
            source=file.path if file else None,
            identity=SourceIdentity(*file.identity) if file else None,
            tree_hash=tree_hash,
        )

    @asynccontextmanager
    async def initiating(self, upload: UploadRecord) -> AsyncIterator[None]:
        """Show others that this intent is not one of a dead process; a file's is shown by the file's lock."""
        if upload.source is not None:
            yield
            return
        async with AsyncExitStack() as stack:
            while True:
                try:
                    await stack.enter_async_context(self.catalog.lock_source(self.place, upload.nonce))
                    break
                except UploadLockedError:  # somebody looks, for as long as a request takes
                    await anyio.sleep(_LOOK_AGAIN_SECONDS)
            yield

    # --- jobs and downloads

    async def initiate_job(
        self,
        initiate: Callable[[str], Awaitable[JobId]],
        action: JobAction,
        *,
        archive_id: ArchiveId | None = None,
        byte_range: ByteRange | None = None,
        tier: Tier | None = None,
        inventory: InventoryParameters | None = None,
    ) -> JobId:
        """Start a job on record; ``initiate`` is given the nonce for its description."""
        jobs = self.catalog.jobs
        former = await jobs.find_like(
            self.place, action, archive_id=archive_id, byte_range=byte_range, inventory=inventory
        )
        if former is not None and former.state is JobState.INTENT:
            # Whoever wants another job has looked for that one. Should it turn up, its nonce tells.
            await jobs.record_state(former, JobState.FAILED, "it was never begun, as far as is known")
        record = await jobs.record_intent(
            self.place, action, archive_id=archive_id, byte_range=byte_range, tier=tier, inventory=inventory
        )
        passing("job intent recorded")
        try:
            job_id = await initiate(record.nonce)
        except ServiceError as error:
            if not isinstance(error, TemporaryServiceError):
                await jobs.record_state(record, JobState.FAILED, error.message)
            raise
        passing("job initiated")
        await jobs.record_initiated(record, job_id)
        passing("job id recorded")
        return job_id

    async def note_job(self, job: JobDescription) -> JobRecord:
        """Record what the service says of a job, whoever started it."""
        jobs = self.catalog.jobs
        await self.confirm_account(job.vault_arn)
        record = await jobs.find(self.place, job.id)
        if record is None:
            nonce = (job.description or "").rpartition(" ")[2]
            record = await jobs.find_nonce(nonce) if nonce else None
            if record is None or record.place != self.place:
                record = await jobs.record_intent(
                    self.place,
                    job.action,
                    archive_id=job.archive_id,
                    byte_range=job.byte_range,
                    tier=job.tier,
                    inventory=job.inventory,
                )
            record = await jobs.record_initiated(record, job.id)
        if record.state is not (state := _STATES[job.status]):
            record = await jobs.record_state(record, state, job.status_message or "")
        return record

    async def note_job_gone(self, job_id: JobId) -> None:
        """Record that the service no longer knows a job."""
        record = await self.catalog.jobs.find(self.place, job_id)
        if record is not None and record.state is not JobState.GONE:
            await self.catalog.jobs.record_state(record, JobState.GONE)

    async def begin_download(self, job: JobDescription, target: str | os.PathLike[str]) -> None:
        """Record that the output of a job is wanted as a file."""
        record = await self.note_job(job)
        await self.catalog.downloads.record_begun(record, os.path.abspath(os.fsdecode(target)))  # noqa: ASYNC240, PTH100
        passing("download recorded")

    @asynccontextmanager
    async def downloading(self, job: JobDescription, target: str | os.PathLike[str]) -> AsyncIterator[None]:
        """Record a download that runs in the block; one that fails goes on another time."""
        record = await self.note_job(job)
        path = os.path.abspath(os.fsdecode(target))  # noqa: ASYNC240, PTH100  # nothing is looked up
        download = await self.catalog.downloads.record_begun(record, path)
        yield
        await self.catalog.downloads.record_ended(download, DownloadState.COMPLETED)

    async def find_abandoned(
        self, archive_id: str, byte_range: ByteRange | None, target: str | os.PathLike[str]
    ) -> JobRecord | None:
        """The job of an unfinished download of these bytes to this path."""
        path = os.path.abspath(os.fsdecode(target))  # noqa: ASYNC240, PTH100  # nothing is looked up
        download = await self.catalog.downloads.find_unfinished(path)
        if download is None:
            return None
        job = await self.catalog.downloads.job_of(download)
        return job if (job.archive_id, job.byte_range) == (archive_id, byte_range) else None

    async def give_up_download(self, target: str | os.PathLike[str]) -> None:
        """Record that an unfinished download to this path is begun anew."""
        path = os.path.abspath(os.fsdecode(target))  # noqa: ASYNC240, PTH100  # nothing is looked up
        download = await self.catalog.downloads.find_unfinished(path)
        if download is not None:
            await self.catalog.downloads.record_ended(download, DownloadState.FAILED, "begun anew")

    # --- archives

    async def delete(self, archive_id: ArchiveId, delete: Callable[[], Awaitable[None]]) -> None:
        """Delete an archive and record it, before and after, if it is on record at all."""
        archives = self.catalog.archives
        found = await archives.get(self.place, archive_id)
        if found is None:
            await delete()
            return
        await archives.record_state(self.place, archive_id, ArchiveState.DELETING)
        passing("deleting recorded")
        try:
            await delete()
        except ServiceError as error:
            if not isinstance(error, TemporaryServiceError):
                await archives.record_state(self.place, archive_id, found.state)
            raise
        passing("deleted")
        await archives.record_state(self.place, archive_id, ArchiveState.DELETED)
