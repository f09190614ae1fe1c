"""Restores that are on record before they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.bulk.pricing import load_prices
from aioglacier.catalog import Catalog, JobRecord, JobState
from aioglacier.client import retrieval
from aioglacier.core.errors import InvalidPlanError
from aioglacier.core.models import ArchiveId, JobAction, Tier
from aioglacier.core.s3.objects import StorageClass
from aioglacier.core.spending import Budget
from aioglacier.server import LocalGlacier
from tests.client.test_places import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import aioglacier

DATA = b"cold" * 1000


@dataclass
class Depot:
    """A bucket on a server with a clock that can be moved, and its catalog."""

    server: LocalGlacier
    bucket: aioglacier.Bucket
    catalog: Catalog

    async def on_record(self) -> list[JobRecord]:
        """Return the useful restores on record."""
        return [job async for job in self.catalog.jobs.list_useful()]

    async def states(self) -> list[JobState]:
        """Return their states."""
        return [job.state for job in await self.on_record()]


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_FIRST_POLL_SECONDS", 0.001)
    monkeypatch.setattr(retrieval, "_LONGEST_POLL_SECONDS", 0.002)


@pytest.fixture
async def depot(tmp_path: Path) -> AsyncIterator[Depot]:
    """Return a bucket with an object "cold" that has to be restored."""
    async with (
        LocalGlacier(tmp_path / "glacier", is_durable=False) as server,
        Catalog.open(tmp_path / "catalog.db") as catalog,
        connected(server.url, catalog=catalog) as glacier,
    ):
        bucket = await glacier.create_bucket("museum", "GLACIER")
        await bucket.upload(DATA, key="cold")
        yield Depot(server, bucket, catalog)


async def test_several_ask_once(depot: Depot) -> None:
    """Of many that want an object at once, one asks; the others wait for its restore."""
    news = []

    async def retrieve() -> None:
        news.append((await depot.bucket.retrieve("cold", tier="Bulk", days=3)).is_new)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(retrieve)
    assert sorted(news) == [False] * 4 + [True]
    (job,) = await depot.on_record()
    assert (job.state, job.archive_id, job.tier, job.days) == (JobState.OPEN, "cold", Tier.BULK, 3)


async def test_the_record_follows_the_copy(depot: Depot) -> None:
    """A restore that is done is on record so; once its copy has expired, the next one takes its place."""
    await depot.bucket.retrieve("cold", tier="Expedited", days=2)
    depot.server.clock.advance(timedelta(minutes=10))
    await depot.bucket.restored("cold").wait_until_done()
    assert await depot.states() == [JobState.SUCCEEDED]
    depot.server.clock.advance(timedelta(days=4))
    assert (await depot.bucket.retrieve("cold")).is_new
    assert await depot.states() == [JobState.OPEN]


async def test_an_intent_that_a_kill_left_is_settled_by_the_head(depot: Depot) -> None:
    """It was asked for if the object is being restored, and otherwise is asked for now."""
    jobs, key = depot.catalog.jobs, depot.bucket.context.key
    for is_asked in (False, True):
        intent = await jobs.record_intent(
            key, JobAction.ARCHIVE_RETRIEVAL, archive_id=ArchiveId("cold"), tier=Tier.BULK, days=3
        )
        restore = await depot.bucket.retrieve("cold", tier="Bulk", again=is_asked)
        assert restore.is_new is not is_asked
        assert (await jobs.get(intent)).state is (JobState.OPEN if is_asked else JobState.FAILED)


async def test_a_restore_of_another_process_is_renewed_as_it_was(depot: Depot) -> None:
    """The tier and days on record ask for an expired copy again."""
    await depot.bucket.retrieve("cold", tier="Expedited", days=5)
    depot.server.clock.advance(timedelta(minutes=10))
    restore = depot.bucket.restored("cold")
    await restore.wait_until_done()
    with anyio.fail_after(20):
        async with restore.open_reader() as reader, anyio.create_task_group() as tasks:
            depot.server.clock.advance(timedelta(days=7))

            async def let_time_pass() -> None:
                while await depot.states() != [JobState.OPEN]:  # noqa: ASYNC110  # nothing tells
                    await anyio.sleep(0.002)
                depot.server.clock.advance(timedelta(minutes=10))

            tasks.start_soon(let_time_pass)
            assert await reader.read() == DATA
    (job,) = await depot.on_record()
    assert (job.tier, job.days) == (Tier.EXPEDITED, 5)


async def test_a_refused_restore_is_no_restore(depot: Depot) -> None:
    """A tier that the class lacks is refused before it is sent, and leaves no intent."""
    await depot.bucket.upload(DATA, key="colder", storage_class="DEEP_ARCHIVE")
    with pytest.raises(InvalidPlanError):
        await depot.bucket.retrieve("colder", tier="Expedited")
    assert await depot.states() == []


async def test_a_restore_is_an_expense(depot: Depot) -> None:
    """Its price is on record with it, before the block of the budget ends."""
    prices = load_prices("us-east-1", storage_class=StorageClass.GLACIER)
    async with depot.bucket.context.spending(Budget(prices)):
        await depot.bucket.retrieve("cold", tier="Expedited")
        report = await depot.catalog.reports.vault(depot.bucket.context.key)
        (spent,) = [each for each in report.spent if each.operation == "RestoreObject"]
        assert (spent.requests, bool(spent.price)) == (1, True)
