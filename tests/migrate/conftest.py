"""A vault that others filled, and a bucket to move it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.bulk.archives.move_run import PaceOptions
from aioglacier.core.models import Tier
from aioglacier.migrate import Migration, MigrationOptions
from tests.bulk.archives.conftest import budget, old_vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier import Bucket, Glacier

__all__ = ["old_vault"]

ACCOUNT = "012345678901"
FAST = PaceOptions(tier=Tier.EXPEDITED)


async def bucket_of(glacier: Glacier, *, prefix: str = "old/", storage_class: str = "DEEP_ARCHIVE") -> Bucket:
    """Return the bucket of the test."""
    await glacier.create_bucket("museum")
    return glacier.bucket("museum", storage_class, prefix, owner=ACCOUNT)


async def heads(bucket: Bucket) -> dict[str, Mapping[str, str]]:
    """Return the metadata of every object by its name below the prefix."""
    names = [entry.key async for entry in bucket.objects()]
    return {
        name.removeprefix("old/"): (await bucket.head(name.removeprefix("old/"))).metadata
        for name in names
        if ".aioglacier" not in name
    }


async def migration_of(
    glacier: Glacier, options: MigrationOptions | None = None, *, storage_class: str = "DEEP_ARCHIVE"
) -> Migration:
    """Return a migration of the vault by jobs that are done at once."""
    bucket = await bucket_of(glacier, storage_class=storage_class)
    return Migration(glacier.vault("old"), bucket, budget(), options or MigrationOptions(pace=FAST))
