"""A job: waiting for it and reading its output."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier import (
    Archive,
    ArchiveNotFoundError,
    ConfigurationError,
    ConnectionFailedError,
    IntegrityError,
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
from aioglacier.client import retrieval
from aioglacier.core.models import JobStatus, Tier

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier import Vault
    from tests.scripted import ScriptedGateway

MIB = 1024 * 1024
DATA = bytes(range(251)) * (3 * MIB // 251)


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_FIRST_POLL_SECONDS", 0.001)
    monkeypatch.setattr(retrieval, "_LONGEST_POLL_SECONDS", 0.002)


async def archived(vault: Vault) -> Archive:
    """Return an archive to retrieve."""
    return await vault.upload(DATA, description="d")


async def test_a_job_is_waited_for_until_it_is_done(scripted: ScriptedGateway, vault: Vault) -> None:
    """The job asks the service until it is done and returns the last answer."""
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
    """A wait asks at least once, and its error says that the job continues."""
    job = await vault.retrieve((await archived(vault)).id)
    with pytest.raises(WaitTimeoutError, match="It continues") as caught:
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
    """A wait of hours survives a service that cannot be reached for a while."""
    job = await vault.retrieve((await archived(vault)).id)
    await scripted.advance(5 * 3600)
    scripted.fail("DescribeJob", trouble, times=2)
    assert (await job.wait_until_done()).is_done
    assert caplog.text.count("still waiting for") == 2


async def test_an_answer_that_is_none_ends_the_waiting(scripted: ScriptedGateway, vault: Vault) -> None:
    """A wait ends at once on a portal's page, which no waiting turns into an answer."""
    job = await vault.retrieve((await archived(vault)).id)
    scripted.fail("DescribeJob", UnexpectedResponseError("a page", operation="DescribeJob", status=200))
    with pytest.raises(UnexpectedResponseError):
        await job.wait_until_done()


async def test_output_is_not_there_before_the_job_is_done(
    scripted: ScriptedGateway, vault: Vault, tmp_path: Path
) -> None:
    """Reading, downloading and listing an unfinished job are refused, and no file is made."""
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
    with pytest.raises(InvalidPlanError, match="not an inventory job"):
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
    """Unknown archives and jobs have errors of their own; impossible ids are not sent."""
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


async def test_bytes_that_nothing_vouches_for_are_given_only_if_asked_for(
    scripted: ScriptedGateway, vault: Vault, tmp_path: Path
) -> None:
    """A range that is no node has no hash of the service, and without a catalog there is none at all."""
    data = DATA + DATA
    job = await vault.retrieve((await vault.upload(data)).id, byte_range=(MIB, 3 * MIB))
    await scripted.advance(5 * 3600)
    await job.wait_until_done()
    with pytest.raises(IntegrityError, match="cannot be verified"):
        await job.download(tmp_path / "part")
    with pytest.raises(IntegrityError, match="cannot be verified"):
        async with job.open_reader():
            pass
    await job.download(tmp_path / "part", unverified=True)
    assert (tmp_path / "part").read_bytes() == data[MIB : 3 * MIB]
    async with job.open_reader(unverified=True) as reader:
        assert b"".join([block async for block in reader]) == data[MIB : 3 * MIB]
    async with job.open_reader(raw=True) as reader:
        assert b"".join([block async for block in reader]) == data[MIB : 3 * MIB]


async def test_archives_and_jobs_can_be_pickled(scripted: ScriptedGateway, vault: Vault) -> None:
    """Data comes back equal; a job comes back with its names, and says how to connect it again."""
    archive = await archived(vault)
    job = await vault.retrieve(archive.id)
    for data in (archive, await job.describe(), await vault.describe()):
        assert pickle.loads(pickle.dumps(data)) == data  # noqa: S301  # our own
    there = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(job))))  # noqa: S301  # our own
    assert (there.id, there.vault, there.is_new, repr(there)) == (job.id, job.vault, job.is_new, repr(job))
    with pytest.raises(ConfigurationError, match=r"glacier\.vault\('v'\)\.job\(job\.id\)"):
        await there.describe()
    assert scripted.calls["DescribeJob"] == 1
