"""A vault as other programs left it, and a connection with a catalog that has its inventory."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.bulk.pricing import load_prices
from aioglacier.core.spending import Budget
from aioglacier.server import LocalGlacier
from aioglacier.transfer.budget.allowance import Limits
from tests.bulk.conftest import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aioglacier import Glacier, Vault

MIB = 1024 * 1024


def mt_aws(name: str, modified: str = "20120821T170824Z") -> str:
    """Return a description as mt-aws-glacier writes it."""
    text = json.dumps({"filename": name, "mtime": modified})
    return "mt2 " + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def fast_glacier(name: str) -> str:
    """Return a description as FastGlacier writes it."""
    path = base64.b64encode(name.encode()).decode()
    return f"<m><v>4</v><p>{path}</p><lm>20120821T170824Z</lm></m>"


def cloud_berry(name: str) -> str:
    """Return a description as CloudBerry writes it."""
    return json.dumps({"Path": name, "UTCDateModified": "20100310T110623Z", "Flags": 0})


class OldVault:
    """A local Glacier with a movable clock, and a vault that others filled."""

    def __init__(self, server: LocalGlacier, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.location = str(folder / "catalog.db")

    def connected(self, memory: int = 64 * MIB) -> AbstractAsyncContextManager[Glacier]:
        """Connect with the catalog of the test."""
        return connected(self.server.url, self.location, limits=Limits(memory=memory))

    async def fill(self, archives: Mapping[str, bytes]) -> dict[str, aioglacier.Archive]:
        """Upload archives by descriptions, without the catalog, and read the inventory into it."""
        made = {}
        async with aioglacier.connect(
            endpoint_url=self.server.url,
            region_name="us-east-1",
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="secret",
            hash_in="threads",
        ) as glacier:
            vault = await glacier.create_vault("old")
            for description, content in archives.items():
                made[description] = await vault.upload(content, description=description)
        await self.read_inventory()
        return made

    async def read_inventory(self) -> None:
        """Read the inventory of the vault into the catalog."""
        async with self.connected() as glacier:
            vault = glacier.vault("old")
            job = await vault.retrieve_inventory(again=True)
            await self.server.advance(6 * 3600)
            async for _ in job.read_inventory(await job.wait_until_done()).archives():
                pass

    async def jobs(self, vault: Vault) -> int:
        """Count the retrievals that the service was asked for."""
        return sum([job.archive_id is not None async for job in vault.jobs()])


def budget(limit: float | None = None) -> Budget:
    """Return a budget."""
    return Budget(load_prices("us-east-1"), limit)


@pytest.fixture
async def old_vault(tmp_path: Path) -> AsyncIterator[OldVault]:
    """Return the local Glacier of a test."""
    delays = {"Expedited": 0, "Standard": 5 * 3600, "Bulk": 12 * 3600, "Inventory": 5 * 3600}
    async with LocalGlacier(
        tmp_path / "glacier", job_delay=delays, inventory_lag=0, is_durable=False
    ) as server:
        yield OldVault(server, tmp_path)
