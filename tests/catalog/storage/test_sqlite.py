"""The file of a catalog in use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import Catalog
from aioglacier.catalog.storage.database import open_database
from aioglacier.catalog.storage.sqlite_opening import open_file
from aioglacier.core.errors import CatalogError
from tests.catalog.conftest import PHOTOS, archive

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("by", ["unlink", "rename", "replace"])
def test_a_catalog_that_goes_away_in_use(path: Path, by: str) -> None:
    """SQLite alone would go on writing to a file without a name."""

    def take_away() -> None:
        match by:
            case "unlink":
                path.unlink()
            case "rename":
                path.rename(path.with_name("elsewhere.db"))
            case "replace":
                path.with_name("other").write_bytes(b"")
                path.with_name("other").replace(path)

    async def work() -> None:
        async with Catalog.open(path) as catalog:
            await catalog.archives.record(PHOTOS, archive(1))
            take_away()
            for _ in range(2):
                with pytest.raises(CatalogError, match="deleted or replaced while in use"):
                    await catalog.archives.record(PHOTOS, archive(2))

    asyncio.run(work())
    if by == "rename":

        async def look() -> None:
            async with Catalog.open(path.with_name("elsewhere.db")) as catalog:
                assert await catalog.archives.get(PHOTOS, archive(2).id) is None

        asyncio.run(look())


async def test_what_is_committed_is_on_disk(path: Path) -> None:
    """DC-03: also at the second opening, for readers and writers, SQLite syncs each commit."""
    for _ in range(2):
        async with (
            open_file(path, busy_timeout_seconds=5, begins_new=False) as store,
            open_database(store, busy_timeout_seconds=5) as database,
        ):
            for ask in (database.write, database.read):
                assert await ask(lambda c: c.rows("PRAGMA synchronous")) == [(2,)]
