"""The connection and its catalog."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aioglacier
from aioglacier.catalog import Catalog

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_same_folder_is_the_same_place_on_whatever_port(tmp_path: Path) -> None:
    """The records of a local Glacier are found again although its port changes."""
    async with Catalog.open(tmp_path / "catalog.db") as catalog:
        for name in ("glacier", "./glacier/../glacier"):
            endpoint = f"local:{tmp_path / name}"
            async with aioglacier.connect(
                endpoint_url=endpoint, hash_in="threads", catalog=catalog
            ) as glacier:
                await (await glacier.create_vault("v")).upload(json.dumps(name).encode())
        (place,) = await catalog.archives.vault_keys("v")
        assert len([each async for each in catalog.archives.list_vault(place)]) == 2
