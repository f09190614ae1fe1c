"""Archives that were moved to a bucket come back to a folder, without the catalog that moved them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.archive_restore import ArchiveRestore
from aioglacier.bulk.archives.archive_source import Ready
from aioglacier.bulk.archives.bucket_source import BucketSource
from aioglacier.bulk.archives.move_plan import ArchivePlan, make_plan, opened_move
from aioglacier.bulk.archives.move_run import PaceOptions
from aioglacier.bulk.archives.object_origin import ObjectOrigin
from aioglacier.bulk.pricing import load_prices
from aioglacier.core.errors import (
    ConfigurationError,
    CostLimitError,
    IntegrityError,
    InvalidPlanError,
    ObjectChangedError,
    ObjectNotFoundError,
)
from aioglacier.core.inventory.descriptions import decode
from aioglacier.core.models import Tier
from aioglacier.migrate import MigrationOptions
from aioglacier.server import Fault, FaultKind
from tests.bulk.archives.conftest import budget, fast_glacier, mt_aws
from tests.bulk.archives.test_archive_restore import files
from tests.migrate.conftest import FAST, bucket_of, migration_of

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier import Archive, Bucket
    from tests.bulk.archives.conftest import OldVault

KIB = 1024
SMALL = {mt_aws(f"d{number % 3}/f{number}"): bytes([number + 1]) * (number * 700 + 1) for number in range(9)}
LARGE = {mt_aws("d1/large.bin"): b"l" * (200 * KIB), "": b"without a name", "../out": b"o" * (70 * KIB)}
BACK = {f"d{number % 3}/f{number}": bytes([number + 1]) * (number * 700 + 1) for number in range(9)}
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
BULK = PaceOptions(tier=Tier.BULK, waits=False)


async def moved_away(
    old_vault: OldVault, storage_class: str = "DEEP_ARCHIVE", names: str = "id"
) -> dict[str, Archive]:
    """Move a vault, small archives in a bundle, and forget the catalog."""
    made = await old_vault.fill(SMALL | LARGE)
    async with old_vault.connected() as glacier:
        options = MigrationOptions(pace=FAST, bundle_up_to=64 * KIB, names=names)
        assert (
            await (await migration_of(glacier, options, storage_class=storage_class)).run()
        ).restored == 12
    old_vault.location = str(old_vault.folder / "later.db")
    return made


async def restore(
    bucket: Bucket, target: Path, pace: PaceOptions = FAST, **options: object
) -> ArchiveRestore:
    """Restore archives of the bucket."""
    run = ArchiveRestore(bucket, target, budget(), ArchiveOptions(**options), pace)  # type: ignore[arg-type]
    await run.run()
    return run


@pytest.mark.slow
async def test_objects_and_members_of_bundles_come_back_by_their_descriptions(
    old_vault: OldVault, tmp_path: Path
) -> None:
    """Keys are ids here, yet each file has the name in its description, never outside the folder."""
    made = await moved_away(old_vault, "GLACIER_IR")
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        run = await restore(bucket, tmp_path / "back")
        assert (run.failures, run.snapshot().restored, run.snapshot().jobs_started) == ([], 12, 0)
        assert not any("left out" in sentence for sentence in run.notices)
        (tmp_path / "back" / "d1" / "f1").unlink()
        heads = Fault("HeadObject", kind=FaultKind.DELAY, seconds=0, count=None)
        old_vault.server.faults.add(heads)
        again = (await restore(bucket, tmp_path / "back")).snapshot()
        assert (again.restored, again.there) == (1, 11)
        # The record has told what the others are: the sidecar, the object twice for its restore.
        assert old_vault.server.faults.snapshot()[0]["met"] <= 6
    assert files(tmp_path / "back") == BACK | {
        "d1/large.bin": b"l" * (200 * KIB),
        made[""].id: b"without a name",
        "%2E%2E/out": b"o" * (70 * KIB),
    }
    assert (tmp_path / "back" / "d0" / "f3").stat().st_mtime == 1345568904


@pytest.mark.slow
async def test_dates_of_any_year_keep_no_archive_of_a_bundle_back(
    old_vault: OldVault, tmp_path: Path
) -> None:
    """Descriptions are unverified; a date that no file system or catalog keeps becomes the nearest one."""
    made = {
        fast_glacier("first").replace("20120821T170824Z", "00010101T000000Z"): b"1" * 900,
        mt_aws("last", "99991231T235959Z"): b"2" * 900,
        mt_aws("plain"): b"3" * 900,
    }
    assert all(decode(each).modified is not None for each in made)
    await old_vault.fill(made)
    async with old_vault.connected() as glacier:
        options = MigrationOptions(pace=FAST, bundle_up_to=64 * KIB)
        run = await migration_of(glacier, options, storage_class="GLACIER_IR")
        assert (await run.run()).restored == 3
    old_vault.location = str(old_vault.folder / "later.db")
    async with old_vault.connected() as glacier:
        assert (await restore(await bucket_of(glacier), tmp_path / "back")).failures == []
    assert files(tmp_path / "back") == {"first": b"1" * 900, "last": b"2" * 900, "plain": b"3" * 900}


@pytest.mark.slow
async def test_archives_are_chosen_by_name_size_date_and_id_of_the_vault(
    old_vault: OldVault, tmp_path: Path
) -> None:
    """The same options as for a vault; one that meets nothing is an error before a restore is asked for."""
    made = await moved_away(old_vault, "GLACIER_IR")
    wanted = made[mt_aws("d1/f4")].id
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        await restore(bucket, tmp_path / "one", patterns=("/d1/",), larger=3 * KIB)
        await restore(bucket, tmp_path / "two", ids=[wanted, made[""].id])
        await restore(bucket, tmp_path / "three", smaller=1000, exclude=("/d1/",))
        for options in ({"patterns": ("*.png",)}, {"ids": ["x"]}, {"created_before": LONG_AGO}):
            with pytest.raises(ConfigurationError):
                await restore(bucket, tmp_path / "four", **options)
    assert sorted(files(tmp_path / "one")) == ["d1/f7", "d1/large.bin"]
    assert sorted(files(tmp_path / "two")) == sorted(["d1/f4", made[""].id])
    assert files(tmp_path / "three").keys() == {"d0/f0", made[""].id}


@pytest.mark.slow
async def test_one_plan_restores_deep_archive_once_for_each_object_and_goes_on_after_days(
    old_vault: OldVault, tmp_path: Path
) -> None:
    """Ten members cost one restore; what expires unread is asked for again."""
    await moved_away(old_vault)
    asked = Fault("RestoreObject", kind=FaultKind.DELAY, seconds=0, count=None)
    old_vault.server.faults.add(asked)

    def paid() -> int:
        return int(old_vault.server.faults.snapshot()[0]["met"])

    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        plan = await ArchiveRestore(bucket, tmp_path / "back", budget(), pace=BULK).plan()
        assert (plan.archives, plan.jobs[Tier.BULK].archives) == (12, 3)
        first = (await restore(bucket, tmp_path / "back", BULK)).snapshot()
        assert (first.restored, first.left, first.jobs_started, paid()) == (0, 12, 3, 3)
        assert 0 < first.cost < plan.cost
    await old_vault.server.advance(6 * 3600)
    async with old_vault.connected() as glacier:
        assert (await restore(await bucket_of(glacier), tmp_path / "back", BULK)).snapshot().left == 12
    await old_vault.server.advance(7 * 3600)
    async with old_vault.connected() as glacier:
        only = await restore(await bucket_of(glacier), tmp_path / "some", BULK, patterns=("/d1/",))
        assert (only.snapshot().restored, only.snapshot().jobs_started) == (4, 0)
    await old_vault.server.advance(6 * 24 * 3600)
    async with old_vault.connected() as glacier:
        late = await restore(await bucket_of(glacier), tmp_path / "back", BULK)
        assert (late.snapshot().jobs_started, late.snapshot().left, late.failures) == (3, 12, [])
        assert paid() == 6
    await old_vault.server.advance(49 * 3600)
    async with old_vault.connected() as glacier:
        done = (await restore(await bucket_of(glacier), tmp_path / "back", BULK)).snapshot()
        assert (done.restored, done.left, paid()) == (12, 0, 6)
    assert files(tmp_path / "back").items() > BACK.items()


@pytest.mark.slow
@pytest.mark.parametrize("storage_class", ["GLACIER_IR", "DEEP_ARCHIVE"])
async def test_the_cost_of_the_plan_is_enough(
    old_vault: OldVault, tmp_path: Path, storage_class: str
) -> None:
    """Its looks are counted, too, and of a bundle the bytes of the chosen members."""
    await moved_away(old_vault, storage_class)
    location = old_vault.location
    for number, chosen in enumerate([ArchiveOptions(), ArchiveOptions(patterns=("f0",))]):
        back, old_vault.location = tmp_path / str(number), f"{location}.{number}"
        async with old_vault.connected() as glacier:
            bucket = await bucket_of(glacier)
            plan = await ArchiveRestore(bucket, back, budget(), chosen, BULK).plan()
        old_vault.location = f"{location}.{number}.run"  # that look is not on record here, and is made again
        async with old_vault.connected() as glacier:
            run = ArchiveRestore(await bucket_of(glacier), back, budget(plan.cost), chosen, BULK)
            there = await run.run()
            assert (there.left + there.restored, run.failures) == (plan.archives, [])


@pytest.mark.slow
async def test_a_tier_or_a_cost_that_cannot_be_is_refused_before_a_restore(
    old_vault: OldVault, tmp_path: Path
) -> None:
    """DEEP_ARCHIVE has no Expedited tier, and a lower limit than the plan's cost asks for nothing."""
    await moved_away(old_vault)
    asked = Fault("RestoreObject", kind=FaultKind.DELAY, seconds=0, count=None)
    old_vault.server.faults.add(asked)
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        with pytest.raises(InvalidPlanError, match="Standard or Bulk"):
            await restore(bucket, tmp_path / "back", PaceOptions(tier=Tier.EXPEDITED))
        plan = await ArchiveRestore(bucket, tmp_path / "back", budget(), pace=BULK).plan()
        with pytest.raises(CostLimitError):
            await ArchiveRestore(bucket, tmp_path / "back", budget(plan.cost / 2), pace=BULK).run()
        assert old_vault.server.faults.snapshot()[0]["met"] == 0
        assert not files(tmp_path / "back")


@pytest.mark.slow
async def test_damaged_and_deleted_objects_fail_by_name_and_the_rest_comes(
    old_vault: OldVault, tmp_path: Path
) -> None:
    """A flipped bit in a bundle is no file, and the next run leaves out what is gone."""
    made = await moved_away(old_vault, "GLACIER_IR")
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        run = ArchiveRestore(bucket, tmp_path / "back", budget(), pace=FAST)
        await run.plan()  # the index of the bundle is read by now
        records = BucketSource(bucket, partial(load_prices, "us-east-1"), 1).context
        (position,) = [
            ObjectOrigin.of(record).position
            async for record in records.catalog.archives.list_vault(records.key)
            if record.archive.description == mt_aws("d2/f8")
        ]
        flip = Fault(
            "GetObject", where="bundles/", kind=FaultKind.FLIP, after_bytes=position or 0, count=None
        )
        old_vault.server.faults.add(flip)
        await bucket.delete(made["../out"].id)
        done = await run.run()
        assert (done.restored, done.failed) == (10, 2)
        assert {type(each.error) for each in run.failures} == {IntegrityError, ObjectNotFoundError}
        old_vault.server.faults.clear()
        done = (await restore(bucket, tmp_path / "back")).snapshot()
        assert (done.restored, done.there, done.failed) == (1, 10, 0)
    assert files(tmp_path / "back").items() > BACK.items()


@pytest.mark.slow
async def test_an_object_that_was_replaced_is_not_the_archive(old_vault: OldVault, tmp_path: Path) -> None:
    """Under way it is refused; the next run takes it for what it is: an object with a key."""
    made = await moved_away(old_vault, "GLACIER_IR")
    key = made["../out"].id
    async with old_vault.connected() as glacier:
        bucket, options = await bucket_of(glacier), ArchiveOptions(ids=[key])
        source = BucketSource(bucket, partial(load_prices, "us-east-1"), 1)
        await source.learn()
        async with opened_move(source.context, "there", options) as move:
            await make_plan(source.context, move, options, None, FAST, meter=source.meter().count)
            (moved,) = [each async for each in source.context.catalog.moves.list_moved(move)]
        assert await source.check(moved) == Ready(None)
        await bucket.upload(b"m" * 14, key=key, overwrite=True, storage_class="GLACIER_IR")
        with pytest.raises(ObjectChangedError):
            await source.check(moved)
        await restore(bucket, tmp_path / "back", ids=[key])
    assert files(tmp_path / "back") == {key: b"m" * 14}


@pytest.mark.slow
@pytest.mark.parametrize(
    "index", [b"no index", None, pytest.param(bytes(1 << 20), id="larger than the bundle")]
)
async def test_a_bundle_whose_index_cannot_be_read_fails_by_its_key(
    old_vault: OldVault, tmp_path: Path, index: bytes | None
) -> None:
    """All else comes; if what is asked for may lie in that bundle, its error is the error of the run."""
    made = await moved_away(old_vault, "GLACIER_IR")
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        (sidecar,) = [each.key async for each in bucket.objects() if each.key.endswith(".index")]
        if index is None:
            await bucket.delete(sidecar)
        else:
            await bucket.upload(index, key=sidecar, overwrite=True, storage_class="STANDARD")
        error = ObjectNotFoundError if index is None else IntegrityError
        run = ArchiveRestore(bucket, tmp_path / "back", budget(), pace=FAST)
        await run.plan()
        assert run.snapshot().failed == 1
        with pytest.raises(error):
            run.check(ArchivePlan())  # nothing else is selected
        done = await run.run()
        assert (done.restored, done.failed) == (2, 1)
        (failure,) = run.failures
        assert (failure.path.decode() + ".index", type(failure.error)) == (sidecar, error)
        assert ("bundle or --memory allows" in str(failure.error)) == (len(index or b"") > KIB)
        with pytest.raises(error):
            await restore(bucket, tmp_path / "one", ids=[made[mt_aws("d1/f4")].id])


@pytest.mark.slow
async def test_a_key_that_is_given_again_comes_back(old_vault: OldVault, tmp_path: Path) -> None:
    """An object that was found to be gone says nothing about the next one of its key."""
    made = await moved_away(old_vault, "GLACIER_IR")
    key = made["../out"].id
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        run = ArchiveRestore(bucket, tmp_path / "back", budget(), ArchiveOptions(ids=[key]), FAST)
        await run.plan()
        await bucket.delete(key)
        assert (await run.run()).failed == 1
        await bucket.upload(b"again", key=key, storage_class="GLACIER_IR")
        await restore(bucket, tmp_path / "back", ids=[key])
    assert [*files(tmp_path / "back").values()] == [b"again"]
