"""A local Glacier in this process, and a gateway to it that fails by script and counts its calls."""

from __future__ import annotations

from collections import Counter, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.vaults.gateway import Gateway
from aioglacier.server import LocalGlacier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from pathlib import Path

    from aioglacier.core.errors import GlacierError
    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.protocols import Answer, Output, RawRequest
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.server import Fault

T = TypeVar("T")


class GivenServices:
    """Services whose gateways are there already."""

    def __init__(self, vaults: Gateway, buckets: S3Gateway | None = None) -> None:
        self.region, self.origin = vaults.region, vaults.origin
        self.vaults = vaults
        self._buckets = buckets

    @property
    def buckets(self) -> S3Gateway:
        """The gateway to S3, which only some tests give."""
        assert self._buckets is not None
        return self._buckets


class IdleGateway(Gateway):
    """Answers every operation at once with ``None``, for tests in which only the script matters."""

    region = "us-east-1"
    origin = "http://127.0.0.1"

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Do nothing."""

    def open_output(
        self, operation: Operation[T], arguments: Arguments
    ) -> AbstractAsyncContextManager[Output[T]]:
        """Refuse: there is no output."""
        raise NotImplementedError

    async def request(self, raw: RawRequest) -> Answer:
        """Refuse: there is no service."""
        raise NotImplementedError


class ScriptedGateway(Gateway):
    """A gateway that sends each operation once, unless its script says otherwise.

    Attributes:
        calls: The number of calls of each operation, by its name in the API.
    """

    def __init__(self, gateway: Gateway, server: LocalGlacier | None = None) -> None:
        self.region = gateway.region
        self.origin = gateway.origin
        self.calls: Counter[str] = Counter()
        self._gateway = gateway
        self._server = server
        self._faults: dict[tuple[str, bool], deque[GlacierError]] = {}

    def __repr__(self) -> str:
        return "<ScriptedGateway>"

    @property
    def now(self) -> datetime:
        """Return the server's virtual clock."""
        assert self._server is not None
        return self._server.clock.now()

    async def advance(self, seconds: float) -> None:
        """Move the server's virtual clock."""
        assert self._server is not None
        await self._server.advance(seconds)

    def add_faults(self, *faults: Fault) -> None:
        """Let the server misbehave."""
        assert self._server is not None
        self._server.faults.add(*faults)

    def fail(
        self, operation: str, error: GlacierError, *, times: int = 1, after_effect: bool = False
    ) -> None:
        """Let the next calls of an operation fail; with ``after_effect``, only the answer is lost."""
        self._faults.setdefault((operation, after_effect), deque()).extend([error] * times)

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Perform one operation, or fail before or after it."""
        self._meet(operation.name)
        result = await self._gateway.perform(operation, arguments)
        self._raise_next(operation.name, after_effect=True)
        return result

    @asynccontextmanager
    async def open_output(self, operation: Operation[T], arguments: Arguments) -> AsyncIterator[Output[T]]:
        """Open an output, or fail before it."""
        self._meet(operation.name)
        async with self._gateway.open_output(operation, arguments) as output:
            yield output

    async def request(self, raw: RawRequest) -> Answer:
        """Forward a request."""
        return await self._gateway.request(raw)

    def _meet(self, name: str) -> None:
        self.calls[name] += 1
        self._raise_next(name, after_effect=False)

    def _raise_next(self, name: str, *, after_effect: bool) -> None:
        faults = self._faults.get((name, after_effect))
        if faults:
            raise faults.popleft()


@asynccontextmanager
async def scripted_gateway(directory: Path, **settings: Any) -> AsyncIterator[ScriptedGateway]:
    """Open a local Glacier whose inventories are up to date, and a scripted gateway to it."""
    async with (
        LocalGlacier(directory, **{"inventory_lag": 0, "is_durable": False} | settings) as server,
        open_gateway(
            GatewayOptions(
                region_name=server.settings.region,
                endpoint_url=server.url,
                aws_access_key_id="a",
                aws_secret_access_key="b",
            )
        ) as gateway,
    ):
        yield ScriptedGateway(gateway, server)
