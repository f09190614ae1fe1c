"""A job: a retrieval the service works on for minutes or hours, and the output it ends with."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.client.inventory import Inventory, read_inventory
from aioglacier.core.errors import (
    InvalidPlanError,
    JobFailedError,
    JobNotFoundError,
    JobNotReadyError,
    TemporaryServiceError,
    TransportError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from aioglacier.core.models import JobAction, JobStatus
from aioglacier.core.ranges import ByteRange
from aioglacier.transfer.download.download import Download
from aioglacier.transfer.download.reader import open_reader
from aioglacier.transfer.download.retrieval_source import GlacierOutput

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterator

    from aioglacier.client.notices import Notices
    from aioglacier.core.models import Archive, JobDescription, JobId
    from aioglacier.recorded.vault_context import VaultContext
    from aioglacier.transfer.download.reader import ArchiveReader

_log: Final = logging.getLogger("aioglacier.client.job")

#: Bulk jobs take up to 12 hours (Guide, "Archive Retrieval Options"); twice that, and the night shift.
DEFAULT_WAIT_SECONDS: Final = 36 * 3600.0

_FIRST_POLL_SECONDS: Final = 1.0
#: An Expedited job takes 1 to 5 minutes, all others hours: half a minute is never long to wait.
_LONGEST_POLL_SECONDS: Final = 30.0

_POLL_BESIDE_NOTICES_SECONDS: Final = 15 * 60.0


class Job:
    """A job by its id, whether it exists or not. From ``Vault.retrieve()``, ``Vault.job()`` and the like.

    A job cannot be cancelled. It and its output are kept for about a day after it is done, and the output may
    be read any number of times. One from ``Vault.find_retrieval()`` gives the bytes that were asked for
    there, even if it retrieves more.
    """

    def __init__(self, context: VaultContext, job_id: JobId, part: ByteRange | None = None) -> None:
        self._context = context
        self._id = job_id
        self._part = part

    def __repr__(self) -> str:
        return f"<Job {self._context.name} {self._id}>"

    @property
    def id(self) -> JobId:
        """The service's name for it."""
        return self._id

    @property
    def vault(self) -> str:
        """The name of its vault."""
        return self._context.name

    async def describe(self) -> JobDescription:
        """What the service knows of it now.

        Raises:
            JobNotFoundError: It never was, or has gone.
        """
        try:
            description = await self._context.gateway.describe_job(self._context.name, self._id)
        except JobNotFoundError:
            if self._context.records is not None:
                await self._context.records.note_job_gone(self._id)
            raise
        if self._context.records is not None and description.is_done:
            await self._context.records.note_job(description)
        return description

    async def wait_until_done(
        self, *, timeout_seconds: float = DEFAULT_WAIT_SECONDS, notices: Notices | None = None
    ) -> JobDescription:
        """Wait until the job is done, asking the service ever more rarely, at last every 30 seconds.

        With ``notices``, from ``Glacier.open_notices()``, it asks when it is told to, and every 15 minutes in
        case a message was lost. A service that cannot be reached meanwhile is no reason to stop waiting.
        Cancelling stops the waiting, not the job.

        Raises:
            JobFailedError: The service gave the job up.
            JobNotFoundError: It never was, or has gone.
            WaitTimeoutError: It was not done in time; it goes on.
        """
        if done := await self._describe_if_done():  # even without time to wait
            return done
        poll_seconds = _FIRST_POLL_SECONDS
        with anyio.move_on_after(timeout_seconds):
            while True:
                if notices is not None:
                    await notices.wait(self._id, _POLL_BESIDE_NOTICES_SECONDS)
                else:
                    await anyio.sleep(poll_seconds)
                    poll_seconds = min(poll_seconds * 1.5, _LONGEST_POLL_SECONDS)
                if done := await self._describe_if_done():
                    return done
        raise WaitTimeoutError(
            f"job {self._id} was not done within {timeout_seconds:.0f} s; it goes on, so wait for it again",
            waited_seconds=timeout_seconds,
        )

    @asynccontextmanager
    async def open_reader(
        self, byte_range: ByteRange | tuple[int, int] | None = None
    ) -> AsyncIterator[ArchiveReader]:
        """Open the output, or a half-open range of it that counts from the output's start.

        The bytes of an archive are verified before they are given out, whatever the range. Only the size is
        checked of an inventory, and of an archive range that is no node of the archive's tree, unless the
        catalog has the hashes of its upload.

        Raises:
            JobNotReadyError: The job is not done.
            JobFailedError: The service gave the job up.
            InvalidRangeError: The range begins past the end.
        """
        output = await self._output()
        async with open_reader(output, self._context.resources, byte_range) as reader:
            yield reader

    async def download(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the output to a file: in parallel, verified, on disk, and only then under its name.

        If it fails or is cancelled, what was verified stays in a hidden file beside ``path``, and downloading
        to the same path goes on from there, even from another job for the same bytes.

        Raises:
            TargetError: The file exists and may not be overwritten, cannot be written, or has no room.
            IntegrityError: Bytes kept differing from their hashes. There is no file of that name.
            JobNotReadyError: The job is not done.
            JobFailedError: The service gave the job up.
        """
        async with self.recording_download(path):
            download = await self.prepare_download(path, overwrite=overwrite)
            await download.run()

    @asynccontextmanager
    async def recording_download(self, path: str | os.PathLike[str]) -> AsyncIterator[None]:
        """Record a download that runs in the block, if there is a catalog; ``download`` does it by itself."""
        if self._context.records is None:
            yield
            return
        async with self._context.records.downloading(await self.describe(), path):
            yield

    async def prepare_download(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Download:
        """As ``download``, but not yet under way: ``run()`` it, and poll ``snapshot()`` meanwhile."""
        return Download(await self._output(), self._context.resources, path, overwrite=overwrite)

    def inventory(self) -> Inventory:
        """The archives that an inventory job lists, in constant memory: an async iterator.

        Raises:
            InvalidPlanError: The job is no inventory job.
            InventoryError: The document is not one the service writes, or ends early.
            JobNotReadyError: The job is not done.
        """
        return Inventory(self._list)

    async def _list(self, told: Inventory) -> AsyncGenerator[Archive, None]:
        description = await self._describe_done()
        if description.action is not JobAction.INVENTORY_RETRIEVAL or description.inventory is None:
            raise InvalidPlanError(f"job {self._id} is no inventory job but {description.action}")
        size = self._size_of(description)
        async for archive in read_inventory(
            self._context.gateway, self._context.name, self._id, size, description.inventory.format, told
        ):
            yield archive

    async def _describe_if_done(self) -> JobDescription | None:
        try:
            description = await self.describe()
        except (TransportError, TemporaryServiceError) as error:
            if isinstance(error, TransportError) and not error.is_retryable:
                raise
            _log.warning("job %s is still waited for, although: %s", self._id, error)
            return None
        self._check_succeeded(description)
        return description if description.is_done else None

    def _check_succeeded(self, description: JobDescription) -> None:
        if description.status is JobStatus.FAILED:
            raise JobFailedError(
                f"job {self._id} failed: {description.status_message or 'the service gives no reason'}; "
                "start another one if the archive is still there",
                job_id=self._id,
                status_message=description.status_message,
            )

    async def _describe_done(self) -> JobDescription:
        description = await self.describe()
        self._check_succeeded(description)
        if not description.is_done:
            raise JobNotReadyError(
                f"job {self._id} is not done yet; wait_until_done() waits for it",
                operation="GetJobOutput",
                code="",
                status=200,
            )
        return description

    async def _output(self) -> GlacierOutput:
        description = await self._describe_done()
        size = self._size_of(description)
        leaves = b""
        if self._context.records is not None and description.archive_id is not None:
            start = description.byte_range.start if description.byte_range is not None else 0
            part = self._part or ByteRange(0, size)
            wanted = ByteRange(start + part.start, start + part.stop)
            if part.size != size or description.tree_hash is None:
                leaves = await self._context.records.leaves_of(description.archive_id, wanted)
        return GlacierOutput(
            self._context.gateway,
            self._context.name,
            self._id,
            size=size,
            tree_hash=description.tree_hash,
            part=self._part,
            leaves=leaves,
        )

    def _size_of(self, description: JobDescription) -> int:
        if description.output_size is None:
            raise UnexpectedResponseError(
                f"job {self._id} is done, but its size is missing",
                operation="DescribeJob",
                status=200,
                may_have_taken_effect=False,
            )
        return description.output_size
