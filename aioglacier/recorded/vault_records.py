"""The records of one vault: its uploads, jobs, downloads and deletions.

Only a connection with a catalog imports this module, because it takes long to load.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from aioglacier.catalog import ArchiveState, DownloadState, JobState, VaultKey
from aioglacier.core.errors import (
    ArchiveNotFoundError,
    CatalogMismatchError,
    InvalidPlanError,
    ServiceError,
    TemporaryServiceError,
)
from aioglacier.core.limits import LEAF_SIZE
from aioglacier.core.models import JobStatus
from aioglacier.core.ranges import ByteRange, count_leaves
from aioglacier.core.treehash import HASH_SIZE
from aioglacier.files.crashpoints import passing
from aioglacier.recorded.recording_store import RecordingStore
from aioglacier.recorded.upload_records import UploadRecords

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.catalog import Catalog, DownloadRecord, JobRecord, UploadRecord
    from aioglacier.core.models import Archive, ArchiveId, JobDescription, JobId, UploadDescription
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.sources import ByteSource
    from aioglacier.transfer.upload.writer import UploadOptions

__all__ = ["VaultKey", "VaultRecords"]

A = TypeVar("A", bound="Archive")

#: The recorded state of a job by its status at the service.
_STATES: Final = {
    JobStatus.IN_PROGRESS: JobState.OPEN,
    JobStatus.SUCCEEDED: JobState.SUCCEEDED,
    JobStatus.FAILED: JobState.FAILED,
}


class VaultRecords:
    """The records of one vault.

    Attributes:
        catalog: The catalog that has the records.
        key: The vault's key in the catalog.
        uploads: The uploads to it.
        has_looked: Whether the service was asked for the vault, see ``RecordedVault.look``.
    """

    def __init__(self, catalog: Catalog, key: VaultKey) -> None:
        self.catalog = catalog
        self.key = key
        self.uploads = UploadRecords(catalog, key)
        self.has_looked = False

    def __repr__(self) -> str:
        return f"<VaultRecords {self.key.vault} in {self.catalog.location!r}>"

    def of(self, key: VaultKey) -> VaultRecords:
        """Return the records of another place in the same catalog."""
        return VaultRecords(self.catalog, key)

    def store(
        self,
        inner: ArchiveStore[A],
        options: UploadOptions,
        source: NamedFile | ByteSource | None = None,
        record: UploadRecord | None = None,
        *,
        found: UploadDescription | None = None,
        awaits_report: bool = False,
    ) -> RecordingStore[A]:
        """Return a store that records what is done through it; see ``VaultContext.store``."""
        return RecordingStore(
            self.uploads, inner, options, source, record, found=found, awaits_report=awaits_report
        )

    async def confirm_account(self, vault_arn: str) -> None:
        """Compare the account in the vault's ARN with the one on record, or record it.

        Raises:
            CatalogMismatchError: They differ. With these credentials "-" means another account than before.
        """
        if account := account_in(vault_arn):
            await self.catalog.confirm_account(self.key, account)

    # --- jobs and downloads

    async def note_job(self, job: JobDescription) -> JobRecord:
        """Record the state of a job at the service, also of one that another program started."""
        jobs = self.catalog.jobs
        await self.confirm_account(job.vault_arn)
        record = await jobs.find(self.key, job.id)
        if record is None:
            nonce = (job.description or "").rpartition(" ")[2]
            record = await jobs.find_nonce(nonce) if nonce else None  # the job of an answer that was lost
            if record is None or record.key != self.key:
                record = await jobs.record_intent(
                    self.key,
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
        """Record that the service no longer knows a job.

        Raises:
            InvalidPlanError: It is a job of another vault.
        """
        try:
            record = await self.catalog.jobs.find(self.key, job_id)
        except CatalogMismatchError as error:
            raise InvalidPlanError(f"job {job_id} is one of {error.recorded}, not of {self.key}") from error
        if record is not None and record.state is not JobState.GONE:
            await self.catalog.jobs.record_state(record, JobState.GONE)

    async def list_job_intents(self) -> AsyncIterator[JobRecord]:
        """Yield the jobs that were about to be started when a program was stopped."""
        async for job in self.catalog.jobs.list_useful(self.key):
            if job.job_id is None:
                yield job

    async def begin_download(self, job: JobDescription, target: str | os.PathLike[str]) -> DownloadRecord:
        """Record the intention to save the output of a job as a file."""
        download = await self.catalog.downloads.record_begun(await self.note_job(job), _path_of(target))
        passing("download recorded")
        return download

    @asynccontextmanager
    async def downloading(self, job: JobDescription, target: str | os.PathLike[str]) -> AsyncIterator[None]:
        """Record a download that runs in the block. If it fails, it stays on record as unfinished."""
        download = await self.begin_download(job, target)
        yield  # a failure leaves it open on purpose: the next run goes on with its job
        await self.catalog.downloads.record_ended(download, DownloadState.COMPLETED)

    async def find_abandoned(
        self, archive_id: str, byte_range: ByteRange | None, target: str | os.PathLike[str]
    ) -> JobRecord | None:
        """Return the job of an unfinished download of these bytes to this path."""
        download = await self.catalog.downloads.find_unfinished(_path_of(target))
        if download is None:
            return None
        job = await self.catalog.downloads.job_of(download)
        return job if (job.archive_id, job.byte_range) == (archive_id, byte_range) else None

    async def give_up_download(self, target: str | os.PathLike[str]) -> None:
        """Record that an unfinished download to this path will start again with another job."""
        download = await self.catalog.downloads.find_unfinished(_path_of(target))
        if download is not None:
            await self.catalog.downloads.record_ended(download, DownloadState.FAILED, "started again")

    # --- archives

    async def leaves_of(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> bytes:
        """Return the recorded leaf hashes of an archive, or of a range of whole MiB; ``b""`` if one lacks."""
        found = await self.catalog.archives.get(self.key, archive_id)
        if found is None or found.upload is None or found.state is not ArchiveState.STORED:
            return b""
        wanted = byte_range or ByteRange(0, found.archive.size)
        leaves = bytearray()
        start = 0
        async for part in self.catalog.uploads.list_parts(found.upload):
            # It was sent by an earlier run, whose leaves were not kept.
            if len(part.leaves) != count_leaves(part.size) * HASH_SIZE:
                return b""
            first = max(wanted.start - start, 0) // LEAF_SIZE
            last = count_leaves(max(min(wanted.stop - start, part.size), 0))
            leaves += part.leaves[first * HASH_SIZE : last * HASH_SIZE]
            start += part.size  # the parts come in order, without a gap
        return bytes(leaves) if len(leaves) == count_leaves(wanted.size) * HASH_SIZE else b""

    async def delete(self, archive_id: ArchiveId, delete: Callable[[], Awaitable[None]]) -> None:
        """Delete an archive, and record it before and after.

        Its id may be on no record yet, as after a kill between a completion and its answer.
        """
        archives = self.catalog.archives
        found = await archives.get(self.key, archive_id)
        before = found.state if found is not None else ArchiveState.STORED
        # A kill from here on leaves doubt, and no claim.
        await archives.record_state(self.key, archive_id, ArchiveState.DELETING)
        passing("deleting recorded")
        try:
            await delete()
        except ArchiveNotFoundError:
            await archives.record_state(self.key, archive_id, ArchiveState.DELETED)
            raise
        except ServiceError as error:
            if not isinstance(error, TemporaryServiceError):  # a lost answer may hide a deletion
                await archives.record_state(self.key, archive_id, before)
            raise
        passing("deleted")
        await archives.record_state(self.key, archive_id, ArchiveState.DELETED)


def _path_of(target: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.fsdecode(target))  # noqa: PTH100  # nothing is looked up


def account_in(arn: str) -> str:
    """Return the account that a vault's ARN names, "" if it names none."""
    fields = arn.split(":")
    return fields[4] if len(fields) > 4 else ""
