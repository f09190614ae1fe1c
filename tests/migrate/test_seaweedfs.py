"""A vault moves to an independent S3 server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier import tree_hash
from aioglacier.migrate import Migration, MigrationOptions, ProvenDeletion, check_report
from tests.bulk.archives.conftest import budget, mt_aws
from tests.migrate.conftest import FAST
from tests.seaweedfs import ACCESS_KEY, SECRET_KEY, seaweedfs

if TYPE_CHECKING:
    from tests.bulk.archives.conftest import OldVault

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
LARGE = b"l" * (17 * MIB)


async def test_a_vault_moves_to_seaweedfs(old_vault: OldVault) -> None:
    """Over a connection of its own: metadata, report, and the deletion of what is proven."""
    made = await old_vault.fill({mt_aws("a/large"): LARGE, "small": b"s"})
    with seaweedfs() as url:
        async with (
            old_vault.connected() as glacier,
            aioglacier.connect(
                endpoint_url=url,
                s3_endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
                hash_in="threads",
            ) as other,
        ):
            vault = glacier.vault("old")
            await other.create_bucket("moved")
            prefix = f"{made['small'].id[:8].lower().strip('-_')}/"
            bucket = other.bucket("moved", "STANDARD", prefix, owner="012345678901")
            migration = Migration(vault, bucket, budget(), MigrationOptions(pace=FAST))
            done = await migration.run()
            assert migration.failures == []
            assert done.restored == 2
            head = await bucket.head("a/large")
            assert head.metadata["aioglacier-tree-hash"] == tree_hash(LARGE).hex()
            assert (await check_report(vault, bucket)).proven == 2
            assert (await ProvenDeletion(vault, bucket, budget()).run()).deleted == 2
