"""The context that every operation on a vault shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.core.limits import MIB

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_vault_without_a_catalog_cannot_be_recorded(tmp_path: Path) -> None:
    """A call that needs records is refused at once if the connection has no catalog."""
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}") as glacier:
        context = glacier.vault("photos").context
        assert context.records is None
        with pytest.raises(aioglacier.ConfigurationError, match="give one to connect"):
            context.recorded()


async def test_two_parts_fit_in_the_memory_limit(tmp_path: Path) -> None:
    """A part size is halved until two parts fit, but never below the service's smallest."""
    limits = aioglacier.Limits(memory=16 * MIB)
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}", limits=limits) as glacier:
        context = glacier.vault("photos").context
        assert context.part_size(8 * MIB) == 8 * MIB
        assert context.part_size(64 * MIB) == 8 * MIB
        assert context.part_size(MIB) == MIB
