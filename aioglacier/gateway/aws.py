"""The real gateway: botocore's calls and our own behind one door."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aioglacier.gateway.control import ControlPlane
from aioglacier.gateway.data import DataPlane
from aioglacier.gateway.jobcalls import JobCalls
from aioglacier.gateway.opening import open_planes
from aioglacier.gateway.options import USER_AGENT
from aioglacier.gateway.uploadcalls import UploadCalls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.botocore import Botocore
    from aioglacier.gateway.options import GatewayOptions
    from aioglacier.gateway.wire import Wire


class AwsGateway(ControlPlane, UploadCalls, JobCalls):
    """Every operation of the vault API, each sent once. Opened by ``open_gateway``."""

    def __init__(self, botocore: Botocore, wire: Wire, options: GatewayOptions) -> None:
        ControlPlane.__init__(self, botocore, wire)
        DataPlane.__init__(self, wire, options, user_agent=USER_AGENT)

    @property
    def region(self) -> str:
        """The region requests are signed for."""
        return self._wire.region

    @property
    def origin(self) -> str:
        """The scheme, host and port that bytes go to, and nowhere else."""
        return self._wire.origin

    def __repr__(self) -> str:
        return f"<AwsGateway {self.origin} region={self.region}>"


@asynccontextmanager
async def open_gateway(options: GatewayOptions) -> AsyncIterator[AwsGateway]:
    """Open a gateway. Configuration and credentials are found now; nothing is sent to the service yet.

    Raises:
        ConfigurationError: Region, endpoint, profile, proxy or account make no sense.
        NoCredentialsError: There are no credentials.
    """
    async with open_planes(options) as (botocore, wire):
        yield AwsGateway(botocore, wire, options)
