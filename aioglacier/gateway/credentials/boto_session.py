"""aiobotocore's session and client, when they are needed, and not before.

To load it takes a quarter of a second of CPU time, and session, models and client another tenth. An upload
with plain settings needs none of it.
"""

from __future__ import annotations

import importlib
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiobotocore.session import AioSession

    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.http.wire import Wire
    from aioglacier.gateway.vaults.boto_calls import BotoCalls


class Botocore:
    """One session and one client, each made once. Its owner closes it."""

    def __init__(self, options: GatewayOptions) -> None:
        self._options = options
        self._lock = anyio.Lock()
        self._stack = AsyncExitStack()
        self._session: AioSession | None = None
        self._client: Any = None
        self._calls: BotoCalls | None = None

    async def session(self) -> AioSession:
        """The session.

        Raises:
            ConfigurationError: There is no such profile, or the configuration files cannot be read.
        """
        async with self._lock:
            return await self._made_session()

    async def client(self) -> Any:
        """The client, which nothing is sent with.

        Raises:
            ConfigurationError: Region or endpoint are missing or make no sense, and as above.
        """
        async with self._lock:
            return await self._made_client()

    async def calls(self, wire: Wire) -> BotoCalls:
        """The client's calls, sent over ``wire``, which is the same each time."""
        async with self._lock:
            if self._calls is None:
                # What was found when the connection was opened holds, whatever has changed since.
                self._options = replace(self._options, region_name=wire.region, endpoint_url=wire.origin)
                client = await self._made_client()
                self._calls = (await _module()).BotoCalls(client, wire, self._options)
            return self._calls

    async def aclose(self) -> None:
        """Close the client, if there is one."""
        await self._stack.aclose()

    async def _made_session(self) -> AioSession:
        if self._session is None:
            new_session: Callable[[GatewayOptions], AioSession] = (await _module()).new_session
            self._session = await anyio.to_thread.run_sync(new_session, self._options)
        return self._session

    async def _made_client(self) -> Any:
        if self._client is None:
            session = await self._made_session()
            self._client = await (await _module()).enter_client(session, self._options, self._stack)
        return self._client


async def _module() -> Any:
    """In a thread, so that the loop goes on meanwhile."""
    return await anyio.to_thread.run_sync(importlib.import_module, "aioglacier.gateway.vaults.boto_calls")
