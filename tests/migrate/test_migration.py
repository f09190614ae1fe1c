"""A vault moves to a bucket, proven on both sides."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import boto3
import pytest

from aioglacier import tree_hash
from aioglacier.bulk.archives.move_plan import make_plan, opened_move
from aioglacier.bulk.archives.size_rules import parse_class_rule
from aioglacier.catalog.records import MoveState
from aioglacier.core.errors import BucketNotFoundError, InvalidPlanError, MetadataError
from aioglacier.core.limits import GIB
from aioglacier.core.models import Archive, ArchiveId
from aioglacier.core.s3.moved_metadata import description_of
from aioglacier.core.s3.objects import StorageClass
from aioglacier.migrate import Migration, MigrationOptions
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.migrate.move_costs import choose_part_size
from aioglacier.migrate.move_manifest import BucketManifest
from aioglacier.tasks.threads import run_in_thread
from tests.bulk.archives.conftest import budget, mt_aws
from tests.migrate.conftest import ACCOUNT, FAST, bucket_of, heads, migration_of

if TYPE_CHECKING:
    from tests.bulk.archives.conftest import OldVault

MIB = 1024 * 1024

#: Descriptions that a header would change, and one that names a file.
AWKWARD = {
    mt_aws("photos/a.jpg"): b"a" * 100,
    "two  spaces inside": b"b",
    "": b"c",
    "plain": b"d" * (20 * MIB + 7),
    '{"aioglacier": "bundle", "id": "1"}': b"a bundle",
    "~" * 1024: b"e",
    "<" + ("  \\u00e9 %41 =?utf-8?q?a?= \"'&;" * 40)[:1022] + ">": b"f",
}


@pytest.mark.slow
async def test_every_archive_becomes_an_object_with_its_metadata(old_vault: OldVault) -> None:
    """Names, descriptions byte for byte, dates and hashes are on the objects; nothing moves twice."""
    made = await old_vault.fill(AWKWARD)
    async with old_vault.connected() as glacier:
        migration = await migration_of(glacier)
        done = await migration.run()
        assert migration.failures == []
        assert (done.restored, done.failed, done.jobs_started) == (7, 0, 7)
        bucket = await bucket_of(glacier)
        found = await heads(bucket)
        assert "photos/a.jpg" in found
        by_description = {description_of(metadata): metadata for metadata in found.values()}
        for description, archive in made.items():
            metadata = by_description[description]
            assert metadata["glacier-archive-id"] == archive.id
            assert metadata["glacier-vault"] == "old"
            assert metadata["aioglacier-tree-hash"] == tree_hash(AWKWARD[description]).hex()
        head = await bucket.head("plain")
        assert (head.size, head.storage_class) == (20 * MIB + 7, "DEEP_ARCHIVE")
        assert head.checksum is not None
        assert head.checksum.parts == 3
        again = await (await migration_of(glacier)).run()
        assert (again.restored, again.there, again.jobs_started) == (0, 7, 0)
        manifest = BucketManifest(await BucketTarget.of(bucket), "old")
        assert len([line async for line in manifest.lines()]) == 7


@pytest.mark.slow
async def test_the_class_is_chosen_by_rules(old_vault: OldVault) -> None:
    """The first rule about an archive's size counts; the bucket's class is for the others."""
    await old_vault.fill({"small": b"1", "large": b"2" * 5000})
    options = MigrationOptions(pace=FAST, rules=(parse_class_rule("size>1KiB:GLACIER_IR"),), names="id")
    async with old_vault.connected() as glacier:
        assert (await (await migration_of(glacier, options)).run()).restored == 2
        entries = [entry async for entry in (await bucket_of(glacier)).objects()]
    classes = {entry.size: entry.storage_class for entry in entries if ".aioglacier" not in entry.key}
    assert classes == {1: StorageClass.DEEP_ARCHIVE, 5000: StorageClass.GLACIER_IR}


async def test_objects_have_the_tags_of_the_vault_if_asked_for(old_vault: OldVault) -> None:
    """More than an object may have is an error before a job is paid."""
    await old_vault.fill({"a": b"1"})
    options = MigrationOptions(pace=FAST, takes_tags=True)
    async with old_vault.connected() as glacier:
        vault = glacier.vault("old")
        await vault.tags.add({f"k{number}": "v" for number in range(11)})
        with pytest.raises(MetadataError):
            await (await migration_of(glacier, options)).run()
        assert await old_vault.jobs(vault) == 0
        await vault.tags.remove(["k10"])
        assert (await (await migration_of(glacier, options)).run()).restored == 1
    client = boto3.client(
        "s3",
        endpoint_url=old_vault.server.url,
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="secret",
    )
    found = await run_in_thread(partial(client.get_object_tagging, Bucket="museum", Key="old/a"))
    assert len(found["TagSet"]) == 10


async def test_nothing_is_paid_before_the_bucket_is_checked(old_vault: OldVault) -> None:
    """A bucket without an owner, or one that is not there, is an error before the first job."""
    await old_vault.fill({"a": b"1"})
    async with old_vault.connected() as glacier:
        vault = glacier.vault("old")
        await glacier.create_bucket("museum")
        with pytest.raises(InvalidPlanError, match="owns"):
            await Migration(vault, glacier.bucket("museum", "GLACIER"), budget()).run()
        with pytest.raises(BucketNotFoundError):
            await Migration(vault, glacier.bucket("other", "GLACIER", owner=ACCOUNT), budget()).run()
        with pytest.raises(InvalidPlanError, match="class"):
            Migration(vault, glacier.bucket("museum"), budget())
        assert await old_vault.jobs(vault) == 0


async def test_the_largest_archives_are_planned(old_vault: OldVault) -> None:
    """5 TiB and 40 TB, known from an inventory alone: parts that S3 takes, and every state on record."""
    async with old_vault.connected() as glacier:
        await glacier.create_vault("old")
        context = glacier.vault("old").context.recorded()
        sizes = (5 * 1024 * GIB, 40_000_000_000_000)
        now = datetime.now(UTC)
        listed = [
            Archive(ArchiveId(f"{size:0138d}"), "old", size, b"\1" * 32, f"film {size}", now)
            for size in sizes
        ]
        await context.catalog.archives.merge_inventory(context.key, listed, inventoried=now)
        options = MigrationOptions(pace=FAST, scratch=old_vault.folder)
        migration = await migration_of(glacier, options)
        plan = await migration.plan()
        assert (plan.archives, plan.size) == (2, sum(sizes))
        part_sizes = [choose_part_size(size, 64 * MIB, has_scratch=True) for size in sizes]
        parts = [-(-size // part_size) for size, part_size in zip(sizes, part_sizes, strict=True)]
        assert max(parts) <= 10_000
        assert migration.costs is not None
        assert migration.costs.requests == sum(count + 2 for count in parts)
        async with opened_move(context, "s3://museum/old/", options.archives) as move:
            await make_plan(context, move, options.archives, budget().prices, FAST)
            moves = context.catalog.moves
            async for moved in moves.list_moved(move):
                for state in MoveState:
                    await moves.record(moved, state, part_size=max(part_sizes))
                    sums = (await moves.totals(move))[state]
                    assert sums.size >= moved.archive.size


@pytest.mark.slow
async def test_states_are_on_record(old_vault: OldVault) -> None:
    """The catalog says how far each archive is, and of a proven one its line."""
    await old_vault.fill({"a": b"1", "b": b"2"})
    async with old_vault.connected() as glacier:
        await (await migration_of(glacier)).run()
        catalog = glacier.catalog
        assert catalog is not None
        (move,) = await catalog.moves.list_all()
        assert move.target == "s3://museum/old/"
        rows = [moved async for moved in catalog.moves.list_moved(move)]
        assert {moved.state for moved in rows} == {MoveState.PROVEN}
        assert sorted(moved.line_number or 0 for moved in rows) == [1, 2]
