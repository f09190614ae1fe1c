"""Jobs are paid for once, however many processes want them and however many are killed."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from aioglacier.bulk.pricing import load_prices
from aioglacier.catalog import JobState
from aioglacier.core.errors import CostLimitError, GlacierError
from aioglacier.core.models import JobAction, Tier
from aioglacier.core.ranges import ByteRange
from aioglacier.core.spending import Budget
from aioglacier.recorded.job_request import JobRequest
from aioglacier.recorded.reserved_jobs import reserve_job
from aioglacier.server.requests.faults import Fault, FaultKind

# Fixtures that give both databases in turn.
from tests.catalog.conftest import emptied_database, location, path, server  # noqa: F401
from tests.cli.conftest import MIB
from tests.forking import forks
from tests.recorded.test_recording_gateway import stranger

if TYPE_CHECKING:
    import aioglacier
    from aioglacier.client.job import Job
    from tests.forking import Fork
    from tests.recorded.conftest import House

pytestmark = pytest.mark.slow

#: Asks for what its arguments name, once there is a line to read: "inventory", or "ARCHIVE:START:STOP".
BUYER = """
import asyncio, sys, aioglacier
from aioglacier.catalog import Catalog

async def main(url, path, *wanted):
    async with Catalog.open(path) as catalog, aioglacier.connect(
        endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b",
        catalog=catalog, hash_in="threads",
    ) as glacier:
        vault = glacier.vault("v")
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for each in wanted:
            if each == "inventory":
                job = await vault.retrievals.find_or_start_inventory()
            else:
                archive, *numbers = each.split(":")
                part = tuple(map(int, numbers)) if numbers else None
                job = await vault.retrieve(archive, byte_range=part)
            print(job.id, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def buyer(house: House, *wanted: str, crash_at: str = "") -> Fork:
    """Start a process that buys."""
    environment = {**os.environ, "AIOGLACIER_CRASH_AT": crash_at}
    words = ["-c", BUYER, house.server.url, house.location, *wanted]
    return forks().start(words, cwd=house.file.parent, env=environment, stdin=subprocess.PIPE)


async def jobs(house: House) -> list[aioglacier.JobDescription]:
    """Return the jobs at the service."""
    return [job async for job in house.vault.jobs()]


async def test_two_processes_buy_nothing_twice(house: House) -> None:
    """Two processes that want an archive, a range and an inventory at once start three jobs in all (a14)."""
    first = await house.vault.upload(house.file, part_size=MIB)
    second = await house.vault.upload(house.file, part_size=MIB, description="another")
    await house.server.run_inventory()
    # The answer comes late, so that the other process asks while it is not there yet.
    house.server.faults.add(Fault("InitiateJob", FaultKind.DELAY, seconds=0.2, count=6))
    wanted = [first.id, f"{second.id}:{MIB}:{3 * MIB}", "inventory"]
    with ExitStack() as stack:
        buyers = [stack.enter_context(buyer(house, *wanted)) for _ in range(2)]
        for process in buyers:
            assert process.stdout
            assert await anyio.to_thread.run_sync(process.stdout.readline) == b"ready\n"
        bought = [
            (await anyio.to_thread.run_sync(process.communicate, b"\n"))[0].decode().split()
            for process in buyers
        ]
    assert bought[0] == bought[1]
    assert {job.id for job in await jobs(house)} == set(bought[0])
    assert len(bought[0]) == 3


@pytest.mark.parametrize("point", ["job intent recorded", "job initiated"])
async def test_a_killed_process_leaves_a_job_that_is_found(house: House, point: str) -> None:
    """After a kill between the intent and the answer there is one job, and it is on record."""
    archive = await house.vault.upload(b"small")
    with buyer(house, archive.id, crash_at=point) as process:
        await anyio.to_thread.run_sync(process.communicate, b"\n")
    assert process.returncode == -signal.SIGKILL
    job = await house.vault.retrieve(archive.id)
    assert [each.id for each in await jobs(house)] == [job.id]
    assert job.is_new == (point == "job intent recorded")
    record = await house.catalog.jobs.find(house.records.key, job.id)
    assert record
    assert record.state is not JobState.INTENT
    assert [each async for each in house.catalog.jobs.list_useful()] == [record]


async def bought(house: House, archive_id: str, **wanted: object) -> Job:
    """Retrieve an archive."""
    return await house.vault.retrieve(archive_id, **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("house", [3600], indirect=True)
async def test_a_job_on_record_is_used_where_it_gives_what_is_wanted(house: House) -> None:
    """A range that lies in a job is read from it; a faster tier or another topic is another job."""
    archive = await house.vault.upload(house.file, part_size=MIB)
    whole = await bought(house, archive.id, tier="Bulk")
    part = await bought(house, archive.id, tier="Bulk", byte_range=(MIB, 3 * MIB))
    assert (whole.is_new, part.is_new, part.id) == (True, False, whole.id)
    topic = "arn:aws:sns:us-east-1:111122223333:done"
    others = [
        await bought(house, archive.id, tier="Standard"),
        await bought(house, archive.id, tier="Bulk", sns_topic=topic),
        await bought(house, archive.id, tier="Bulk", description="mine"),
        await bought(house, archive.id, tier="Bulk", again=True),
    ]
    assert len({whole.id, *(job.id for job in others)}) == 5
    same = await bought(house, archive.id, tier="Bulk", sns_topic=topic)
    assert (same.id, same.is_new) == (others[1].id, False)
    await house.server.advance(3600)
    async with part.open_reader() as reader:
        assert await reader.read() == house.file.read_bytes()[MIB : 3 * MIB]


async def test_a_job_that_is_gone_is_paid_again(house: House) -> None:
    """An output lives a day; after that the record says so, and another job is started."""
    archive = await house.vault.upload(b"small")
    job = await house.vault.retrieve(archive.id)
    await job.wait_until_done()
    await house.server.advance(30 * 3600)
    again = await house.vault.retrieve(archive.id)
    assert (again.is_new, again.id != job.id) == (True, True)
    record = await house.catalog.jobs.find(house.records.key, job.id)
    assert record
    assert record.state is JobState.GONE


async def test_an_inventory_is_used_until_there_is_a_newer_one(house: House) -> None:
    """An inventory job is the same until the service has made another inventory."""
    await house.vault.upload(b"small")
    await house.server.run_inventory()
    job = await house.vault.retrieve_inventory()
    await job.wait_until_done()
    assert (await house.vault.retrieve_inventory()).id == job.id
    await house.server.advance(3600)  # the output of the first is still there
    await house.vault.upload(b"another")
    await house.server.run_inventory()
    again = await house.vault.retrieve_inventory()
    assert (again.is_new, again.id != job.id) == (True, True)
    await job.describe()


async def later_inventory(house: House) -> datetime:
    """Return the date of the newest inventory."""
    inventoried = (await house.vault.describe()).inventoried
    assert inventoried is not None
    return inventoried


async def test_a_newer_inventory_makes_no_other_job_out_of_date(house: House) -> None:
    """The job of an archive stays in use, and so does an inventory job that is not done yet."""
    archive = await house.vault.upload(b"small")
    job = await house.vault.retrieve(archive.id)
    await job.wait_until_done()
    await house.server.advance(3600)
    await house.vault.upload(b"another")
    await house.server.run_inventory()
    assert (await later_inventory(house)) > (await job.describe()).created
    assert (await house.vault.retrieve(archive.id)).id == job.id


@pytest.mark.parametrize("house", [3600], indirect=True)
async def test_an_inventory_job_that_goes_on_is_not_paid_twice(house: House) -> None:
    """It will list what the service knows when it is done."""
    await house.vault.upload(b"small")
    await house.server.run_inventory()
    job = await house.vault.retrieve_inventory()
    await house.server.advance(600)
    await house.vault.upload(b"another")
    await house.server.run_inventory()
    assert (await later_inventory(house)) > (await job.describe()).created
    assert (await house.vault.retrieve_inventory()).id == job.id


async def test_a_job_of_an_archive_that_is_not_on_record_has_no_known_price(house: House) -> None:
    """Its size is that of an archive which another program made, so a limit refuses it."""
    async with stranger(house) as glacier:
        archive = await glacier.vault("v").upload(b"small")
    budget = Budget(load_prices("us-east-1"))
    async with house.vault.spending(budget):
        assert (await house.vault.retrieve(archive.id)).is_new
    assert math.isnan(budget.cost)


async def test_what_would_cost_too_much_leaves_no_intent(house: House) -> None:
    """A job and an upload that the budget refuses were never sent, and the record says so at once."""
    archive = await house.vault.upload(b"small")
    budget = Budget(load_prices("us-east-1"), 0.0)
    with pytest.raises(CostLimitError):
        async with house.vault.spending(budget):
            await house.vault.retrieve(archive.id)
    with pytest.raises(CostLimitError):
        async with house.vault.spending(budget):
            await house.vault.upload(house.file, part_size=MIB)
    assert [each async for each in house.catalog.jobs.list_useful()] == []
    assert await house.uploads() == []


@pytest.mark.parametrize("again", [False, True])
async def test_a_job_of_another_program_is_found_beside_a_lost_one(house: House, *, again: bool) -> None:
    """A lost job makes a look at the service; another one of it does unless a new one is wanted."""
    archive = await house.vault.upload(b"small")
    gateway = house.vault.context.gateway
    theirs = await gateway.initiate_archive_retrieval("v", archive.id, tier=Tier.STANDARD, description="x")
    await gateway.initiate_archive_retrieval("v", (await house.vault.upload(b"other")).id, tier=Tier.STANDARD)
    await house.catalog.jobs.record_intent(
        house.records.key, JobAction.ARCHIVE_RETRIEVAL, archive_id=archive.id, tier=Tier.STANDARD
    )
    reserved = await reserve_job(house.vault.context.recorded(), JobRequest(archive.id, again=again))
    assert (reserved.id == theirs) is not again
    states = [each.state async for each in house.catalog.jobs.list_useful()]
    assert JobState.INTENT not in states


async def test_jobs_that_cannot_be_listed_are_said(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A lost job is then started again, with a warning that it may be paid twice."""
    archive = await house.vault.upload(b"small")
    await house.catalog.jobs.record_intent(
        house.records.key, JobAction.ARCHIVE_RETRIEVAL, archive_id=archive.id, tier=Tier.STANDARD
    )
    house.server.faults.add(Fault("ListJobs", status=403, code="AccessDeniedException"))
    assert (await house.vault.retrieve(archive.id)).is_new
    assert "may be paid twice: " in caplog.text
    assert "None" not in caplog.text


async def test_a_job_is_on_record_as_it_was_asked_for(house: House) -> None:
    """The record has its action, range and tier, a budget its price by size, and a report what it cost."""
    archive = await house.vault.upload(house.file, part_size=MIB)
    budget = Budget(load_prices("us-east-1"))
    async with house.vault.spending(budget):
        whole = await bought(house, archive.id, tier="Bulk")
        assert budget.cost == pytest.approx(budget.prices.jobs(Tier.BULK, archive.size, 1))
        # At once: a kill before the end of the block hides nothing.
        assert [each.operation for each in (await house.catalog.reports.vault(house.records.key)).spent]
    record = await house.catalog.jobs.find(house.records.key, whole.id)
    assert record
    assert (record.action, record.tier, record.byte_range) == (JobAction.ARCHIVE_RETRIEVAL, Tier.BULK, None)
    (spent,) = (await house.catalog.reports.vault(house.records.key)).spent
    assert (spent.operation, spent.requests) == ("InitiateJob", 1)
    part = await bought(house, archive.id, again=True, byte_range=(MIB, 2 * MIB))
    record = await house.catalog.jobs.find(house.records.key, part.id)
    assert record
    assert (record.tier, record.byte_range) == (Tier.STANDARD, ByteRange(MIB, 2 * MIB))


async def test_a_range_within_the_range_of_a_job_is_read_from_it(house: House) -> None:
    """The job need not begin with the archive."""
    archive = await house.vault.upload(house.file, part_size=MIB)
    first = await bought(house, archive.id, byte_range=(MIB, 3 * MIB))
    assert (await bought(house, archive.id, byte_range=(2 * MIB, 3 * MIB))).id == first.id


async def test_a_refused_job_is_on_record_with_the_reason(house: House) -> None:
    """A job that the service refuses for good has failed, and the record says why."""
    archive = await house.vault.upload(b"small")
    refusal = Fault("InitiateJob", status=400, code="PolicyEnforcedException", message="not today")
    house.server.faults.add(refusal)
    with pytest.raises(GlacierError):
        await house.vault.retrieve(archive.id)
    if house.location.startswith("postgresql"):
        return
    with closing(sqlite3.connect(house.location)) as connection:
        ((state, outcome),) = connection.execute("SELECT state, outcome FROM jobs").fetchall()
    assert state == JobState.FAILED
    assert "not today" in outcome


async def test_two_tasks_that_want_one_archive_start_one_job(house: House) -> None:
    """The second task waits for the reservation of the first."""
    archive = await house.vault.upload(b"small")
    found: list[str] = []

    async def want() -> None:
        found.append((await house.vault.retrieve(archive.id)).id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(want)
        tasks.start_soon(want)
    assert len(found) == 2
    assert [each.id async for each in house.vault.jobs()] == [found[0]] == [found[1]]


async def test_an_inventory_is_asked_for_with_its_dates(house: House) -> None:
    """The service limits the list as it was asked to."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    job = await house.vault.retrieve_inventory(start_date=start)
    described = await job.describe()
    assert described.inventory is not None
    assert described.inventory.start_date == start
