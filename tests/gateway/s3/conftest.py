"""A gateway to a scripted server that speaks S3's XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.gateway.connect import open_s3_gateway
from tests.gateway.faulty import FaultyServer, options_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.s3.caller import S3Caller


@pytest.fixture
async def s3(server: FaultyServer) -> AsyncIterator[S3Caller]:
    """Yield a gateway to ``server`` without retries."""
    async with open_s3_gateway(options_for(server)) as gateway:
        yield gateway
