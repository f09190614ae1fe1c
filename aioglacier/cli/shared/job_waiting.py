"""Wait for a job, which may take hours, and show what for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.printed_records import job_record, job_text
from aioglacier.cli.render.progress import waiting
from aioglacier.core.models import JobStatus

if TYPE_CHECKING:
    from aioglacier.cli.program.session import Session
    from aioglacier.client.job import Job
    from aioglacier.core.models import JobDescription


def not_yet(session: Session, vault: str, job: JobDescription) -> Exit:
    """Print a job that is still running, and how to fetch its output later."""
    session.output.record(job_record(vault, job), job_text)
    session.output.note(f"job {job.id} is not done yet; to fetch its output later: {session.resume}")
    return Exit.NOT_YET


async def wait(
    session: Session, job: Job, description: JobDescription, *, timeout_seconds: float | None = None
) -> JobDescription:
    """Wait until the job is done; print nothing if it is done already.

    Raises:
        JobFailedError: The job failed.
        WaitTimeoutError: It was not done in time; the job goes on at the service.
    """
    from aioglacier.client.job import DEFAULT_WAIT_SECONDS  # noqa: PLC0415  # not needed for help

    if description.status is JobStatus.SUCCEEDED:
        return description
    session.safe = lambda: f"job {job.id} goes on at the service"
    async with waiting(session.output, f"waiting for job {job.id}"):
        limit = DEFAULT_WAIT_SECONDS if timeout_seconds is None else timeout_seconds
        done = await job.wait_until_done(timeout_seconds=limit)
    session.safe = lambda: ""
    return done
