"""A vault moves to an independent S3 server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier import tree_hash
from aioglacier.core.errors import AccessDeniedError
from aioglacier.migrate import Migration, MigrationOptions, ProvenDeletion, check_report
from aioglacier.server import Fault, FaultKind
from aioglacier.transfer.budget.allowance import Limits
from tests.bulk.archives.conftest import budget, mt_aws
from tests.migrate.conftest import FAST
from tests.seaweedfs import ACCESS_KEY, SECRET_KEY, seaweedfs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier import Glacier
from tests.bulk.archives.conftest import OldVault

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
LARGE = b"l" * (17 * MIB)


@asynccontextmanager
async def connected() -> AsyncIterator[Glacier]:
    """Connect to SeaweedFS, with memory for four parts."""
    with seaweedfs() as url:
        async with aioglacier.connect(
            endpoint_url=url,
            s3_endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            hash_in="threads",
            limits=Limits(memory=32 * MIB),
        ) as other:
            await other.create_bucket("moved")
            yield other


async def test_parts_that_arrived_are_not_moved_again(old_vault: OldVault) -> None:
    """SeaweedFS lists parts without checksums, so their etags say which of them are on record."""
    content = b"x" * (48 * MIB)
    made = await old_vault.fill({"a": content})
    # Memory holds four parts, so two have arrived when the last one is asked for.
    refusal = Fault("GetJobOutput", code="AccessDeniedException", status=403, where=f"bytes={40 * MIB}-")
    counter = Fault("GetJobOutput", kind=FaultKind.DELAY, count=None)
    old_vault.server.faults.add(counter, refusal)
    async with old_vault.connected() as glacier, connected() as other:
        bucket = other.bucket("moved", "STANDARD", f"{made['a'].id[:8].lower()}/", owner="012345678901")
        vault, options = glacier.vault("old"), MigrationOptions(pace=FAST)
        with pytest.raises(AccessDeniedError):
            await Migration(vault, bucket, budget(), options).run()
        assert glacier.catalog is not None
        (move,) = await glacier.catalog.moves.list_all()
        (moved,) = [moved async for moved in glacier.catalog.moves.list_moved(move)]
        arrived = len(await glacier.catalog.moves.list_parts(moved))
        assert arrived >= 2
        before = old_vault.server.faults.snapshot()[0]["met_size"]
        assert (await Migration(vault, bucket, budget(), options).run()).restored == 1
        after = old_vault.server.faults.snapshot()[0]["met_size"]
        assert after - before == (6 - arrived) * 8 * MIB
        assert (await check_report(vault, bucket)).proven == 1


async def test_a_vault_moves_to_seaweedfs(old_vault: OldVault) -> None:
    """Over a connection of its own: metadata, report, and the deletion of what is proven."""
    made = await old_vault.fill({mt_aws("a/large"): LARGE, "small": b"s"})
    async with old_vault.connected() as glacier, connected() as other:
        vault = glacier.vault("old")
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
