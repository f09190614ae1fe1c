"""Finding, or starting, the job that lists a vault; it takes hours, so one that will do is used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.errors import AccessDeniedError
from aioglacier.core.models import JobStatus

if TYPE_CHECKING:
    from aioglacier.cli.session import Session
    from aioglacier.core.models import JobDescription
    from aioglacier.job import Job
    from aioglacier.vault import Vault


async def inventory_job(
    session: Session, vault: Vault, *, is_new: bool = False
) -> tuple[Job, JobDescription]:
    """A job that lists the whole vault, running or done, and what the service knows of it.

    One that is done is no longer good once the service has made another inventory.
    """
    if not is_new:
        try:
            job = await vault.find_inventory_retrieval()
            if job is not None:
                description = await job.describe()
                if not await _is_outdated(vault, description):
                    return job, description
        except AccessDeniedError as error:
            session.output.warn(f"an inventory job that is there already cannot be looked for: {error}")
    job = await vault.retrieve_inventory()
    takes = "" if session.settings.local is not None else "; an inventory takes 3 to 5 hours"
    session.output.note(f"started job {job.id}{takes}")
    return job, await job.describe()


async def _is_outdated(vault: Vault, job: JobDescription) -> bool:
    if job.status is not JobStatus.SUCCEEDED:
        return False
    inventoried = (await vault.describe()).inventoried
    return inventoried is not None and inventoried > job.created
