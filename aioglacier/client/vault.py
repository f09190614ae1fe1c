"""A vault: archives go in and come back."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from aioglacier.client.emptying import Emptying, why_not_deletable
from aioglacier.client.job import Job
from aioglacier.client.retrievals import Retrievals, start_job
from aioglacier.client.upload import KnownUpload, Upload
from aioglacier.client.vault_settings import AccessPolicy, Lock, Notifications, Tags
from aioglacier.client.vault_store import prepare_resume, resume_writer
from aioglacier.core.checks import (
    check_aware,
    check_choice,
    check_description,
    check_id,
    check_retrieval_range,
)
from aioglacier.core.models import (
    ArchiveId,
    InventoryFormat,
    InventoryParameters,
    JobId,
    JobStatus,
    Tier,
    UploadId,
)
from aioglacier.recorded.job_request import JobRequest
from aioglacier.transfer.upload.small import is_small, upload_small
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from aioglacier.transfer.upload.writer import UploadOptions, open_writer

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from aioglacier.core.models import Archive, JobDescription, VaultDescription
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.spending import Budget
    from aioglacier.recorded.resume import ResumedUpload
    from aioglacier.recorded.vault_context import VaultContext
    from aioglacier.transfer.upload.sources import Source
    from aioglacier.transfer.upload.writer import ArchiveWriter


class Vault:
    """A vault by its name, whether it exists or not. Made by ``Glacier.vault()``.

    Attributes:
        name: The name, unique in the account and region.
        records: The records of the vault; ``None`` without a catalog.
        context: The connection, the name and the records beneath it, for the package's own rooms.
        tags: The tags.
        notifications: The notifications to an SNS topic.
        access_policy: The access policy.
        lock: The lock policy, which cannot be changed once it is locked.
        retrievals: The jobs that are there already, so that none is paid twice.
    """

    def __init__(self, context: VaultContext) -> None:
        self.name: Final = context.name
        self.records: Final = context.records
        self.context: Final = context
        self.tags: Final = Tags(context)
        self.notifications: Final = Notifications(context)
        self.access_policy: Final = AccessPolicy(context)
        self.lock: Final = Lock(context)
        self.retrievals: Final = Retrievals(context)

    def __repr__(self) -> str:
        return f"<Vault {self.name} {self.context.gateway.region}>"

    def spending(self, budget: Budget) -> AbstractAsyncContextManager[None]:
        """Count in ``budget`` what the block spends, and refuse what exceeds its limit.

        ::

            budget = Budget(aioglacier.bulk.load_prices(glacier.region), limit=5.0)
            async with vault.spending(budget):
                job = await vault.retrieve(archive_id, tier="Bulk")

        Every request of the block, and of tasks that begin in it, is counted before it is sent, repetitions
        included; what exceeds the limit is a ``CostLimitError``. With a catalog, the end of the block records
        what was spent. Blocks may be nested.
        """
        return self.context.spending(budget)

    # --- the vault itself

    async def describe(self) -> VaultDescription:
        """Describe the vault. Its numbers are those of the last inventory, about a day old."""
        return await self.context.gateway.describe_vault(self.name)

    async def delete(self) -> None:
        """Delete the vault. The service refuses if the last inventory lists archives, or some came since."""
        await self.context.gateway.delete_vault(self.name)

    def prepare_emptying(self) -> Emptying:
        """Prepare the deletion of every archive of the vault: ``run`` it over a ``Job.inventory()``.

        ::

            job = await vault.retrievals.find_inventory() or await vault.retrieve_inventory()
            await job.wait_until_done()
            await vault.prepare_emptying().run(job.inventory())

        It may be repeated after any interruption. An archive deleted within 90 days of its upload is charged
        as if it had been kept that long.
        """
        return Emptying(self.context)

    async def why_not_deletable(self) -> str | None:
        """Return why the service will not delete the vault yet, as far as is known; ``None`` if it may."""
        return why_not_deletable(await self.describe())

    # --- archives in

    def open_writer(
        self,
        *,
        description: str | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
    ) -> AbstractAsyncContextManager[ArchiveWriter[Archive]]:
        """Open a writer for one archive, a stream of any length.

        A clean end of the block completes the archive; an exception or a cancellation never does. Then an
        upload that has begun is aborted, within 10 seconds, or kept where ``keep_unfinished`` asks for it, or
        where the service could not be reached for too long; the error then carries its ``upload_id``.

        Args:
            description: Up to 1,024 printable ASCII characters; the only metadata the service keeps.
            part_size: 1 MiB x 2**k up to 4 GiB. By default 8 MiB, which ends at 78 GiB, or what fits
                ``expected_size``. A part is what memory, retries and requests are counted in.
            expected_size: Bytes to come, if known. Any other number is an error, and no archive is made.
            keep_unfinished: Do not abort an unfinished upload.

        Raises:
            DescriptionError: The service would refuse the description. Nothing was sent.
            InvalidPlanError: Part size, size and memory limit do not go together. Nothing was sent.
        """
        options = UploadOptions(self.name, description, part_size, expected_size, keep_unfinished)
        return open_writer(self.context.store(options), self.context.resources, options)

    async def upload(
        self,
        source: Source,
        *,
        description: str | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
    ) -> Archive:
        """Archive a file, or everything that a source yields.

        If a file changes while it is read, that is an error. An archive that fits one part is sent in one
        request. Other arguments, and the state after a failure or a cancellation, are those of
        ``open_writer``.

        The source is a path, bytes, an iterable or async iterable of bytes, or any object with a ``read(n)``,
        async or not. What may block is read in a thread.

        Returns:
            The archive, proven by size and tree hash.

        Raises:
            EmptyArchiveError: The source has no bytes. Nothing was sent.
            InputTypeError: The source cannot be read, or yields something else than bytes.
            SourceUnreadableError: A file does not exist, is not readable, or is not a regular file.
            SourceChangedError: A file changed while it was read. No archive was made.
            LengthMismatchError: The source has not ``expected_size`` bytes. No archive was made.
            UploadFailedError: Every retry failed. ``upload_id`` resumes the upload.
            OutcomeUnknownError: The service's last answer was lost.
            GlacierError: Any other error.
        """
        options = UploadOptions(self.name, description, part_size, expected_size, keep_unfinished)
        if is_small(source, expected_size):  # an engine would cost more than the upload itself
            return await upload_small(self.context.store(options), self.context.resources, options, source)
        return await (await self._prepare(source, options)).run()

    async def prepare_upload(
        self,
        source: Source,
        *,
        description: str | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
        recorded_source: str | os.PathLike[str] | None = None,
    ) -> SourceUpload[Archive]:
        """Prepare what ``upload`` does: ``run()`` it, and poll ``snapshot()`` meanwhile.

        Of a stream that is made from a file, an encrypted one for example, ``recorded_source`` names the file
        in the catalog.
        """
        others = part_size, expected_size, keep_unfinished, recorded_source
        return await self._prepare(source, UploadOptions(self.name, description, *others))

    async def _prepare(self, source: Source, options: UploadOptions) -> SourceUpload[Archive]:
        with self.context.naming():
            opened = await as_source(source)  # before anything is recorded or sent: the source may be refused
            store = self.context.store(options, opened)
            return SourceUpload(store, self.context.resources, options, opened)

    def open_or_resume(
        self,
        path: str | os.PathLike[str],
        *,
        description: str | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
        resume: bool = True,
        restart: bool = False,
        again: bool = False,
    ) -> AbstractAsyncContextManager[ResumedUpload]:
        """Open an upload of a file: continue an unfinished one, or skip a file that is stored and unchanged.

        The catalog knows the uploads of a file. If it has no unfinished one, those at the service with the
        same description are tried, and their parts are compared with the file before anything is sent.

        ``run()`` it inside the block. The file is locked while the block runs. An upload that is unfinished
        at the end is kept for the next time, unless ``resume`` is false.

        Args:
            path: A regular file.
            description: As in ``open_writer``; it must be that of the upload that goes on.
            part_size: As in ``open_writer``; ``None`` takes that of the upload that goes on.
            expected_size: As in ``open_writer``.
            resume: Continue an unfinished upload; otherwise leave it alone and start from the beginning.
            restart: Abort the unfinished upload and start from the beginning, even if its outcome is unknown.
            again: Make another archive of a file that is on record as stored and unchanged.

        Raises:
            ConfigurationError: The connection has no catalog.
            UploadLockedError: Another task or process uploads this file to this vault.
            CatalogMismatchError: The record belongs to another account.
            ResumeMismatchError: The upload was begun with another part size or description. Nothing was
                sent.
            OutcomeUnknownError: A former run may have made the archive. An inventory will tell.
        """
        options = UploadOptions(self.name, description, part_size, expected_size, resume)
        resuming = importlib.import_module("aioglacier.recorded.resume")  # loads SQLite, see Glacier
        taken: AbstractAsyncContextManager[ResumedUpload] = resuming.open_or_resume(
            self.context.recorded(),
            path,
            options,
            resume=resume,
            restart=restart,
            again=again,
            by_description=True,
        )
        return taken

    def lock_upload(
        self, upload_id: str, path: str | os.PathLike[str] | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Keep every other process from going on with an upload, or with its file, while the block runs.

        Args:
            upload_id: The upload.
            path: A file that the upload goes on with, if not the one on record.

        Raises:
            ConfigurationError: The connection has no catalog.
            UploadLockedError: Another process goes on with it.
        """
        from aioglacier.recorded.described_uploads import locking_upload  # noqa: PLC0415  # loads SQLite

        return locking_upload(self.context.recorded(), check_id("upload", upload_id), path=path)

    async def delete_archive(self, archive_id: str) -> None:
        """Delete an archive. Inventories list it for a day or more; repeating it is no error.

        An archive deleted within 90 days of its upload is charged as if it had been kept that long.
        """
        await self.context.delete_archive(ArchiveId(check_id("archive", archive_id)))

    # --- unfinished uploads

    async def uploads(self) -> AsyncIterator[Upload]:
        """Iterate over the multipart uploads that were neither completed nor aborted."""
        async for upload in self.context.list_uploads():
            yield Upload.of(self.context, upload)

    async def known_uploads(self) -> AsyncIterator[KnownUpload]:
        """Iterate over the unfinished uploads at the service, then over those that only the catalog knows."""
        await self.sweep_uploads()  # what a dead process began and never used is no upload to go on with
        at_service = set()  # the list is of any length, and only ids are kept
        async for upload in self.uploads():
            at_service.add(upload.id)
            yield await upload.look_up()
        if self.records is not None:
            async for record, parts in self.records.uploads.list_unfinished():
                if record.upload_id not in at_service:  # it has expired, or its id was lost
                    facts = record.upload_id, record.part_size, record.description, record.created
                    yield KnownUpload(*facts, parts, record)

    async def unfinished_upload(self, upload_id: str) -> Upload:
        """Return one unfinished upload by its id.

        Raises:
            UploadNotFoundError: It was completed, aborted, or has expired.
        """
        id_ = UploadId(check_id("upload", upload_id))
        upload, _ = await self.context.gateway.list_parts(self.name, id_, limit=1)
        return Upload.of(self.context, upload)

    async def abort_upload(self, upload_id: str) -> None:
        """Remove an upload and its parts. If it does not exist, that is no error."""
        await self.context.abort_upload(UploadId(check_id("upload", upload_id)))

    async def sweep_uploads(self) -> None:
        """Abort uploads of streams whose process died before it sent anything, as the catalog knows."""
        if self.records is not None:
            await importlib.import_module("aioglacier.recorded.outcome").sweep(self.context.recorded())

    async def resume(self, upload_id: str, source: Source) -> Archive:
        """Finish an upload from the beginning of the same source; send only missing parts.

        Every part that the service has is hashed again here and compared. If this fails, the upload can be
        resumed again.

        Raises:
            UploadNotFoundError: It was completed, aborted, or has expired.
            ResumeMismatchError: The source differs. If it is a path, nothing was sent.
        """
        return await (await self.prepare_resume(upload_id, source)).run()

    async def prepare_resume(
        self, upload_id: str, source: Source, *, awaits_report: bool = False
    ) -> SourceUpload[Archive]:
        """Prepare what ``resume`` does: ``run()`` it, and poll ``snapshot()`` meanwhile.

        With ``awaits_report`` the next ``open_or_resume`` of the same file reports the archive instead of
        making another, until ``records.uploads.note_reported`` is called.
        """
        id_ = UploadId(check_id("upload", upload_id))
        return await prepare_resume(self.context, id_, source, awaits_report=awaits_report)

    def resume_writer(
        self, upload_id: str, *, expected_size: int | None = None
    ) -> AbstractAsyncContextManager[ArchiveWriter[Archive]]:
        """Open a writer that continues an upload, for a stream that is read again from ``writer.position``.

        ::

            async with vault.resume_writer(error.upload_id) as writer:
                tape.seek(writer.position)
                ...

        ``position`` is the end of the parts that the service has without a gap. Later parts, if it has some,
        are compared with the stream. The bytes before ``position`` are not read again: the caller knows that
        it is the same stream. With a catalog, they are compared with the record of the upload. If this fails,
        the upload can be resumed again. For the rest see ``open_writer``.

        Raises:
            UploadNotFoundError: It was completed, aborted, or has expired.
            ResumeMismatchError: The service has other parts than the record or the stream.
        """
        return resume_writer(self.context, UploadId(check_id("upload", upload_id)), expected_size)

    # --- jobs

    async def retrieve(
        self,
        archive_id: str,
        *,
        tier: Tier | str = Tier.STANDARD,
        byte_range: ByteRange | tuple[int, int] | None = None,
        sns_topic: str | None = None,
        description: str | None = None,
        again: bool = False,
    ) -> Job:
        """Start a job that makes an archive, or a range of it, readable.

        Without a catalog each call is a new, paid job. With one, a job on record that gives these bytes as
        fast, with this topic and description, is returned; ``is_new`` of the job tells.

        Args:
            archive_id: The archive.
            tier: "Expedited" (minutes, expensive), "Standard" (3-5 hours) or "Bulk" (5-12 hours, cheap).
            byte_range: Half-open; begins at a multiple of 1 MiB and ends at one or at the archive's end.
            sns_topic: The ARN of a topic that gets a message when the job is done.
            description: Kept with the job. The default is unique, so that the job is found again if the
                service's answer is lost. With another one such a loss is an ``OutcomeUnknownError``.
            again: Pay for another job where one is on record.

        Raises:
            InvalidRangeError: The range cannot be retrieved. Nothing was sent.
            PolicyEnforcedError: The account's data retrieval policy refuses it.
            InsufficientCapacityError: No Expedited capacity now.
        """
        wanted = JobRequest(
            ArchiveId(check_id("archive", archive_id)),
            check_retrieval_range(byte_range),
            check_choice("tier", Tier, tier),
            sns_topic=sns_topic,
            description=check_description(description),
            again=again,
        )
        return await start_job(self.context, wanted)

    async def retrieve_inventory(
        self,
        *,
        output_format: InventoryFormat | str = InventoryFormat.JSON,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sns_topic: str | None = None,
        description: str | None = None,
        again: bool = False,
    ) -> Job:
        """Start a job that lists the archives of the vault, as of the last inventory, about a day old.

        With a catalog, such a job on record is returned unless the service has made another inventory since.

        Args:
            output_format: "JSON", or "CSV" as the service writes it.
            start_date: Only archives created at or after this; aware.
            end_date: Only archives created before this; aware.
            limit: At most this many.
            marker: Continue where a job with a limit ended: its ``describe().inventory.marker``.
            sns_topic: See ``retrieve``.
            description: See ``retrieve``.
            again: See ``retrieve``.

        Raises:
            InvalidPlanError: A date without a time zone, or no such format. Nothing was sent.
            ResourceNotFoundError: The vault has no inventory yet; the first comes within a day of the first
                upload.
        """
        parameters = InventoryParameters(
            check_choice("inventory format", InventoryFormat, output_format),
            check_aware("start_date", start_date),
            check_aware("end_date", end_date),
            limit,
            marker,
        )
        wanted = JobRequest(
            inventory=parameters, sns_topic=sns_topic, description=check_description(description), again=again
        )
        return await start_job(self.context, wanted)

    def job(self, job_id: str) -> Job:
        """Return a job by its id. Nothing is sent, so it need not exist."""
        return Job(self.context, JobId(check_id("job", job_id)))

    def jobs(
        self, *, completed: bool | None = None, status: JobStatus | str | None = None
    ) -> AsyncIterator[JobDescription]:
        """Iterate over the vault's jobs: those running, and those that ended within about a day."""
        wanted = check_choice("job status", JobStatus, status) if status is not None else None
        return self.context.list_jobs(completed=completed, status=wanted)
