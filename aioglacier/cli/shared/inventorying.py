"""Finding, or starting, the job that lists a vault, and reading the list into the catalog.

The job takes hours, so one that will do is used again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.cli.render.listing import closing
from aioglacier.cli.render.sizes import show_count, show_time
from aioglacier.core.errors import AccessDeniedError
from aioglacier.core.models import InventoryParameters, JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from aioglacier.catalog import MergeResult
    from aioglacier.cli.program.session import Session
    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive, JobDescription

#: Archives merged into the catalog at once.
_BATCH: Final = 5000


async def inventory_job(
    session: Session, vault: Vault, *, is_new: bool = False
) -> tuple[Job, JobDescription]:
    """A job that lists the whole vault, running or done, and what the service knows of it.

    One that is done is no longer good once the service has made another inventory.
    """
    found = None if is_new else await useful_inventory_job(session, vault)
    if found is not None:
        return found
    job = await vault.retrieve_inventory()
    takes = "" if session.settings.local is not None else "; an inventory takes 3 to 5 hours"
    session.output.note(f"started job {job.id}{takes}")
    return job, await job.describe()


async def useful_inventory_job(session: Session, vault: Vault) -> tuple[Job, JobDescription] | None:
    """Such a job that is there already."""
    try:
        job = await vault.find_inventory_retrieval()
        if job is not None:
            description = await job.describe()
            if not await _is_outdated(vault, description):
                return job, description
    except AccessDeniedError as error:
        session.output.warn(f"an inventory job that is there already cannot be looked for: {error}")
    return None


async def _is_outdated(vault: Vault, job: JobDescription) -> bool:
    if job.status is not JobStatus.SUCCEEDED:
        return False
    inventoried = (await vault.describe()).inventoried
    return inventoried is not None and inventoried > job.created


class Reading:
    """Reads the output of an inventory job into the catalog while it is read for another purpose.

    Attributes:
        added: Archives that were not on record.
        confirmed: Those that were, as they are listed.
        conflicting: Those that were, with another size or tree hash.
        is_dated: Whether the list says when it was made; CSV does not, and is not read into the catalog.
    """

    def __init__(self, vault: Vault, job: Job, description: JobDescription) -> None:
        assert vault.records is not None  # noqa: S101  # the command line always keeps a catalog
        self.records = vault.records
        self.added = self.confirmed = self.conflicting = 0
        self.is_dated = False
        self._job = job
        parameters = description.inventory or InventoryParameters()
        self._is_whole = parameters == InventoryParameters(parameters.format)

    async def archives(self) -> AsyncIterator[Archive]:
        """The archives. Of a list that is not read to its end the archives are merged, and not its date."""
        inventory = self._job.inventory()
        async with closing(inventory):
            batch: list[Archive] = []
            async for archive in inventory:
                self.is_dated = inventory.inventoried is not None
                batch.append(archive)
                if len(batch) == _BATCH:
                    await self._merge(batch, inventory.inventoried)
                    batch = []
                yield archive
            self.is_dated = inventory.inventoried is not None
            await self._merge(batch, inventory.inventoried, is_whole=self._is_whole)

    async def _merge(
        self, batch: list[Archive], inventoried: datetime | None, *, is_whole: bool = False
    ) -> None:
        if inventoried is None:
            return
        merged: MergeResult = await self.records.catalog.archives.merge_inventory(
            self.records.place, batch, inventoried=inventoried, is_whole=is_whole
        )
        self.added += merged.added
        self.confirmed += merged.confirmed
        self.conflicting += merged.conflicting


async def tell_of(session: Session, reading: Reading) -> None:
    """Say what an inventory has brought, and what it has settled."""
    from aioglacier.recorded.outcome import settle_by_inventories  # noqa: PLC0415  # not needed for help

    if not reading.is_dated:
        session.output.note("a list in CSV has no date, so it was not read into the catalog")
        return
    session.output.note(f"{show_count(reading.added, 'archive')} new to the catalog")
    if reading.conflicting:
        session.output.warn(
            f"{show_count(reading.conflicting, 'archive')} of another size or tree hash than is on record; "
            "'list' shows them as suspect"
        )
    for upload in await settle_by_inventories(reading.records):
        name = repr(upload.source) if upload.source is not None else "standard input"
        begun = f"the upload of {name}, begun {show_time(upload.created)},"
        if upload.archive_id is not None:
            session.output.note(f"{begun} has become archive {upload.archive_id}")
        else:
            session.output.note(f"{begun} has not become an archive; it may be uploaded again")
