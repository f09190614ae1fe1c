"""A job: a retrieval that takes the service minutes or hours, and its output."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from aioglacier.client.inventory import Inventory, InventoryReading
from aioglacier.client.notices import POLL_BESIDE_NOTICES_SECONDS
from aioglacier.client.retrieval import wait_until_done
from aioglacier.core.errors import (
    ConfigurationError,
    InvalidPlanError,
    JobFailedError,
    JobNotReadyError,
    UnexpectedResponseError,
)
from aioglacier.core.models import JobAction, JobStatus
from aioglacier.core.ranges import ByteRange
from aioglacier.transfer.download.download import Download
from aioglacier.transfer.download.proofs import NO_PROOFS
from aioglacier.transfer.download.reader import open_reader
from aioglacier.transfer.download.retrieval_source import GlacierOutput, unverifiable

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from aioglacier.client.notices import JobNotices
    from aioglacier.core.models import InventoryFormat, JobDescription, JobId
    from aioglacier.recorded.vault_context import VaultContext
    from aioglacier.transfer.download.reader import ArchiveReader

#: Bulk jobs take up to 12 hours (Guide, "Archive Retrieval Options"); this is three times as long.
DEFAULT_WAIT_SECONDS: Final = 36 * 3600.0


class Job:
    """A job by its id, whether it exists or not. Made by ``Vault.retrieve()``, ``Vault.job()`` and others.

    A job cannot be cancelled. It and its output are kept for about a day after it is done, and the output may
    be read any number of times. One from ``Vault.retrievals.find()`` gives the bytes that were asked for
    there, even if it retrieves more. A pickled job has its attributes, but no connection:
    ``glacier.vault(job.vault).job(job.id)`` connects it again.

    Attributes:
        id: The id that the service gave it.
        vault: The name of its vault.
        is_new: Whether it was started, and is paid for, by the call that returned it.
    """

    def __init__(
        self, context: VaultContext, job_id: JobId, part: ByteRange | None = None, *, is_new: bool = False
    ) -> None:
        self.id: Final = job_id
        self.vault: Final = context.name
        self.is_new: Final = is_new
        self._context = context
        self._part = part

    def __repr__(self) -> str:
        return f"<Job {self.vault} {self.id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unconnected, (self.vault, self.id, self._part, self.is_new)

    async def describe(self) -> JobDescription:
        """Ask the service for the state of the job.

        Raises:
            JobNotFoundError: The job never existed, or its output has expired.
        """
        with self._context.naming():
            return await self._context.gateway.describe_job(self.vault, self.id)

    async def wait_until_done(
        self, *, timeout_seconds: float = DEFAULT_WAIT_SECONDS, notices: JobNotices | None = None
    ) -> JobDescription:
        """Wait until the job is done, asking the service less and less often, at last every 30 seconds.

        With ``notices`` from ``Glacier.open_notices()`` it asks when a message names the job, and every 15
        minutes in case a message was lost. While the service cannot be reached, waiting goes on. Cancelling
        stops the waiting, not the job.

        Raises:
            JobFailedError: The service could not carry out the job.
            JobNotFoundError: The job never existed, or its output has expired.
            WaitTimeoutError: The job was not done in time. It continues at the service.
        """
        pause = None
        if notices is not None:
            pause = notices.waiter(self.id, POLL_BESIDE_NOTICES_SECONDS)
        with self._context.naming():
            return await wait_until_done(
                f"job {self.id}", self._describe_if_done, timeout_seconds=timeout_seconds, pause=pause
            )

    @asynccontextmanager
    async def open_reader(
        self,
        byte_range: ByteRange | tuple[int, int] | None = None,
        *,
        unverified: bool = False,
        raw: bool = False,
    ) -> AsyncIterator[ArchiveReader]:
        """Open the output, or a half-open range of it that counts from the output's start.

        The bytes of an archive are verified before they are given out, whatever the range. Of an inventory
        only the size is checked.

        Args:
            byte_range: The range; ``None`` for all of the output.
            unverified: Also give bytes that cannot be verified: of a retrieved range that is no node of the
                archive's tree hash, if no catalog has the hashes of its upload.
            raw: Verify nothing, for a caller with hashes of its own.

        Raises:
            IntegrityError: Bytes differed from their hashes, or cannot be verified.
            JobNotReadyError: The job is not done.
            JobFailedError: The service could not carry out the job.
            InvalidRangeError: The range begins past the end.
        """
        output = await self._output(unverified=unverified, raw=raw)
        with self._context.naming():
            async with open_reader(output, self._context.resources, byte_range) as reader:
                yield reader

    async def download(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, unverified: bool = False
    ) -> None:
        """Write the output to a file, which gets its name once every byte is verified and on disk.

        If it fails or is cancelled, verified bytes stay in a hidden file beside ``path``. Downloading to the
        same path continues from there, even from another job for the same bytes. A file that has these very
        bytes already is left as it is. ``unverified`` is as in ``open_reader``.

        Raises:
            TargetError: The file exists with other bytes and may not be overwritten, cannot be written, or
                the disk is full.
            IntegrityError: Bytes differed from their hashes three times, or cannot be verified. There is no
                file of that name.
            JobNotReadyError: The job is not done.
            JobFailedError: The service could not carry out the job.
        """
        async with self.recording_download(path):  # a kill in it is found by the next download to this path
            download = await self.prepare_download(path, overwrite=overwrite, unverified=unverified)
            await download.run()

    @asynccontextmanager
    async def recording_download(self, path: str | os.PathLike[str]) -> AsyncIterator[None]:
        """Record a download that runs in the block, if there is a catalog. ``download`` does so itself."""
        if self._context.records is None:
            yield
            return
        async with self._context.records.downloading(await self.describe(), path):
            yield

    async def prepare_download(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, unverified: bool = False
    ) -> Download:
        """Prepare what ``download`` does: ``run()`` it, and poll ``snapshot()`` meanwhile."""
        output = await self._output(unverified=unverified)
        return Download(output, self._context.resources, path, overwrite=overwrite)

    def inventory(self) -> Inventory:
        """Return an async iterator over the archives that an inventory job lists, in constant memory.

        Raises:
            InvalidPlanError: The job is not an inventory job.
            InventoryError: The document is damaged, or ends early.
            JobNotReadyError: The job is not done.
        """
        return Inventory(self._context, self.id, self._describe_list)

    def read_inventory(self, description: JobDescription) -> InventoryReading:
        """Read the output of a finished inventory job into the catalog while the caller reads it.

        Args:
            description: From ``describe()`` or ``wait_until_done()``.

        Raises:
            ConfigurationError: The connection has no catalog.
        """
        return InventoryReading(self._context.recorded(), self.inventory(), description)

    async def _describe_list(self) -> tuple[InventoryFormat, int]:
        """Return the format and the size of the list."""
        description, size = await self._describe_done()
        if description.action is not JobAction.INVENTORY_RETRIEVAL or description.inventory is None:
            raise InvalidPlanError(f"job {self.id} is not an inventory job but {description.action}")
        return description.inventory.format, size

    async def _describe_if_done(self) -> JobDescription | None:
        description = await self.describe()
        self._check_succeeded(description)
        return description if description.is_done else None

    def _check_succeeded(self, description: JobDescription) -> None:
        if description.status is JobStatus.FAILED:
            raise JobFailedError(
                f"job {self.id} failed: {description.status_message or 'the service gives no reason'}; "
                "start another one if the archive still exists",
                job_id=self.id,
                status_message=description.status_message,
            )

    async def _describe_done(self) -> tuple[JobDescription, int]:
        """Return the description of a finished job, and the size of its output."""
        description = await self.describe()
        with self._context.naming():
            self._check_succeeded(description)
            if not description.is_done:  # the service would answer 400, with a sentence only
                raise JobNotReadyError(
                    f"job {self.id} is not done yet; wait_until_done() waits for it",
                    operation="GetJobOutput",
                    code="",
                    status=200,
                )
            if description.output_size is None:
                raise UnexpectedResponseError(
                    f"job {self.id} is done, but its size is missing",
                    operation="DescribeJob",
                    status=200,
                    may_have_taken_effect=False,
                )
        return description, description.output_size

    async def _output(self, *, unverified: bool, raw: bool = False) -> GlacierOutput:
        description, size = await self._describe_done()
        if raw:
            return GlacierOutput(
                self._context.gateway,
                self.vault,
                self.id,
                size=size,
                tree_hash=None,
                part=self._part,
                allows_unverified=True,
                proofs=NO_PROOFS,
            )
        leaves = b""
        part = self._part or ByteRange(0, size)
        # Then the service gives the hash of the whole.
        is_vouched_for = part.size == size and description.tree_hash is not None
        if self._context.records is not None and description.archive_id is not None and not is_vouched_for:
            # Leaves count from the archive's start.
            start = description.byte_range.start if description.byte_range is not None else 0
            wanted = ByteRange(start + part.start, start + part.stop)
            leaves = await self._context.records.leaves_of(description.archive_id, wanted)
        # An inventory has no hash, and is checked by its form.
        allows = unverified or description.archive_id is None
        if description.tree_hash is None and not leaves and not allows:
            raise unverifiable(f"job {self.id}", part)
        return GlacierOutput(
            self._context.gateway,
            self.vault,
            self.id,
            size=size,
            tree_hash=description.tree_hash,
            part=self._part,
            leaves=leaves,
            allows_unverified=allows,
        )


class _NoConnection:
    """The context of a job that was unpickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> NoReturn:
        raise ConfigurationError(
            f"this job came from a pickle and has no connection; use glacier.vault({self.name!r}).job(job.id)"
        )


def _unconnected(vault: str, job_id: JobId, part: ByteRange | None, is_new: bool) -> Job:
    return Job(cast("VaultContext", _NoConnection(vault)), job_id, part, is_new=is_new)
