"""Open a gateway to the vault service, which sends each operation once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aioglacier.gateway.connect import open_wire
from aioglacier.gateway.vaults.caller import VaultCaller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.contract.options import GatewayOptions


@asynccontextmanager
async def open_gateway(options: GatewayOptions) -> AsyncIterator[VaultCaller]:
    """Open a gateway. It finds configuration and credentials now and sends nothing to the service yet.

    Raises:
        ConfigurationError: Region, endpoint, profile, proxy or account are missing or invalid.
        NoCredentialsError: There are no credentials.
    """
    async with open_wire(options) as wire:
        yield VaultCaller(wire, options)
