"""The gateways of a connection, which send again what failed for the time being.

Each is loaded and opened with its first request, because most programs use one service.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from aioglacier.gateway.connect import find_line, find_s3_endpoint, open_gateway, open_s3_gateway
from aioglacier.gateway.contract.operation import Performer
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.gateway.retry.rules import Congestion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager, AsyncExitStack

    from aioglacier.gateway.connect import Line
    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Answer, Output, RawRequest
    from aioglacier.gateway.http.client_session import OwnTransport
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.gateway.vaults.gateway import Gateway

__all__ = ("RetriedServices", "find_s3_endpoint", "find_services")

T = TypeVar("T")


class RetriedServices:
    """The gateways of one connection. They share keys, rate and the count of congestion.

    Attributes:
        region: The region that requests are signed for.
        origin: Scheme, host and port of the vault service.
        congestion: The signs that too many requests ran at once, of both services.
    """

    def __init__(
        self,
        line: Line,
        options: GatewayOptions,
        s3_options: GatewayOptions,
        stack: AsyncExitStack,
        own: OwnTransport,
    ) -> None:
        """``stack`` closes what is opened; the endpoint of ``s3_options`` is S3's."""
        self.region: Final = line.region
        self.origin: Final = line.origin
        self.congestion: Final = Congestion()
        self._stack = stack
        self._policy = RetryPolicy(no_progress_seconds=options.timeouts.give_up)
        self._open_vaults = lambda: open_gateway(options, own, line)
        self._open_buckets = lambda: open_s3_gateway(s3_options, own, line)
        self._line = line

    @cached_property
    def vaults(self) -> Gateway:
        """The gateway to the vaults."""
        from aioglacier.gateway.retry.retrying_gateway import RetryingGateway  # noqa: PLC0415

        opening = _Opening(self._line, self._open_vaults, self._stack)
        return RetryingGateway(opening, self._policy, congestion=self.congestion)

    @cached_property
    def buckets(self) -> S3Gateway:
        """The gateway to S3."""
        from aioglacier.gateway.retry.retrying_s3_gateway import RetryingS3Gateway  # noqa: PLC0415

        opening = _Opening(self._line, self._open_buckets, self._stack)
        return RetryingS3Gateway(opening, self._policy, congestion=self.congestion)


async def find_services(
    options: GatewayOptions, s3_options: GatewayOptions, stack: AsyncExitStack, own: OwnTransport = None
) -> RetriedServices:
    """Find keys and region for the gateways of a connection; see ``find_line`` for the errors."""
    return RetriedServices(await find_line(options), options, s3_options, stack, own)


class _Opening(Performer):
    """Passes every operation on to a gateway that the first of them opens."""

    def __init__(
        self, line: Line, opened: Callable[[], AbstractAsyncContextManager[Performer]], stack: AsyncExitStack
    ) -> None:
        self.region, self.origin = line.region, line.origin
        self._opened = opened
        self._stack = stack
        self._gateway: Performer | None = None
        self._lock = anyio.Lock()

    async def _open(self) -> Performer:
        async with self._lock:  # the first calls may come at once
            if self._gateway is None:
                self._gateway = await self._stack.enter_async_context(self._opened())
            return self._gateway

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """See ``Performer``."""
        return await (await self._open()).perform(operation, arguments)

    @asynccontextmanager
    async def open_output(self, operation: Operation[T], arguments: Arguments) -> AsyncIterator[Output[T]]:
        """See ``Performer``."""
        gateway = await self._open()
        async with gateway.open_output(operation, arguments) as output:
            yield output

    async def request(self, raw: RawRequest) -> Answer:
        """See ``Performer``."""
        return await (await self._open()).request(raw)
