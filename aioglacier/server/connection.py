"""HTTP connections of the server: every answer has a request id, also the answer to malformed HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage

    Refuse = Callable[[web.BaseRequest, str], web.StreamResponse]


class Connection(web.RequestHandler):
    """One connection, which stays open for an answer after the client has closed its half."""

    def __init__(self, server: ConnectionServer, refuse: Refuse, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._refuse = refuse
        #: The body of the request that is being answered.
        self.body: StreamReader | None = None
        self._has_ended = False

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp always closes
        """Return whether the connection stays open: it does for requests that have arrived completely."""
        if self.ssl_context is not None:
            return False
        waiting = self._messages  # behind the request that is being answered
        if waiting and not waiting[-1][1].is_eof():
            waiting.pop()  # the rest of its body never comes
        if not waiting and (self.body is None or not self.body.is_eof()):
            return False
        self._has_ended = True
        self._close_after_last()
        return True

    def _close_after_last(self) -> None:
        if self._has_ended and not self._messages:
            self.close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the rest of an answer."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.body = None
            self._close_after_last()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that is not well-formed HTTP."""
        if status != 400:
            return super().handle_error(request, status, exc, message)
        return self._refuse(request, (message or "").strip().partition("\n")[0].rstrip(":"))


class ConnectionServer(web.Server):
    """Makes a ``Connection`` for each client that connects."""

    def __init__(
        self,
        answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        refuse: Refuse,
        **options: Any,
    ) -> None:
        super().__init__(answer, request_factory=_make_request, **options)
        self._refuse = refuse
        self._options = options

    def __call__(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self, self._refuse, **self._options)


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    if isinstance(protocol, Connection):
        protocol.body = payload
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())
