"""Small archives move together, proven one by one, and come back one by one."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import FolderRecovery, FolderRestore, RecoveryOptions, RestoreOptions, load_prices
from aioglacier.bulk.archives.size_rules import parse_class_rule
from aioglacier.catalog.records import MoveState
from aioglacier.core.errors import InvalidPlanError, ObjectExistsError
from aioglacier.core.s3.objects import StorageClass
from aioglacier.core.spending import Budget
from aioglacier.migrate import MigrationOptions, ProvenDeletion, check_report
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.migrate.move_manifest import BucketManifest
from aioglacier.server import Fault, FaultKind, Moment
from tests.bulk.archives.conftest import budget, mt_aws
from tests.migrate.conftest import FAST, bucket_of, migration_of

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier import Bucket
    from tests.bulk.archives.conftest import OldVault

KIB = 1024
PRICES = load_prices("us-east-1", storage_class=StorageClass.GLACIER_IR)
BUNDLED = MigrationOptions(pace=FAST, bundle_up_to=64 * KIB)
SMALL = {mt_aws(f"d{number % 3}/f{number}"): bytes([number]) * (number * 700 + 1) for number in range(12)}
ALL = {**SMALL, "two  spaces": b"t" * 9, "large": b"l" * (65 * KIB)}


async def keys(bucket: Bucket) -> list[str]:
    """Return the keys below the prefix, without the manifest."""
    return [entry.key async for entry in bucket.objects() if ".aioglacier" not in entry.key]


@pytest.mark.slow
async def test_small_archives_share_an_object_and_come_back_by_name(
    old_vault: OldVault, tmp_path: Path
) -> None:
    """Each has its line, its facts in the index, and its place in a plain tar archive."""
    made = await old_vault.fill(ALL)
    async with old_vault.connected() as glacier:
        vault, bucket = glacier.vault("old"), await bucket_of(glacier)
        migration = await migration_of(glacier, BUNDLED, storage_class="GLACIER_IR")
        plan = await migration.plan()
        assert migration.costs is not None
        assert (migration.costs.bundles, migration.costs.requests) == (1, 3)
        done = await migration.run()
        assert (migration.failures, done.restored, done.failed) == ([], 14, 0)
        assert done.cost == pytest.approx(plan.cost, rel=0.01)
        name, sidecar, large = await keys(bucket)
        assert (sidecar, large) == (f"{name}.index", "large")
        target = await BucketTarget.of(bucket)
        lines = [json.loads(line) async for _, line in BucketManifest(target, "old").lines()]
        async with bucket.restored(name).open_reader() as reader:
            content = await reader.read()
        for line in lines:
            assert line["tree_hash"] == made[line["description"]].tree_hash.hex()
            if line["key"] == "old/large":
                continue
            at = line["bundle"]["position"]
            assert content[at : at + line["size"]] == ALL[line["description"]]
        with tarfile.open(fileobj=io.BytesIO(content)) as read:
            assert "d1/f1" in read.getnames()
        assert (await check_report(vault, bucket)).proven == 14
        again = await (await migration_of(glacier, BUNDLED)).run()
        assert (again.restored, again.there, again.jobs_started) == (0, 14, 0)
        assert (await ProvenDeletion(vault, bucket, budget()).run()).deleted == 14
    (old_vault.folder / "catalog.db").rename(old_vault.folder / "lost.db")
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        recovered = await FolderRecovery(bucket, Budget(PRICES), RecoveryOptions()).run()
        assert (recovered.bundles, recovered.members, recovered.jobs_started) == (1, 13, 0)
        restore = FolderRestore(bucket, tmp_path / "back", Budget(PRICES), RestoreOptions())
        await restore.run()
        assert restore.failures == []
    assert (tmp_path / "back/d2/f5").read_bytes() == SMALL[mt_aws("d2/f5")]
    assert len([path for path in (tmp_path / "back").rglob("*") if path.is_file()]) == 13


@pytest.mark.slow
async def test_a_bundle_whose_answer_was_lost_is_proven_by_its_head(old_vault: OldVault) -> None:
    """A reset after the object was made moves no byte twice."""
    await old_vault.fill(SMALL)
    reset = Fault("PutObject", kind=FaultKind.RESET, moment=Moment.AFTER_COMMIT, first=3, count=1)
    old_vault.server.faults.add(reset)
    async with old_vault.connected() as glacier:
        migration = await migration_of(glacier, BUNDLED)
        assert (await migration.run()).restored == 12
        assert len(await keys(await bucket_of(glacier))) == 2
        assert (await check_report(glacier.vault("old"), await bucket_of(glacier))).proven == 12


@pytest.mark.slow
@pytest.mark.parametrize("is_made", [True, False])
async def test_a_run_that_died_goes_on_by_what_the_bucket_has(old_vault: OldVault, is_made: bool) -> None:
    """A bundle on record is proven if it is an object, and otherwise made again from the same jobs."""
    await old_vault.fill(SMALL)
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        await (await migration_of(glacier, BUNDLED)).run()
        catalog = glacier.catalog
        assert catalog is not None
        (move,) = await catalog.moves.list_all()
        # The state between the request and the proof, as a kill leaves it.
        async for moved in catalog.moves.list_moved(move):
            await catalog.moves.record(moved, MoveState.COMPLETING, line=None, line_number=None)
        for key in [entry.key async for entry in bucket.objects()]:
            if "manifest" in key or not is_made:
                await bucket.delete(key)
        fetched = Fault("GetJobOutput", kind=FaultKind.DELAY, seconds=0, count=None)
        old_vault.server.faults.add(fetched)
        done = await (await migration_of(glacier, BUNDLED)).run()
        assert (done.failed, done.left, done.jobs_started) == (0, 0, 0)
        assert old_vault.server.faults.snapshot()[0]["met"] == (0 if is_made else 12)
        assert len(await keys(bucket)) == 2
        assert (await check_report(glacier.vault("old"), bucket)).proven == 12


@pytest.mark.slow
async def test_another_object_in_place_of_a_bundle_keeps_all_its_archives(old_vault: OldVault) -> None:
    """The report names each line, and nothing is deleted."""
    await old_vault.fill(SMALL)
    async with old_vault.connected() as glacier:
        vault, bucket = glacier.vault("old"), await bucket_of(glacier)
        await (await migration_of(glacier, BUNDLED)).run()
        name, _ = await keys(bucket)
        await bucket.upload(b"other", key=name, storage_class="STANDARD", overwrite=True)
        assert (await check_report(vault, bucket)).count == 12
        assert (await ProvenDeletion(vault, bucket, budget()).run()).deleted == 0


@pytest.mark.slow
async def test_bundles_of_several_classes_share_the_least_memory(old_vault: OldVault) -> None:
    """Four tasks that fetch never wait for memory that only they can free."""
    sizes = [1 + number * 100 * KIB for number in range(20)]
    await old_vault.fill({f"a{size}": b"1" * size for size in sizes} | {"large": b"2" * (17 << 20)})
    rules = tuple(map(parse_class_rule, ("size<600KiB:GLACIER_IR", "size<1200KiB:STANDARD")))
    options = MigrationOptions(pace=FAST, rules=rules, bundle_up_to=2048 * KIB)
    async with old_vault.connected(memory=32 << 20) as glacier:
        migration = await migration_of(glacier, options)
        assert ((await migration.run()).restored, migration.failures) == (21, [])
        found = [entry async for entry in (await bucket_of(glacier)).objects("bundles/")]
        assert len({entry.storage_class for entry in found}) == 3
    async with old_vault.connected(memory=16 << 20) as glacier:
        with pytest.raises(InvalidPlanError, match="32 MiB"):
            await migration_of(glacier, options)


@pytest.mark.slow
async def test_a_damaged_member_is_fetched_again(old_vault: OldVault) -> None:
    """A flipped bit never enters a bundle."""
    await old_vault.fill(SMALL)
    old_vault.server.faults.add(Fault("GetJobOutput", kind=FaultKind.FLIP, after_bytes=0, count=2))
    async with old_vault.connected() as glacier:
        migration = await migration_of(glacier, BUNDLED)
        assert ((await migration.run()).restored, migration.failures) == (12, [])
        bucket = await bucket_of(glacier)
        name, _ = await keys(bucket)
        head = await bucket.head(name)
        assert head.metadata["glacier-vault"] == "old"


@pytest.mark.slow
async def test_a_bundle_that_cannot_be_stored_fails_its_archives(old_vault: OldVault) -> None:
    """Each is named, and the next run tries again with the same jobs."""
    await old_vault.fill(SMALL)
    exists = Fault("PutObject", code="PreconditionFailed", status=412, first=3, count=1)
    old_vault.server.faults.add(exists)
    async with old_vault.connected() as glacier:
        migration = await migration_of(glacier, BUNDLED)
        assert (await migration.run()).failed == 12
        assert isinstance(migration.failures[0].error, ObjectExistsError)
        done = await (await migration_of(glacier, BUNDLED)).run()
        assert (done.restored, done.failed) == (12, 0)


@pytest.mark.parametrize("options", [{"names": "aws", "bundle_up_to": 1}, {"bundle_up_to": 1 << 30}])
async def test_bundles_that_cannot_be_made_are_refused(
    old_vault: OldVault, options: dict[str, object]
) -> None:
    """AWS's own tool makes none, and a member takes at most a fourth."""
    async with old_vault.connected() as glacier:
        with pytest.raises(InvalidPlanError):
            await migration_of(glacier, MigrationOptions(**options))  # type: ignore[arg-type]
