"""A request, and the sender that sends it once and waits for the head of its answer."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp
import anyio
from yarl import URL

from aioglacier.gateway.contract.dialect import NO_MEANING, Meaning
from aioglacier.gateway.http.fair_turns import Turns
from aioglacier.gateway.http.payload import LARGEST_SLICE, SlicePayload
from aioglacier.gateway.http.transport_errors import failure, stall_failure, unknown_name
from aioglacier.gateway.http.watchdog import Alarm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Body, Throttle
    from aioglacier.gateway.http.payload import Sent
    from aioglacier.gateway.http.request_bodies import TrailedBody

logger = logging.getLogger("aioglacier.gateway")

NO_BODY: Final = memoryview(b"")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, unsigned.

    Attributes:
        operation: The operation's name in the API.
        url: The complete URL, encoded as it will be sent.
        body: Sent slice by slice; must not change until the exchange is over.
        progress: Called with the number of bytes handed to the connection; negative if they go again.
        before_last: Awaited before the last slice, so before the request can take effect.
        meaning: The errors that the operation has of its own.
        is_output: Whether the answer's body is read while it comes.
        first_byte_timeout_seconds: From the last byte of the request to the end of the answer's head.
    """

    operation: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: Body | TrailedBody = field(default=NO_BODY, repr=False)
    progress: Callable[[int], None] | None = field(default=None, repr=False)
    before_last: Callable[[], Awaitable[None]] | None = field(default=None, repr=False)
    meaning: Meaning = field(default=NO_MEANING, repr=False)
    is_output: bool = False
    first_byte_timeout_seconds: float = 120.0

    @property
    def has_body(self) -> bool:
        """Whether the method sends a body, be it an empty one."""
        return self.method not in {"GET", "HEAD"}


class Sender:
    """Sends requests to one origin, within their time.

    aiohttp repeats GET, PUT and DELETE by itself when a connection breaks. A middleware that turns its errors
    into ours prevents that: only the retry layer knows what may be repeated.

    Attributes:
        origin: Scheme, host and port.
        region: The region that requests are signed for.
        throttle: The rate that all bodies share, sent and read, if it is limited.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        origin: str,
        region: str,
        proxy: str | None,
        options: GatewayOptions,
        throttle: Throttle | None,
    ) -> None:
        self.origin = origin
        self.region = region
        self.throttle = throttle
        self._session = session
        self._proxy = proxy
        self._timeouts = options.timeouts
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
            bandwidth=self.throttle,
        )

    async def send(
        self, request: Request, payload: SlicePayload, headers: Mapping[str, str], moved: Callable[[], None]
    ) -> aiohttp.ClientResponse:
        """Send a request with its signed headers and return the answer once its head is there.

        ``moved`` is called whenever the exchange gets further.

        Raises:
            TransportError: No answer came, or not in time.
            SourceError: The body's file cannot be read. Any other error of making the body comes as itself.
        """
        sent, stall, has_body = payload.sent, self._timeouts.stall, request.has_body
        with anyio.CancelScope() as scope:
            alarm = Alarm(scope.cancel, look_seconds=stall)

            def got_further() -> None:
                moved()
                # The service hashes a whole body before it answers.
                alarm.set(request.first_byte_timeout_seconds if sent.is_complete else stall)

            sent.on_move, sent.on_wait = got_further, alarm.unset
            alarm.set(self._timeouts.connect + (stall if has_body else request.first_byte_timeout_seconds))
            began = time.monotonic()
            try:
                response = await self._request(request, payload, headers)
            finally:
                sent.on_move = sent.on_wait = moved
                alarm.stop()
            moved()
            # Smaller ones measure the latency.
            if sent.started_at is not None and sent.count >= LARGEST_SLICE:
                self._rate = sent.count / max(time.monotonic() - sent.started_at, 1e-9)
            logger.debug(
                "%s %s: %d, %d bytes sent, head after %.3f s",
                request.operation,
                self.origin,
                response.status,
                sent.count,
                time.monotonic() - began,
            )
            return response
        self._rate = 0.0
        raise stall_failure(
            request.operation,
            sent,
            origin=self.origin,
            has_body=has_body,
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
                raise self._failure(request, payload.sent, error) from error

        response = await self._session.request(
            request.method,
            URL(request.url, encoded=True),  # or yarl would change what was signed
            headers=headers,
            data=payload if request.has_body else None,
            allow_redirects=False,  # see ``Wire.open``
            proxy=self._proxy,
            middlewares=(send_once,),
        )
        self._is_name_known = True
        return response

    def _failure(self, request: Request, sent: Sent, error: Exception) -> Exception:
        self._rate = 0.0
        is_lookup = isinstance(error, aiohttp.ClientConnectorDNSError)
        # A name that was known once is right, and the network is at fault.
        if is_lookup and not self._is_name_known and sent.failure is None:
            return unknown_name(request.operation, origin=self.origin, region=self.region, proxy=self._proxy)
        self._is_name_known = self._is_name_known or not is_lookup
        is_proxied = self._proxy is not None
        return failure(request.operation, sent, error, origin=self.origin, is_proxied=is_proxied)
