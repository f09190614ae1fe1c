"""Benches without a service, and with a vault of one archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.treehash import hash_part
from tests.gateway.retry.bench import Bench
from tests.scripted import IdleGateway, ScriptedGateway, scripted_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def idle() -> Bench:
    """Return a bench without a service behind its script."""
    return Bench(ScriptedGateway(IdleGateway()))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Yield a bench with a vault of one archive."""
    async with scripted_gateway(tmp_path / "glacier") as glacier:
        await glacier.create_vault("photos")
        body = b"october"
        stored = await glacier.upload_archive("photos", memoryview(body), hashes=hash_part(body))
        glacier.calls.clear()
        yield Bench(glacier, stored.id)
