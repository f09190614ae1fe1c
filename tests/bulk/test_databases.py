"""A folder's records in either database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.restore import FolderRestore
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.catalog import Catalog
from aioglacier.core.spending import Budget
from tests.bulk.conftest import picture

# Fixtures that give both databases in turn.
from tests.catalog.conftest import emptied_database, location, path, server  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
async def test_a_folder_goes_there_and_back(location: str, tree: Path, tmp_path: Path) -> None:  # noqa: F811
    """New, changed, touched and removed; exact, whatever the names."""
    async with (
        Catalog.open(location) as catalog,
        aioglacier.connect(
            endpoint_url=f"local:{tmp_path / 'glacier'}", catalog=catalog, hash_in="threads"
        ) as glacier,
    ):
        vault = await glacier.create_vault("folders")
        first = await FolderSync(vault, tree).run()
        assert first.failed == 0
        (tree / "private").write_bytes(b"other secret")
        (tree / "d0.txt").unlink()
        os.utime(tree / "old", ns=(7, 7))
        second = await FolderSync(vault, tree).run()
        assert (second.archived, second.removed) == (1, 1)
        assert (await FolderSync(vault, tree).run()).requests == 0
        restore = FolderRestore(vault, tmp_path / "back", Budget(load_prices("us-east-1")))
        await restore.run()
        assert restore.failures == []
    assert picture(tmp_path / "back") == picture(tree)
