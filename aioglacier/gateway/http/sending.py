"""Send one signed request over an HTTP session, once, and wait for the head of its answer."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import aiohttp
import anyio
from yarl import URL

from aioglacier.gateway.http.fair_turns import Turns
from aioglacier.gateway.http.payload import LARGEST_SLICE, SlicePayload
from aioglacier.gateway.http.transport_errors import failure, stall_failure, unknown_name
from aioglacier.gateway.http.watchdog import Alarm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.core.errors import SourceError, TransportError
    from aioglacier.gateway.contract.timeouts import Timeouts
    from aioglacier.gateway.http.request import Request

logger = logging.getLogger("aioglacier.gateway")


class Sender:
    """Sends requests to one origin, within their time.

    aiohttp repeats GET, PUT and DELETE by itself when a connection breaks. A middleware that turns its errors
    into ours prevents that: only the retry layer knows what may be repeated.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        origin: str,
        region: str,
        proxy: str | None,
        timeouts: Timeouts,
    ) -> None:
        self._session = session
        self._origin = origin
        self._region = region
        self._proxy = proxy
        self._timeouts = timeouts
        self._turns = Turns()
        self._rate = 0.0  # bytes a second of the last large body, its answer included
        self._is_name_known = False

    def payload_of(self, request: Request) -> SlicePayload:
        """Return the body of a request, ready to be sent once."""
        return SlicePayload(
            request.body,
            progress=request.progress,
            before_last=request.before_last,
            rate=self._rate,
            turns=self._turns,
        )

    async def send(
        self, request: Request, payload: SlicePayload, headers: Mapping[str, str], moved: Callable[[], None]
    ) -> aiohttp.ClientResponse:
        """Send a request with its signed headers and return the answer once its head is there.

        ``moved`` is called whenever the exchange gets further.

        Raises:
            TransportError: No answer came, or not in time.
            SourceError: The body's file cannot be read.
        """
        stall = self._timeouts.stall
        with anyio.CancelScope() as scope:
            alarm = Alarm(scope.cancel, look_seconds=stall)

            def got_further() -> None:
                moved()
                alarm.set(request.first_byte_timeout_seconds if payload.is_complete else stall)

            payload.on_progress = got_further
            alarm.set(
                self._timeouts.connect + (stall if request.has_body else request.first_byte_timeout_seconds)
            )
            began = time.monotonic()
            try:
                response = await self._request(request, payload, headers)
            finally:
                payload.on_progress = moved
                alarm.stop()
            moved()
            self._note_rate(payload)
            logger.debug(
                "%s %s: %d, %d bytes sent, head after %.3f s",
                request.operation,
                self._origin,
                response.status,
                payload.sent,
                time.monotonic() - began,
            )
            return response
        self._rate = 0.0
        raise stall_failure(
            request.operation,
            payload,
            origin=self._origin,
            has_body=request.has_body,
            stall_seconds=stall,
            first_byte_seconds=request.first_byte_timeout_seconds,
        )

    async def _request(
        self, request: Request, payload: SlicePayload, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        async def send_once(
            aiohttp_request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            try:
                return await handler(aiohttp_request)
            except (aiohttp.ClientError, OSError) as error:
                raise self._failure(request, payload, error) from error

        response = await self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=headers,
            data=payload if request.has_body else None,
            allow_redirects=False,
            proxy=self._proxy,
            middlewares=(send_once,),
        )
        self._is_name_known = True
        return response

    def _failure(
        self, request: Request, payload: SlicePayload, error: Exception
    ) -> TransportError | SourceError:
        self._rate = 0.0
        is_lookup = isinstance(error, aiohttp.ClientConnectorDNSError)
        if is_lookup and not self._is_name_known and payload.failure is None:
            return unknown_name(
                request.operation, origin=self._origin, region=self._region, proxy=self._proxy
            )
        self._is_name_known = self._is_name_known or not is_lookup
        is_proxied = self._proxy is not None
        return failure(request.operation, payload, error, origin=self._origin, is_proxied=is_proxied)

    def _note_rate(self, payload: SlicePayload) -> None:
        if payload.sent >= LARGEST_SLICE:
            self._rate = payload.sent / max(time.monotonic() - payload.started_at, 1e-9)
