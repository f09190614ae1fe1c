"""The cost of a migration, beside the figures that AWS publishes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.archives.move_plan import ArchivePlan
from aioglacier.bulk.archives.size_rules import parse_class_rule
from aioglacier.bulk.pricing import load_prices
from aioglacier.core.errors import MemoryLimitError
from aioglacier.core.limits import GIB, MIB
from aioglacier.core.models import Archive, ArchiveId, Tier
from aioglacier.core.s3.objects import StorageClass
from aioglacier.migrate import Migration, MigrationOptions
from aioglacier.migrate.move_costs import Classes, CostMeter, choose_part_size
from tests.bulk.archives.conftest import budget
from tests.migrate.conftest import FAST, bucket_of

if TYPE_CHECKING:
    from aioglacier.core.prices import Prices
    from tests.bulk.archives.conftest import OldVault

VAULT = load_prices("us-east-1")
MEMORY = 256 * MIB
HEAD = 0.0004  # a thousand requests for the facts of an object


def class_prices(chosen: StorageClass) -> Prices:
    """Return the prices of a class where the list is complete."""
    return load_prices("us-east-1", storage_class=chosen)


def archive(size: int, days: int = 4000) -> Archive:
    """Return an archive of an age."""
    created = datetime.now(UTC) - timedelta(days=days, minutes=1)
    return Archive(id=ArchiveId("a"), vault="v", size=size, tree_hash=b"", description="", created=created)


def meter(chosen: StorageClass, *rules: str, memory: int = MEMORY, up_to: int = 0) -> CostMeter:
    """Return a meter."""
    classes = Classes(chosen, [parse_class_rule(rule) for rule in rules], class_prices)
    return CostMeter(VAULT, classes, memory, bundle_up_to=up_to)


def test_requests_are_counted_by_part_and_class() -> None:
    """One request stores what fits a part; a larger archive costs one a part and to begin as in STANDARD."""
    measured = meter(StorageClass.DEEP_ARCHIVE, "size<1MiB:STANDARD")
    for size in (1, 16 * MIB, 16 * MIB + 1):
        measured.count(archive(size))
    costs = measured.total(ArchivePlan(), GIB)
    assert costs.requests == 1 + 1 + 4
    assert costs.request_cost == pytest.approx((0.005 + 0.05 + (3 * 0.005 + 0.05) + 7 * HEAD) / 1000)
    assert costs.storing > costs.month
    assert costs.early == 0


def test_bundles_cost_two_requests_and_one_overhead() -> None:
    """Archives share a bundle until it is full; one above the limit is an object of its own."""
    single, bundled = (meter(StorageClass.DEEP_ARCHIVE, up_to=up_to) for up_to in (0, MIB))
    for measured in (single, bundled):
        for size in [MIB] * 31 + [2 * MIB]:
            measured.count(archive(size))
    costs = bundled.total(ArchivePlan(), GIB)
    assert (costs.bundles, costs.requests) == (3, 7)  # 15 members of a MiB in 16 MiB
    assert costs.request_cost == pytest.approx((4 * 0.05 + 3 * 0.005 + 11 * HEAD) / 1000)
    apart = single.total(ArchivePlan(), GIB)
    assert (apart.bundles, apart.requests) == (0, 32)
    assert costs.storing < apart.storing


def test_young_archives_cost_the_rest_of_their_time() -> None:
    """The vault charges 90 days, and the plan says what a deletion today would cost."""
    measured, plan = meter(StorageClass.GLACIER), ArchivePlan(size=3 * GIB, asked_size=GIB)
    measured.count(archive(GIB, days=30))
    costs = measured.total(plan, GIB)
    assert costs.early == pytest.approx(2 * 0.004, rel=1e-3)
    assert costs.vault_month == pytest.approx(0.004, rel=1e-3)
    assert costs.days == 2
    assert plan.cost == pytest.approx(costs.request_cost + costs.storing)


def test_a_retrieval_costs_what_aws_calculates() -> None:
    """AWS re:Post, "manage data retrieval costs": 15,000,000 objects, 102,400 GB, Standard: $1,774."""
    assert VAULT.jobs(Tier.STANDARD, 102_400 * GIB, 15_000_000) == pytest.approx(1774)
    assert VAULT.jobs(Tier.EXPEDITED, 102_400 * GIB, 15_000_000) == pytest.approx(150_000 + 3072)


@pytest.mark.parametrize(
    ("archives", "size", "theirs", "bulk", "requests", "sending"),
    [(100_000, GIB, 1153.57, 252.50, 66, 37.62), (10_000_000, 10 * MIB, 11_229.21, 494.14, 1, 508.00)],
)
def test_a_migration_beside_the_tool_of_aws(
    archives: int, size: int, theirs: float, bulk: float, requests: int, sending: float
) -> None:
    """AWS's guidance on vaults to S3, "Cost": Bulk, with Lambda, Step Functions, DynamoDB, in one region.

    "approximately $1153.57 for 100,000 archives (1GB each) and $11,229.21 for 10,000,000 (10MB each)". The
    service's own part of that is retrieval and requests; a machine in the region pays no transfer.
    """
    retrieval = VAULT.jobs(Tier.BULK, archives * size, archives)
    assert retrieval == pytest.approx(bulk, abs=0.01)
    measured = meter(StorageClass.DEEP_ARCHIVE)
    measured.count(archive(size))
    costs = measured.total(ArchivePlan(), GIB)
    assert costs.requests == requests
    assert archives * costs.request_cost == pytest.approx(sending)
    assert bulk + sending < theirs


def test_parts_are_as_large_as_memory_allows() -> None:
    """Several archives share the memory, and an archive that needs larger parts may take all of it."""
    assert choose_part_size(GIB, 64 * MIB) == 8 * MIB
    assert choose_part_size(GIB, 4 * GIB) == 64 * MIB
    assert choose_part_size(1000 * GIB, 256 * MIB) == 128 * MIB
    with pytest.raises(MemoryLimitError):
        choose_part_size(40_000_000_000_000, 4 * GIB)
    assert choose_part_size(40_000_000_000_000, 8 * GIB) == 4 * GIB


@pytest.mark.slow
async def test_a_run_costs_what_its_plan_says(old_vault: OldVault) -> None:
    """Requests and storage in the bucket are charged by the prices of its class, not by those of vaults."""
    await old_vault.fill({"a": b"1" * 1000, "b": b"2" * (20 * MIB)})
    async with old_vault.connected() as glacier:
        bucket, money = await bucket_of(glacier), budget()
        migration = Migration(glacier.vault("old"), bucket, money, MigrationOptions(pace=FAST))
        plan = await migration.plan()
        assert migration.costs is not None
        assert migration.costs.requests == 1 + 5
        assert plan.cost > migration.costs.request_cost + migration.costs.storing
        limited = Migration(
            glacier.vault("old"), bucket, budget(plan.cost * 1.001), MigrationOptions(pace=FAST)
        )
        done = await limited.run()
        assert done.restored == 2
        assert done.cost == pytest.approx(plan.cost, rel=1e-3)
