"""Open gateways that send again what failed for the time being."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aioglacier.gateway.connect import open_gateway, open_s3_gateway
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.http.client_session import OwnTransport
    from aioglacier.gateway.s3.gateway import S3Gateway


@asynccontextmanager
async def open_retrying_gateway(
    options: GatewayOptions, own: OwnTransport = None
) -> AsyncIterator[RetryingGateway]:
    """Open a gateway to the vault service; see ``open_gateway``."""
    async with open_gateway(options, own) as gateway:
        yield RetryingGateway(gateway, RetryPolicy(no_progress_seconds=options.timeouts.give_up))


@asynccontextmanager
async def open_retrying_s3_gateway(
    options: GatewayOptions, vaults: RetryingGateway, own: OwnTransport = None
) -> AsyncIterator[S3Gateway]:
    """Open a gateway to S3, which shares rate, keys and congestion with the one to the vaults."""
    # Most programs use no bucket.
    from aioglacier.gateway.retry.retrying_s3_gateway import RetryingS3Gateway  # noqa: PLC0415

    async with open_s3_gateway(options, own, beside=vaults) as gateway:
        policy = RetryPolicy(no_progress_seconds=options.timeouts.give_up)
        yield RetryingS3Gateway(gateway, policy, congestion=vaults.congestion)
