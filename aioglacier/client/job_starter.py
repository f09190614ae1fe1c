"""Jobs of a vault: find one that will do, running or done, or start one, on record if there is a catalog.

A job costs money and hours, so one that is there is used. Where the jobs cannot be listed, one is started.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from aioglacier.core.errors import AccessDeniedError, IntegrityError, InvalidPlanError, JobFailedError
from aioglacier.core.models import ArchiveId, InventoryFormat, InventoryParameters, JobAction, JobStatus
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.contract.paging import follow

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable

    from aioglacier.catalog import ArchiveRecord
    from aioglacier.core.models import JobDescription, JobId, Page, Tier
    from aioglacier.recorded.vault_context import VaultContext

#: A job, and where in its output the wanted bytes are; ``None`` for all of it.
FoundJob: TypeAlias = "tuple[JobId, ByteRange | None]"

_Found = TypeVar("_Found")

#: Begins the description of every job that was given none, so that its answer, if lost, can be found again.
JOB_NONCE_PREFIX: Final = "aioglacier "


_log: Final = logging.getLogger("aioglacier.client.job_starter")


class JobStarter:
    """Finds and starts jobs of one vault."""

    def __init__(self, context: VaultContext) -> None:
        self._context = context

    async def start_archive(
        self,
        archive_id: ArchiveId,
        *,
        tier: Tier,
        byte_range: ByteRange | None,
        sns_topic: str | None,
        description: str | None,
    ) -> JobId:
        """Start a retrieval; see ``Vault.retrieve``."""

        async def initiate(nonce: str) -> JobId:
            return await self._context.gateway.initiate_archive_retrieval(
                self._context.name,
                archive_id,
                tier=tier,
                byte_range=byte_range,
                sns_topic=sns_topic,
                description=description or JOB_NONCE_PREFIX + nonce,
            )

        if self._context.records is None:
            return await initiate(secrets.token_hex(8))
        action = JobAction.ARCHIVE_RETRIEVAL
        return await self._context.records.initiate_job(
            initiate, action, archive_id=archive_id, byte_range=byte_range, tier=tier
        )

    async def start_inventory(
        self, parameters: InventoryParameters, *, sns_topic: str | None, description: str | None
    ) -> JobId:
        """Start an inventory job; see ``Vault.retrieve_inventory``."""

        async def initiate(nonce: str) -> JobId:
            return await self._context.gateway.initiate_inventory_retrieval(
                self._context.name,
                parameters,
                sns_topic=sns_topic,
                description=description or JOB_NONCE_PREFIX + nonce,
            )

        if self._context.records is None:
            return await initiate(secrets.token_hex(8))
        return await self._context.records.initiate_job(
            initiate, JobAction.INVENTORY_RETRIEVAL, inventory=parameters
        )

    # --- jobs that are there

    async def find_archive(self, archive_id: str, byte_range: ByteRange | None) -> FoundJob | None:
        """Return the job with the smallest output, running or done, that retrieves these bytes."""
        best: tuple[int, FoundJob] | None = None
        async for job in follow("ListJobs", self._list):
            part = find_in_output(job, archive_id, byte_range)
            if part is None:
                continue
            size = job.byte_range.size if job.byte_range is not None else job.archive_size or part.size
            if best is None or size < best[0]:
                best = size, (job.id, None if part.size == size else part)
        return best[1] if best is not None else None

    async def find_inventory(self, output_format: InventoryFormat) -> JobDescription | None:
        """Return a job, running or done, that lists the whole inventory in a format."""
        async for job in follow("ListJobs", self._list):
            if lists_all(job, output_format):
                return job
        return None

    async def find_useful_inventory(self) -> JobDescription | None:
        """Return such a job in JSON, unless the service has made another inventory since it ended."""
        job = await self.find_inventory(InventoryFormat.JSON)
        if job is None or job.status is not JobStatus.SUCCEEDED:
            return job
        vault = await self._context.gateway.describe_vault(self._context.name)
        return None if vault.inventoried is not None and vault.inventoried > job.created else job

    async def find_or_start_archive(
        self,
        archive_id: ArchiveId,
        *,
        tier: Tier,
        byte_range: ByteRange | None,
        target: str | os.PathLike[str] | None,
        is_new: bool,
    ) -> tuple[FoundJob, bool]:
        """Find or start a retrieval; see ``Vault.find_or_start_retrieval``."""
        found = await _if_allowed(self.find_archive(archive_id, byte_range))
        if found is not None:
            return found, False
        await self.refuse_to_pay_again(archive_id, byte_range, target, gives_up=is_new)
        started = self.start_archive(
            archive_id, tier=tier, byte_range=byte_range, sns_topic=None, description=None
        )
        return (await started, None), True

    async def find_or_start_inventory(self, *, is_new: bool) -> tuple[JobId, bool]:
        """Find or start an inventory job; see ``Vault.find_or_start_inventory``."""
        found = None if is_new else await _if_allowed(self.find_useful_inventory())
        if found is not None:
            return found.id, False
        started = self.start_inventory(InventoryParameters(), sns_topic=None, description=None)
        return await started, True

    async def refuse_to_pay_again(
        self,
        archive_id: str,
        byte_range: ByteRange | None,
        target: str | os.PathLike[str] | None,
        *,
        gives_up: bool,
    ) -> None:
        """Refuse a second job for a download to a file whose first job came to nothing.

        Raises:
            JobFailedError: There was one, and it is not given up.
        """
        records = self._context.records
        if records is None or target is None:
            return
        job = await records.find_abandoned(archive_id, byte_range, target)
        if job is None or job.job_id is None:
            return
        if gives_up:
            await records.give_up_download(target)
            return
        how = "failed" if job.state.value == "failed" else "is gone"
        raise JobFailedError(
            f"job {job.job_id}, started {job.created:%Y-%m-%d %H:%M} UTC for this download, {how}"
            f"{f' ({job.outcome})' if job.outcome else ''}; another one costs again",
            job_id=job.job_id,
            status_message=job.outcome or None,
        )

    async def find_record(self, archive_id: str) -> ArchiveRecord | None:
        """Return what the catalog knows of an archive."""
        records = self._context.records
        if records is None:
            return None
        return await records.catalog.archives.get(records.key, ArchiveId(archive_id))

    async def check_job(self, job: JobDescription, archive_id: str | None) -> None:
        """Check a job before its output is used; see ``Vault.check_job``."""
        if archive_id and job.archive_id != archive_id:
            given = f"archive {job.archive_id}" if job.archive_id else "an inventory"
            raise InvalidPlanError(f"job {job.id} retrieves {given}, not archive {archive_id}")
        if job.archive_id is None or job.archive_tree_hash is None:
            return
        known = await self.find_record(job.archive_id)
        if known is not None and known.archive.tree_hash != job.archive_tree_hash:
            raise IntegrityError(
                f"the service has another tree hash for archive {job.archive_id} than is on record; nothing "
                "was written",
                expected=known.archive.tree_hash,
                actual=job.archive_tree_hash,
                archive_id=job.archive_id,
            )

    async def _list(self, marker: str | None) -> Page[JobDescription]:
        return await self._context.gateway.list_jobs(self._context.name, marker=marker)


async def _if_allowed(search: Awaitable[_Found | None]) -> _Found | None:
    try:
        return await search
    except AccessDeniedError as error:
        _log.warning("jobs cannot be listed, so one that is there cannot be used: %s", error)
        return None


def find_in_output(job: JobDescription, archive_id: str, wanted: ByteRange | None) -> ByteRange | None:
    """Return where in a job's output some bytes of an archive are; ``None`` if it does not retrieve them."""
    if job.archive_id != archive_id or job.status is JobStatus.FAILED or job.archive_size is None:
        return None
    whole = ByteRange(0, job.archive_size)
    given, wanted = job.byte_range or whole, wanted or whole
    if not given.start <= wanted.start < wanted.stop <= given.stop:
        return None
    return ByteRange(wanted.start - given.start, wanted.stop - given.start)


def lists_all(job: JobDescription, output_format: InventoryFormat) -> bool:
    """Whether a job, running or done, lists the whole inventory in a format."""
    if job.action is not JobAction.INVENTORY_RETRIEVAL or job.status is JobStatus.FAILED:
        return False
    parameters = job.inventory or InventoryParameters()
    return replace(parameters, marker=None) == InventoryParameters(output_format)
