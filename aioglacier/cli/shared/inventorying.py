"""Messages about inventories: the job that was started, and what its list has brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.sizes import show_count, show_time

if TYPE_CHECKING:
    from aioglacier.cli.program.session import Session
    from aioglacier.client.inventory_reading import InventoryReading
    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import JobDescription


async def inventory_job(
    session: Session, vault: Vault, *, is_new: bool = False
) -> tuple[Job, JobDescription]:
    """Find or start a job that lists the whole vault, and describe it."""
    job, is_started = await vault.retrievals.find_or_start_inventory(is_new=is_new)
    if is_started:
        takes = "" if session.settings.local is not None else "; an inventory takes 3 to 5 hours"
        session.output.note(f"started job {job.id}{takes}")
    return job, await job.describe()


async def tell_of(session: Session, reading: InventoryReading) -> Exit:
    """Print what an inventory has brought and which uploads it has settled; return the exit code."""
    if not reading.is_dated:
        session.output.note("a list in CSV has no date, so it was not read into the catalog")
        return Exit.DONE
    session.output.note(f"{show_count(reading.added, 'archive')} new to the catalog")
    if reading.conflicting:
        session.output.warn(
            f"{show_count(reading.conflicting, 'archive')} of another size or tree hash than is on record; "
            "'list' shows them as suspect"
        )
    if reading.missing:
        session.output.warn(
            f"the inventory lacks {show_count(reading.missing, 'archive')} that it should list; 'list' shows "
            "them as suspect, and the next 'sync' sends their files again"
        )
    for upload in await reading.settle():
        name = repr(upload.source) if upload.source is not None else "standard input"
        begun = f"the upload of {name}, begun {show_time(upload.created)},"
        if upload.archive_id is not None:
            session.output.note(f"{begun} has become archive {upload.archive_id}")
        else:
            session.output.note(f"{begun} has not become an archive; it may be uploaded again")
    return Exit.INTEGRITY if reading.missing or reading.conflicting else Exit.DONE
