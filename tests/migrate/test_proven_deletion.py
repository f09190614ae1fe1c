"""Only what is proven is deleted, whatever tries to fool it."""

from __future__ import annotations

import json
from dataclasses import replace as replaced
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import CostLimitError
from aioglacier.core.s3.objects import ObjectSettings
from aioglacier.migrate import ProvenDeletion, check_report
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.migrate.move_manifest import hash_line
from tests.bulk.archives.conftest import budget
from tests.migrate.conftest import bucket_of, migration_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier import Bucket, Glacier
    from tests.bulk.archives.conftest import OldVault

OLD = timedelta(days=100)


@pytest.fixture
async def moved(old_vault: OldVault) -> AsyncIterator[Glacier]:
    """Return a connection whose vault of three archives was moved."""
    await old_vault.fill({"a": b"1" * 100, "b": b"2" * 100, "c": b"3" * 100})
    async with old_vault.connected() as glacier:
        assert (await (await migration_of(glacier)).run()).restored == 3
        yield glacier


async def left(old_vault: OldVault, glacier: Glacier) -> int:
    """Count the archives that the service still has."""
    job = await glacier.vault("old").retrieve_inventory(again=True)
    await old_vault.server.advance(6 * 3600)
    await job.wait_until_done()
    return sum([1 async for _ in job.inventory()])


async def replace(bucket: Bucket, content: bytes, **changes: str | None) -> None:
    """Put another object in place of "a", with the same metadata but for some changes."""
    metadata = {**(await bucket.head("a")).metadata, **changes}
    kept = {name: value for name, value in metadata.items() if value is not None}
    target = await BucketTarget.of(bucket)
    from aioglacier.core.treehash import hash_part  # noqa: PLC0415

    await target.gateway.put_object(
        target.ref,
        "old/a",
        memoryview(content),
        hashes=hash_part(content),
        settings=ObjectSettings(metadata=kept),
        overwrite=True,
    )


async def edit_manifest(bucket: Bucket, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of the manifest in the bucket."""
    (key,) = [entry.key async for entry in bucket.objects(".aioglacier/old/manifest-")]
    target = await BucketTarget.of(bucket)
    async with target.gateway.get_object(target.ref, f"old/{key}") as output:
        text = b"".join([block async for block in output]).decode()
    lines = "".join(f"{line}\n" for line in change(text.splitlines()))
    await bucket.upload(lines.encode(), key=key, storage_class="STANDARD", overwrite=True)


@pytest.mark.slow
async def test_what_is_proven_is_deleted_once(old_vault: OldVault, moved: Glacier) -> None:
    """The report is valid, the vault is empty afterwards, and a second run has nothing to do."""
    vault, bucket = moved.vault("old"), await bucket_of(moved)
    report = await check_report(vault, bucket)
    assert (report.lines, report.proven, report.unwritten, report.count) == (3, 3, 0, 0)
    deletion = ProvenDeletion(vault, bucket, budget())
    plan = await deletion.plan()
    assert (plan.archives, plan.size, plan.early, plan.others) == (3, 300, 3, 0)
    assert plan.cost > 0
    assert plan.objects_until is not None
    assert timedelta(days=179) < plan.objects_until - datetime.now(UTC) <= timedelta(days=180)
    assert (await deletion.run()).deleted == 3
    assert (await ProvenDeletion(vault, bucket, budget()).run()).deleted == 0
    assert (await check_report(vault, bucket)).is_valid
    assert await left(old_vault, moved) == 0


@pytest.mark.slow
async def test_young_archives_and_dear_deletions_stay(old_vault: OldVault, moved: Glacier) -> None:
    """A bound on the age and a limit of money are kept."""
    vault, bucket = moved.vault("old"), await bucket_of(moved)
    before = datetime.now(UTC) - timedelta(days=90)
    plan = await ProvenDeletion(vault, bucket, budget(), before).run()
    assert (plan.archives, plan.younger, plan.deleted) == (0, 3, 0)
    with pytest.raises(CostLimitError):
        await ProvenDeletion(vault, bucket, budget(1e-12)).run()
    assert await left(old_vault, moved) == 3


async def gone(bucket: Bucket) -> None:
    """Delete the object."""
    await bucket.delete("a")


async def truncated(bucket: Bucket) -> None:
    """Replace the object by its beginning."""
    await replace(bucket, b"1" * 99)


async def other_bytes(bucket: Bucket) -> None:
    """Replace the object by as many other bytes."""
    await replace(bucket, b"x" * 100)


async def no_token(bucket: Bucket) -> None:
    """Replace the object by the same bytes without the token."""
    await replace(bucket, b"1" * 100, **{"aioglacier-upload": None})


async def other_id(bucket: Bucket) -> None:
    """Replace the object by the same bytes of another archive."""
    await replace(bucket, b"1" * 100, **{"glacier-archive-id": "x"})


@pytest.mark.slow
@pytest.mark.parametrize("fool", [gone, truncated, other_bytes, no_token, other_id])
async def test_a_changed_object_keeps_its_archive(
    old_vault: OldVault, moved: Glacier, fool: Callable[[Bucket], Awaitable[None]]
) -> None:
    """The second look finds it, the report names it, and only the others are deleted."""
    vault, bucket = moved.vault("old"), await bucket_of(moved)
    await fool(bucket)
    deletion = ProvenDeletion(vault, bucket, budget())
    assert (await deletion.run()).deleted == 2
    assert [finding.key for finding in deletion.report.findings] == ["old/a"]
    assert not (await check_report(vault, bucket)).is_valid
    assert await left(old_vault, moved) == 1


def without_first(lines: list[str]) -> list[str]:
    """Remove a line."""
    return lines[1:]


def with_other_key(lines: list[str]) -> list[str]:
    """Let the first line name another object."""
    return [json.dumps(json.loads(lines[0]) | {"key": "old/b"}), *lines[1:]]


def turned_round(lines: list[str]) -> list[str]:
    """Change the order of the lines."""
    return lines[::-1]


def without_sense(lines: list[str]) -> list[str]:
    """Put other text in place of the first line."""
    return ["{}", *lines[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("edit", [without_first, with_other_key, turned_round, without_sense])
async def test_an_edited_manifest_deletes_nothing_behind_the_edit(
    old_vault: OldVault, moved: Glacier, edit: Callable[[list[str]], list[str]]
) -> None:
    """Every line after a break of the chain proves nothing."""
    vault, bucket = moved.vault("old"), await bucket_of(moved)
    await edit_manifest(bucket, edit)
    deletion = ProvenDeletion(vault, bucket, budget())
    assert (await deletion.run()).deleted == 0
    assert deletion.report.count
    assert await left(old_vault, moved) == 3


@pytest.mark.slow
async def test_a_lost_or_older_catalog_deletes_nothing(old_vault: OldVault, moved: Glacier) -> None:
    """The bucket's manifest alone is no proof: the catalog must have the same lines."""
    del moved
    for path in old_vault.folder.glob("catalog.db*"):
        path.rename(old_vault.folder / f"away-{path.name}")
    await old_vault.read_inventory()
    async with old_vault.connected() as glacier:
        deletion = ProvenDeletion(glacier.vault("old"), await bucket_of(glacier), budget())
        assert (await deletion.run()).deleted == 0
        assert deletion.report.count == 3
        assert await left(old_vault, glacier) == 3


@pytest.mark.slow
async def test_a_vault_lock_is_respected_and_explained(old_vault: OldVault, moved: Glacier) -> None:
    """Protected archives stay, with the dates from which they may be deleted."""
    vault, bucket = moved.vault("old"), await bucket_of(moved)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "glacier:DeleteArchive", "Resource": "*"}
    young = {"NumericLessThan": {"glacier:ArchiveAgeInDays": "365"}}
    policy = {"Version": "2012-10-17", "Statement": [{**deny, "Condition": young}]}
    await vault.lock.initiate(json.dumps(policy))
    plan = await ProvenDeletion(vault, bucket, budget()).run()
    assert (plan.archives, plan.locked, plan.deleted, plan.others) == (0, 3, 0, 0)
    assert plan.first_free is not None
    assert plan.all_free is not None
    assert plan.first_free <= plan.all_free
    assert timedelta(days=364) < plan.first_free - datetime.now(UTC) < timedelta(days=366)
    await vault.lock.abort()
    policy = {"Version": "2012-10-17", "Statement": [{**deny, "Condition": young}, deny]}
    await vault.access_policy.set(json.dumps(policy))
    plan = await ProvenDeletion(vault, bucket, budget()).run()
    assert (plan.locked, plan.first_free, plan.deleted) == (3, None, 0)
    await vault.access_policy.delete()
    assert (await ProvenDeletion(vault, bucket, budget()).run()).deleted == 3
    assert await left(old_vault, moved) == 0


@pytest.mark.slow
async def test_an_older_catalog_deletes_only_what_it_knows(old_vault: OldVault) -> None:
    """Lines that were written after a backup of the catalog are not proven by it."""
    await old_vault.fill({"a": b"1", "b": b"2"})
    async with old_vault.connected() as glacier:
        await (await migration_of(glacier)).run()
    backup = (old_vault.folder / "catalog.db").read_bytes()
    await old_vault.fill({"c": b"3"})
    async with old_vault.connected() as glacier:
        await (await migration_of(glacier)).run()
    for path in old_vault.folder.glob("catalog.db-*"):
        path.unlink()
    (old_vault.folder / "catalog.db").write_bytes(backup)
    await old_vault.read_inventory()
    async with old_vault.connected() as glacier:
        deletion = ProvenDeletion(glacier.vault("old"), await bucket_of(glacier), budget())
        assert (await deletion.run()).deleted == 2
        assert [finding.line for finding in deletion.report.findings] == [3]
        assert await left(old_vault, glacier) == 1


@pytest.mark.slow
async def test_a_manifest_with_a_new_chain_deletes_nothing(old_vault: OldVault, moved: Glacier) -> None:
    """The catalog finds an edited line, even with all later hashes computed again."""

    def forge(lines: list[str]) -> list[str]:
        forged: list[str] = []
        for line in lines:
            facts = json.loads(line) | {"previous": hash_line(forged[-1] if forged else None)}
            forged.append(json.dumps(facts | ({} if forged else {"sha256": "00" * 32})))
        return forged

    vault, bucket = moved.vault("old"), await bucket_of(moved)
    await edit_manifest(bucket, forge)
    deletion = ProvenDeletion(vault, bucket, budget())
    assert (await deletion.run()).deleted == 0
    assert deletion.report.count == 3
    assert await left(old_vault, moved) == 3


@pytest.mark.slow
async def test_an_archive_that_the_inventory_contradicts_stays(old_vault: OldVault, moved: Glacier) -> None:
    """An inventory that lists another tree hash under an id makes the archive suspect."""
    catalog, vault = moved.catalog, moved.vault("old")
    assert catalog is not None
    key = vault.context.recorded().key
    records = [record async for record in catalog.archives.list_vault(key)]
    lied = [replaced(records[0].archive, tree_hash=b"\7" * 32), *(each.archive for each in records[1:])]
    await catalog.archives.merge_inventory(key, lied, inventoried=datetime.now(UTC) + timedelta(days=1))
    plan = await ProvenDeletion(vault, await bucket_of(moved), budget()).run()
    assert plan.deleted == 2
    assert await left(old_vault, moved) == 1
