"""A gateway to S3 that is opened with its first request, so that a bucket can be named before."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aioglacier.gateway.s3.gateway import S3Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.protocols import Answer, Output, RawRequest

T = TypeVar("T")


class LazyS3Gateway(S3Gateway):
    """Passes every operation on to a gateway that ``opening`` returns, and opens at first."""

    def __init__(self, opening: Callable[[], Awaitable[S3Gateway]], region: str) -> None:
        self.region = region
        self._opening = opening

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """See ``Performer``."""
        return await (await self._opening()).perform(operation, arguments)

    @asynccontextmanager
    async def open_output(self, operation: Operation[T], arguments: Arguments) -> AsyncIterator[Output[T]]:
        """See ``Performer``."""
        gateway = await self._opening()
        async with gateway.open_output(operation, arguments) as output:
            yield output

    async def request(self, raw: RawRequest) -> Answer:
        """See ``Performer``."""
        return await (await self._opening()).request(raw)
