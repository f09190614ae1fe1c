"""Retrievals: starting jobs, and finding those that are there."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from aioglacier import InvalidPlanError
from aioglacier.core.models import JobStatus
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier import Archive, Vault
    from tests.scripted import ScriptedGateway

MIB = 1024 * 1024
DATA = bytes(range(251)) * (3 * MIB // 251)


async def archived(vault: Vault) -> Archive:
    """Return an archive to retrieve."""
    return await vault.upload(DATA, description="d")


async def test_every_job_has_a_description_of_its_own(vault: Vault) -> None:
    """A job gets a unique description, by which it is found if the answer is lost, unless one is given."""
    archive = await archived(vault)
    for _ in range(2):
        await vault.retrieve(archive.id)
    await vault.retrieve(archive.id, description="mine")
    descriptions = {job.description or "" async for job in vault.jobs()}
    assert len(descriptions) == 3
    assert sorted(each.startswith("aioglacier ") for each in descriptions) == [False, True, True]


async def test_a_job_that_is_there_is_found_again(scripted: ScriptedGateway, vault: Vault) -> None:
    """A job that retrieves the bytes is found; jobs for other ranges and failed jobs are not."""
    archive = await archived(vault)
    assert await vault.retrievals.find(archive.id) is None
    part = await vault.retrieve(archive.id, byte_range=(MIB, 2 * MIB))
    assert await vault.retrievals.find(archive.id) is None
    whole = await vault.retrieve(archive.id)
    for byte_range, job in ((None, whole), ((MIB, 2 * MIB), part), (ByteRange(MIB, 2 * MIB), part)):
        found = await vault.retrievals.find(archive.id, byte_range=byte_range)
        assert found is not None
        assert found.id == job.id
    await vault.delete_archive(archive.id)
    await scripted.advance(5 * 3600)
    assert await vault.retrievals.find(archive.id) is None


async def test_a_job_for_more_gives_the_bytes_asked_for(
    scripted: ScriptedGateway, vault: Vault, tmp_path: Path
) -> None:
    """A range inside a job that exists is read from its output, and no other job is paid for."""
    archive = await archived(vault)
    job = await vault.retrieve(archive.id)
    await scripted.advance(5 * 3600)
    found = await vault.retrievals.find(archive.id, byte_range=(MIB, 2 * MIB))
    assert found is not None
    assert found.id == job.id
    await found.download(tmp_path / "part")
    async with found.open_reader() as reader:
        assert await reader.read() == (tmp_path / "part").read_bytes() == DATA[MIB : 2 * MIB]


async def test_a_job_for_another_archive_is_refused(vault: Vault) -> None:
    """The output of a job is not taken for an archive that the job does not retrieve (a32)."""
    one, other = await archived(vault), await archived(vault)
    description = await (await vault.retrieve(one.id)).describe()
    await vault.retrievals.check_job(description, one.id)
    with pytest.raises(InvalidPlanError, match=f"retrieves archive {one.id}, not archive {other.id}"):
        await vault.retrievals.check_job(description, other.id)


@pytest.mark.parametrize("name", ["start_date", "end_date"])
async def test_dates_without_a_time_zone_are_refused(
    name: str, scripted: ScriptedGateway, vault: Vault
) -> None:
    """A date without a time zone is refused, because local time differs between machines."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  # that is the mistake
    with pytest.raises(InvalidPlanError, match=f"{name} needs a time zone"):
        await (
            vault.retrieve_inventory(start_date=naive)
            if name == "start_date"
            else vault.retrieve_inventory(end_date=naive)
        )
    assert not scripted.calls["InitiateJob"]


async def test_an_inventory_job_that_is_there_is_found_again(vault: Vault) -> None:
    """An inventory job with a limit or in another format is not taken for a whole list."""
    await archived(vault)
    await vault.retrieve_inventory(limit=1)
    assert await vault.retrievals.find_inventory() is None
    job = await vault.retrieve_inventory()
    found = await vault.retrievals.find_inventory()
    assert found is not None
    assert (found.id, found.vault, repr(found)) == (job.id, "v", f"<Job v {job.id}>")
    assert await vault.retrievals.find_inventory("CSV") is None
    assert {status.status async for status in vault.jobs(status="InProgress")} == {JobStatus.IN_PROGRESS}
    assert [done async for done in vault.jobs(completed=True)] == []
