"""The real gateway: botocore's calls and our own behind one door."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aioglacier.gateway.connect import open_planes
from aioglacier.gateway.contract.options import USER_AGENT
from aioglacier.gateway.vaults.control import ControlPlane
from aioglacier.gateway.vaults.data import DataPlane
from aioglacier.gateway.vaults.job_calls import JobCalls
from aioglacier.gateway.vaults.upload_calls import UploadCalls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.credentials.boto_session import Botocore
    from aioglacier.gateway.http.wire import Wire


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
