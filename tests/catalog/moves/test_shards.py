"""Records of works that are done in shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.catalog.moves.shards import ShardedWork
from tests.catalog.samples import FILMS, PHOTOS

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog


async def test_the_last_division_of_a_work_counts(catalog: Catalog) -> None:
    """Each work of each vault has its own division, and any name."""
    work = "move to \udcff" + "x" * 5000
    assert await catalog.shards.find(PHOTOS, work) is None
    await catalog.shards.record(PHOTOS, work, ShardedWork(4, {"larger": "1"}))
    await catalog.shards.record(PHOTOS, work, ShardedWork(8, {}))
    assert await catalog.shards.find(PHOTOS, work) == ShardedWork(8, {})
    assert await catalog.shards.find(FILMS, work) is None
    assert catalog.is_shared == catalog.location.startswith("postgresql:")
