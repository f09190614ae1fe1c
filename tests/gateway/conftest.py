"""A scripted server, a gateway to it, and an environment without AWS settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.gateway.connect import open_gateway
from tests.gateway.faulty import PATIENT, FaultyServer, faulty_server, options_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.gateway.contract.options import Timeouts
    from aioglacier.gateway.vaults.caller import VaultCaller


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    """Yield a server that behaves until its script says otherwise."""
    async with faulty_server() as faulty:
        yield faulty


@pytest.fixture
def timeouts() -> Timeouts:
    """Return the timeouts of ``gateway``; a test that waits for one has ``SHORT`` as its parameter."""
    return PATIENT


@pytest.fixture
async def gateway(server: FaultyServer, timeouts: Timeouts) -> AsyncIterator[VaultCaller]:
    """Yield a gateway to ``server`` without retries."""
    async with open_gateway(options_for(server, timeouts=timeouts)) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _no_aws_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide this machine's AWS settings and proxies."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
