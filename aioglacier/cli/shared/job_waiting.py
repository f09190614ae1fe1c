"""Wait for jobs, which may take hours, and say what an inventory has brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.printed_records import job_record, job_text
from aioglacier.cli.render.progress import waiting
from aioglacier.cli.render.sizes import show_count, show_time
from aioglacier.core.models import JobStatus, Tier

if TYPE_CHECKING:
    from aioglacier.cli.program.session import Session
    from aioglacier.client.inventory import InventoryReading
    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import JobDescription
    from aioglacier.core.spending import Budget


def not_yet(session: Session, vault: str, job: JobDescription) -> Exit:
    """Print a job that is still running, and how to fetch its output later."""
    session.output.record(job_record(vault, job), job_text)
    session.output.note(f"job {job.id} is not done yet; to fetch its output later: {session.resume}")
    return Exit.NOT_YET


async def wait(
    session: Session, job: Job, description: JobDescription, *, timeout_seconds: float | None = None
) -> JobDescription:
    """Wait until the job is done; print nothing if it is done already. See ``Job.wait_until_done``."""
    from aioglacier.client.job import DEFAULT_WAIT_SECONDS  # noqa: PLC0415  # not needed for help

    if description.status is JobStatus.SUCCEEDED:
        return description
    session.safe = lambda: f"job {job.id} goes on at the service"
    async with waiting(session.output, f"waiting for job {job.id}"):
        limit = DEFAULT_WAIT_SECONDS if timeout_seconds is None else timeout_seconds
        done = await job.wait_until_done(timeout_seconds=limit)
    session.safe = lambda: ""
    return done


async def inventory_job(
    session: Session, vault: Vault, budget: Budget, *, is_new: bool = False
) -> tuple[Job, JobDescription]:
    """Find or start a job that lists the whole vault, within the budget, and describe it."""
    if is_new or await vault.retrievals.find_useful_inventory() is None:
        budget.check(budget.prices.jobs(Tier.STANDARD, 0, 1), "this inventory")
    job = await vault.retrievals.find_or_start_inventory(again=is_new)
    if job.is_new:
        takes = "" if session.settings.local is not None else "; an inventory takes 3 to 5 hours"
        session.output.note(f"started job {job.id}{takes}")
    return job, await job.describe()


async def tell_of(session: Session, reading: InventoryReading) -> Exit:
    """Print what an inventory has brought and which uploads it has settled; return the exit code."""
    if not reading.is_dated:
        session.output.note("a list in CSV has no date, so it was not read into the catalog")
        return Exit.DONE
    session.output.note(f"{show_count(reading.added, 'archive')} new to the catalog")
    warn_of_doubts(session, reading.conflicting, reading.missing)
    for upload in await reading.settle():
        name = repr(upload.source) if upload.source is not None else "standard input"
        begun = f"the upload of {name}, begun {show_time(upload.created)},"
        if upload.archive_id is not None:
            session.output.note(f"{begun} has become archive {upload.archive_id}")
        else:
            session.output.note(f"{begun} has not become an archive; it may be uploaded again")
    return Exit.INTEGRITY if reading.missing or reading.conflicting else Exit.DONE


def warn_of_doubts(session: Session, conflicting: int, missing: int) -> None:
    """Warn of the archives that an inventory contradicts or lacks."""
    if conflicting:
        session.output.warn(
            f"{show_count(conflicting, 'archive')} of another size or tree hash than is on record, or listed "
            "twice with different ones; 'list' shows them as suspect"
        )
    if missing:
        session.output.warn(
            f"the inventory lacks {show_count(missing, 'archive')} that it should list; 'list' shows "
            "them as suspect, and the next 'sync' sends their files again"
        )
