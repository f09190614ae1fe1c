"""A folder that ``sync`` has archived in a vault moves to a bucket, and comes back from there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import (
    FolderRecovery,
    FolderRestore,
    FolderSync,
    RecoveryOptions,
    RestoreOptions,
    SyncOptions,
    load_prices,
)
from aioglacier.core.models import Tier
from aioglacier.core.s3.objects import StorageClass
from aioglacier.core.spending import Budget
from aioglacier.migrate import Migration, MigrationOptions, ProvenDeletion
from tests.bulk.archives.conftest import budget
from tests.migrate.conftest import ACCOUNT, FAST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.archives.conftest import OldVault

PRICES = load_prices("us-east-1", storage_class=StorageClass.GLACIER)


@pytest.mark.slow
async def test_a_folder_comes_back_from_the_bucket_without_its_catalog(
    old_vault: OldVault, tmp_path: Path
) -> None:
    """Each bundle gets its sidecar, so a recovery restores nothing, and versions keep their order."""
    tree, back = tmp_path / "tree", tmp_path / "back"
    tree.mkdir()
    (tree / "a.txt").write_bytes(b"first")
    (tree / "large").write_bytes(os.urandom(70_000))
    async with old_vault.connected() as glacier:
        vault = await glacier.create_vault("old")
        await FolderSync(vault, tree, SyncOptions(largest_member=1 << 16)).run()
        await old_vault.server.advance(3600)
        (tree / "a.txt").write_bytes(b"second one")
        await FolderSync(vault, tree, SyncOptions(largest_member=1 << 16)).run()
    await old_vault.read_inventory()
    async with old_vault.connected() as glacier:
        await glacier.create_bucket("museum")
        bucket = glacier.bucket("museum", "GLACIER", "old/", owner=ACCOUNT)
        migration = Migration(glacier.vault("old"), bucket, budget(), MigrationOptions(pace=FAST))
        assert (await migration.run()).restored == 3
        assert migration.failures == []
        keys = [entry.key async for entry in bucket.objects()]
        assert sum(key.endswith(".index") for key in keys) == 2
        assert (await ProvenDeletion(glacier.vault("old"), bucket, budget()).run()).deleted == 3
    (old_vault.folder / "catalog.db").rename(old_vault.folder / "lost.db")
    async with old_vault.connected() as glacier:
        bucket = glacier.bucket("museum", "GLACIER", "old/", owner=ACCOUNT)
        recovered = await FolderRecovery(bucket, Budget(PRICES), RecoveryOptions()).run()
        assert (recovered.bundles, recovered.files, recovered.jobs_started) == (2, 1, 0)
        assert recovered.damaged == []
        restore = FolderRestore(bucket, back, Budget(PRICES), RestoreOptions(tier=Tier.EXPEDITED))
        await restore.run()
        assert restore.failures == []
    for name in ("a.txt", "large"):
        assert (back / name).read_bytes() == (tree / name).read_bytes()


async def test_a_description_that_lies_keeps_no_archive_back(old_vault: OldVault) -> None:
    """An archive that says it is a bundle and is none moves without a sidecar."""
    await old_vault.fill({'{"aioglacier": "bundle", "id": "1"}': b"no bundle"})
    async with old_vault.connected() as glacier:
        await glacier.create_bucket("museum")
        bucket = glacier.bucket("museum", "GLACIER", "old/", owner=ACCOUNT)
        migration = Migration(glacier.vault("old"), bucket, budget(), MigrationOptions(pace=FAST))
        assert (await migration.run()).restored == 1
        assert not [entry async for entry in bucket.objects() if entry.key.endswith(".index")]
