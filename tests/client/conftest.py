"""What the client's tests share: a connection to a Glacier in memory, and one to a local Glacier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.testing import MemoryGlacier
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.resources import open_resources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def memory() -> MemoryGlacier:
    """A Glacier in memory whose inventories are up to date."""
    return MemoryGlacier(inventory_lag_seconds=0)


@pytest.fixture
async def remembered(memory: MemoryGlacier) -> AsyncIterator[aioglacier.Vault]:
    """A vault of it."""
    async with open_resources(Limits(), "threads") as resources:
        yield await aioglacier.Glacier(memory, resources).create_vault("v")
        assert resources.buffers.lent == 0


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[aioglacier.Glacier]:
    """A connection to a local Glacier in this process, whose jobs are done at once."""
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path / 'glacier'}", hash_in="threads") as glacier:
        yield glacier
