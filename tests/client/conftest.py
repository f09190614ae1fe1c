"""Fixtures of the client's tests: a scripted gateway to a local Glacier, and a connection to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.resources import open_resources
from tests.recorded.conftest import house, location
from tests.scripted import GivenServices, scripted_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.scripted import ScriptedGateway

__all__ = ["house", "location"]


@pytest.fixture
async def scripted(tmp_path: Path) -> AsyncIterator[ScriptedGateway]:
    """A local Glacier whose inventories are up to date, behind a gateway that fails by script."""
    async with scripted_gateway(tmp_path / "scripted") as gateway:
        yield gateway


@pytest.fixture
async def vault(scripted: ScriptedGateway) -> AsyncIterator[aioglacier.Vault]:
    """Return a vault of the local Glacier."""
    async with open_resources(Limits(), "threads") as resources:
        yield await aioglacier.Glacier(GivenServices(scripted), resources).create_vault("v")
        assert resources.buffers.lent == 0


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[aioglacier.Glacier]:
    """Return a connection to a local Glacier in this process, whose jobs are done at once."""
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path / 'glacier'}", hash_in="threads") as glacier:
        yield glacier
