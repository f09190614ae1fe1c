"""A relay that counts the bytes that a server sends."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
)
from anyio.abc import SocketAttribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream


class Counted:
    """The bytes that a server has sent through a relay."""

    def __init__(self) -> None:
        self.sent = 0
        self.url = ""


@asynccontextmanager
async def counting(server_url: str) -> AsyncIterator[Counted]:
    """Relay connections to a server, and count what it sends."""
    counted = Counted()
    address = urlsplit(server_url)

    async def relay(client: SocketStream) -> None:
        async def pass_on(source: SocketStream, target: SocketStream, *, counts: bool) -> None:
            with suppress(EndOfStream, BrokenResourceError, ClosedResourceError):
                while block := await source.receive():
                    counted.sent += len(block) if counts else 0
                    await target.send(block)
            await target.aclose()

        assert address.hostname is not None
        assert address.port is not None
        async with (
            client,
            await connect_tcp(address.hostname, address.port) as server,
            create_task_group() as tasks,
        ):
            tasks.start_soon(partial(pass_on, client, server, counts=False))
            tasks.start_soon(partial(pass_on, server, client, counts=True))

    async with await create_tcp_listener(local_host="127.0.0.1") as listener, create_task_group() as tasks:
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # no Django
        counted.url = f"http://127.0.0.1:{port}"
        tasks.start_soon(listener.serve, relay)
        yield counted
        tasks.cancel_scope.cancel()
