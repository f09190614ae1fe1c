"""Jobs: waited for, found again, and read when they are done."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier import (
    Archive,
    ArchiveNotFoundError,
    ConnectionFailedError,
    InvalidIdError,
    InvalidPlanError,
    InvalidRangeError,
    JobFailedError,
    JobNotFoundError,
    JobNotReadyError,
    TemporaryServiceError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from aioglacier.client import job as jobs
from aioglacier.core.models import JobStatus, Tier
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier import Vault
    from tests.scripted import ScriptedGateway

MIB = 1024 * 1024
DATA = bytes(range(251)) * (3 * MIB // 251)


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_FIRST_POLL_SECONDS", 0.001)
    monkeypatch.setattr(jobs, "_LONGEST_POLL_SECONDS", 0.002)


async def archived(vault: Vault) -> Archive:
    """An archive to retrieve."""
    return await vault.upload(DATA, description="d")


async def test_a_job_is_waited_for_until_it_is_done(scripted: ScriptedGateway, vault: Vault) -> None:
    """The service is asked again and again, and its last answer is returned."""
    job = await vault.retrieve((await archived(vault)).id, tier="Bulk")
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            description = await job.wait_until_done()
            assert (description.status, description.tier) == (JobStatus.SUCCEEDED, Tier.BULK)

        tasks.start_soon(wait)
        while scripted.calls["DescribeJob"] < 3:
            await wait_all_tasks_blocked()
        await scripted.advance(8 * 3600)
    assert (await job.describe()).is_done


async def test_waiting_ends_in_time(scripted: ScriptedGateway, vault: Vault) -> None:
    """The job was asked about even without time to wait; it goes on, and the error says so."""
    job = await vault.retrieve((await archived(vault)).id)
    with pytest.raises(WaitTimeoutError, match="it goes on") as caught:
        await job.wait_until_done(timeout_seconds=0)
    assert caught.value.waited_seconds == 0
    assert scripted.calls["DescribeJob"] == 1
    await scripted.advance(5 * 3600)
    assert (await job.wait_until_done()).is_done


@pytest.mark.parametrize(
    "trouble",
    [
        TemporaryServiceError("not now", operation="", code="", status=503),
        ConnectionFailedError("refused", operation="", may_have_taken_effect=False),
    ],
)
async def test_a_service_out_of_reach_does_not_end_the_waiting(
    trouble: TemporaryServiceError | ConnectionFailedError,
    scripted: ScriptedGateway,
    vault: Vault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Hours are long, and connections come back."""
    job = await vault.retrieve((await archived(vault)).id)
    await scripted.advance(5 * 3600)
    scripted.fail("DescribeJob", trouble, times=2)
    assert (await job.wait_until_done()).is_done
    assert caplog.text.count("still waited for") == 2


async def test_an_answer_that_is_none_ends_the_waiting(scripted: ScriptedGateway, vault: Vault) -> None:
    """A portal's page will not become an answer by waiting."""
    job = await vault.retrieve((await archived(vault)).id)
    scripted.fail("DescribeJob", UnexpectedResponseError("a page", operation="DescribeJob", status=200))
    with pytest.raises(UnexpectedResponseError):
        await job.wait_until_done()


async def test_output_is_not_there_before_the_job_is_done(
    scripted: ScriptedGateway, vault: Vault, tmp_path: Path
) -> None:
    """Reading, downloading and listing all say so, and nothing is made."""
    job = await vault.retrieve((await archived(vault)).id)
    inventory = await vault.retrieve_inventory()
    with pytest.raises(JobNotReadyError):
        await job.download(tmp_path / "target")
    with pytest.raises(JobNotReadyError):
        async with job.open_reader():
            pass
    with pytest.raises(JobNotReadyError):
        [archive async for archive in inventory.inventory()]
    await scripted.advance(5 * 3600)
    with pytest.raises(InvalidPlanError, match="no inventory job"):
        [archive async for archive in job.inventory()]
    await job.download(tmp_path / "target")
    assert {path.name async for path in anyio.Path(tmp_path).iterdir()} == {"scripted", "target"}


async def test_a_failed_job_says_why(scripted: ScriptedGateway, vault: Vault, tmp_path: Path) -> None:
    """The service's own reason comes with the error, however the job is used."""
    archive = await archived(vault)
    job = await vault.retrieve(archive.id)
    await vault.delete_archive(archive.id)
    await scripted.advance(5 * 3600)
    with pytest.raises(JobFailedError) as waited:
        await job.wait_until_done()
    assert waited.value.job_id == job.id
    assert waited.value.status_message
    with pytest.raises(JobFailedError):
        await job.download(tmp_path / "target")


async def test_what_is_not_there_cannot_be_retrieved(vault: Vault) -> None:
    """Unknown archives and jobs are errors of their own; ids that cannot be are not sent."""
    with pytest.raises(ArchiveNotFoundError):
        await vault.retrieve("x" * 138)
    with pytest.raises(JobNotFoundError):
        await vault.job("x" * 92).wait_until_done()
    for call in (vault.retrieve("no/id"), vault.delete_archive(""), vault.resume("a b", b"")):
        with pytest.raises(InvalidIdError):
            await call
    with pytest.raises(InvalidRangeError):
        await vault.retrieve("x" * 138, byte_range=(5, MIB))
    with pytest.raises(ValueError, match="Fast"):
        await vault.retrieve("x" * 138, tier="Fast")


async def test_every_job_has_a_description_of_its_own(vault: Vault) -> None:
    """By it a job is found whose answer was lost; one that is given is kept."""
    archive = await archived(vault)
    for _ in range(2):
        await vault.retrieve(archive.id)
    await vault.retrieve(archive.id, description="mine")
    descriptions = {job.description or "" async for job in vault.jobs()}
    assert len(descriptions) == 3
    assert sorted(each.startswith("aioglacier ") for each in descriptions) == [False, True, True]


async def test_a_job_that_is_there_is_found_again(scripted: ScriptedGateway, vault: Vault) -> None:
    """So that the same bytes are not paid twice; other ranges and failed jobs do not count."""
    archive = await archived(vault)
    assert await vault.find_retrieval(archive.id) is None
    part = await vault.retrieve(archive.id, byte_range=(MIB, 2 * MIB))
    assert await vault.find_retrieval(archive.id) is None
    whole = await vault.retrieve(archive.id)
    for byte_range, job in ((None, whole), ((MIB, 2 * MIB), part), (ByteRange(MIB, 2 * MIB), part)):
        found = await vault.find_retrieval(archive.id, byte_range=byte_range)
        assert found is not None
        assert found.id == job.id
    await vault.delete_archive(archive.id)
    await scripted.advance(5 * 3600)
    assert await vault.find_retrieval(archive.id) is None


async def test_a_job_for_more_gives_the_bytes_asked_for(
    scripted: ScriptedGateway, vault: Vault, tmp_path: Path
) -> None:
    """A range inside a job that exists is read from its output, and no other job is paid for."""
    archive = await archived(vault)
    job = await vault.retrieve(archive.id)
    await scripted.advance(5 * 3600)
    found = await vault.find_retrieval(archive.id, byte_range=(MIB, 2 * MIB))
    assert found is not None
    assert found.id == job.id
    await found.download(tmp_path / "part")
    async with found.open_reader() as reader:
        assert await reader.read() == (tmp_path / "part").read_bytes() == DATA[MIB : 2 * MIB]


async def test_a_job_for_another_archive_is_refused(vault: Vault) -> None:
    """The output of a job is not taken for an archive that the job does not retrieve (a32)."""
    one, other = await archived(vault), await archived(vault)
    description = await (await vault.retrieve(one.id)).describe()
    await vault.check_job(description, one.id)
    with pytest.raises(InvalidPlanError, match=f"retrieves archive {one.id}, not archive {other.id}"):
        await vault.check_job(description, other.id)


@pytest.mark.parametrize("name", ["start_date", "end_date"])
async def test_dates_without_a_time_zone_are_refused(
    name: str, scripted: ScriptedGateway, vault: Vault
) -> None:
    """They would be taken for local time, which differs from one machine to the next; nothing is sent."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  # that is the mistake
    with pytest.raises(InvalidPlanError, match=f"{name} needs a time zone"):
        await (
            vault.retrieve_inventory(start_date=naive)
            if name == "start_date"
            else vault.retrieve_inventory(end_date=naive)
        )
    assert not scripted.calls["InitiateJob"]


async def test_an_inventory_job_that_is_there_is_found_again(vault: Vault) -> None:
    """One with a limit or in the other format lists something else."""
    await archived(vault)
    await vault.retrieve_inventory(limit=1)
    assert await vault.find_inventory_retrieval() is None
    job = await vault.retrieve_inventory()
    found = await vault.find_inventory_retrieval()
    assert found is not None
    assert (found.id, found.vault, repr(found)) == (job.id, "v", f"<Job v {job.id}>")
    assert await vault.find_inventory_retrieval("CSV") is None
    assert {status.status async for status in vault.jobs(status="InProgress")} == {JobStatus.IN_PROGRESS}
    assert [done async for done in vault.jobs(completed=True)] == []
