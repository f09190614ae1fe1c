"""Reserve jobs on record, so that several processes pay for a job once.

All retrievals of one archive share a lock, and so do the inventories of a vault. A process holds it from its
look at the record until the id of its job is on record. So the next process with the lock finds that job. A
job that is still an intent then was left behind by a process that died, or that never got its answer: the
service's list of jobs tells whether it was started.

Only a connection with a catalog imports this module, because it takes long to load.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.catalog import JobState
from aioglacier.core.errors import (
    AccessDeniedError,
    CostLimitError,
    JobNotFoundError,
    ServiceError,
    TemporaryServiceError,
)
from aioglacier.core.models import JobAction
from aioglacier.core.spending import budgets, take_expenses
from aioglacier.files.crashpoints import passing

if TYPE_CHECKING:
    from aioglacier.catalog import JobRecord
    from aioglacier.core.models import JobDescription, JobId
    from aioglacier.recorded.job_request import JobRequest
    from aioglacier.recorded.vault_context import RecordedVault

_log: Final = logging.getLogger("aioglacier.recorded.reserved_jobs")


class ReservedJob(NamedTuple):
    """The job for a request.

    Attributes:
        id: The service's id.
        found: The job as the service describes it; ``None`` if it was started now.
    """

    id: JobId
    found: JobDescription | None


async def reserve_job(context: RecordedVault, wanted: JobRequest) -> ReservedJob:
    """Return a job that meets a request; start one if none on record does.

    If it is killed after the service has the request, the next call finds the job.
    """
    subject = "inventories" if wanted.archive_id is None else f"retrievals of {wanted.archive_id}"
    # Two programs would pay for two jobs.
    async with context.catalog.lock_source(context.key, subject, waits=True):
        found = await _find(context, wanted)
        if found is not None:
            return ReservedJob(found.id, found)
        return ReservedJob(await _initiate(context, wanted), None)


async def _find(context: RecordedVault, wanted: JobRequest) -> JobDescription | None:
    """Return a live job on record that meets a request, or one that a dead process has asked for."""
    intents: list[JobRecord] = []
    for record in await context.catalog.jobs.list_like(context.key, wanted.archive_id, wanted.byte_range):
        if record.state is JobState.INTENT:  # a process died before it had the answer
            intents.append(record)
        elif not wanted.again and record.job_id is not None:
            job = await _describe(context, record.job_id)
            if job is not None and wanted.is_met_by(job) and await _is_current(context, job):
                return job
    return await _settle(context, wanted, intents) if intents else None


async def _describe(context: RecordedVault, job_id: JobId) -> JobDescription | None:
    try:
        return await context.gateway.describe_job(context.name, job_id)
    except JobNotFoundError:  # which is on record now
        return None


async def _settle(
    context: RecordedVault, wanted: JobRequest, intents: list[JobRecord]
) -> JobDescription | None:
    """Look at the service for jobs that are only intended on record; return one that meets the request."""
    found = None
    nonces = {record.nonce for record in intents}
    try:
        async for job in context.list_jobs():
            is_ours = (job.description or "").rpartition(" ")[2] in nonces
            if is_ours:
                await context.records.note_job(job)
            if (is_ours or not wanted.again) and wanted.is_met_by(job):
                found = job
    except AccessDeniedError as error:
        _log.warning("jobs cannot be listed, so a job that was asked for before may be paid twice: %s", error)
    for record in intents:
        if (await context.catalog.jobs.get(record)).state is JobState.INTENT:  # ``note_job`` has not found it
            await context.catalog.jobs.record_state(
                record, JobState.FAILED, "it was not found at the service"
            )
    return found


async def _is_current(context: RecordedVault, job: JobDescription) -> bool:
    """Return whether the service has made no other inventory since an inventory job began."""
    if job.action is not JobAction.INVENTORY_RETRIEVAL or not job.is_done:
        return True
    vault = await context.gateway.describe_vault(context.name)
    # The vault is cheap to ask, a job of an old inventory is not current.
    return vault.inventoried is None or vault.inventoried <= job.created


async def _initiate(context: RecordedVault, wanted: JobRequest) -> JobId:
    """Record a job and start it."""
    jobs = context.catalog.jobs
    action = JobAction.ARCHIVE_RETRIEVAL if wanted.archive_id is not None else JobAction.INVENTORY_RETRIEVAL
    record = await jobs.record_intent(
        context.key,
        action,
        archive_id=wanted.archive_id,
        byte_range=wanted.byte_range,
        tier=wanted.tier,
        inventory=wanted.inventory,
    )
    passing("job intent recorded")
    size = await _size(context, wanted) if budgets() else None
    try:
        job_id = await wanted.send(context.gateway, context.name, record.nonce, size)
    except (CostLimitError, ServiceError) as error:
        if not isinstance(error, TemporaryServiceError):  # otherwise it may have been started
            await jobs.record_state(record, JobState.FAILED, error.message)
        raise
    passing("job initiated")
    await jobs.record_initiated(record, job_id, spent=take_expenses("InitiateJob"))
    passing("job id recorded")
    return job_id


async def _size(context: RecordedVault, wanted: JobRequest) -> int | None:
    """Return the size of an archive that is asked for whole, if it is on record."""
    if wanted.archive_id is None or wanted.byte_range is not None:
        return None
    found = await context.catalog.archives.get(context.key, wanted.archive_id)
    return found.archive.size if found is not None else None
