"""One origin: signs requests, sends them there and nowhere else, and judges what comes back.

Both planes send through here, so that redirects, deadlines, signatures and the question "is this Glacier at
all?" have one home. A request is sent once: aiohttp would quietly repeat GET, PUT and DELETE on a broken
connection, and a middleware that turns its errors into ours keeps it from that.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import anyio
from yarl import URL

from aioglacier.core.errors import (
    ConnectionLostError,
    CredentialsExpiredError,
    GlacierError,
    InvalidCredentialsError,
    RedirectRefusedError,
    SourceError,
    TransportError,
    UnexpectedResponseError,
)
from aioglacier.gateway.http.fair_turns import Turns
from aioglacier.gateway.http.payload import LARGEST_SLICE, SlicePayload
from aioglacier.gateway.http.service_errors import printable, refusal
from aioglacier.gateway.http.signing import Signer
from aioglacier.gateway.http.transport_errors import failure, reason, stall_failure
from aioglacier.gateway.http.watchdog import Alarm, Pace, Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Body
    from aioglacier.gateway.credentials.live import Identity
    from aioglacier.gateway.credentials.plain_keys import PlainIdentity
    from aioglacier.gateway.http.receiving import DirectBody
    from aioglacier.gateway.http.signing import SigningKeys

logger = logging.getLogger("aioglacier.gateway")

NO_BODY: Final = memoryview(b"")

#: Control calls at once, at least, besides the bodies.
CONTROL_CONNECTIONS: Final = 8

#: No error document is longer than a page or two; who sends more is not read to the end.
MAX_ERROR_BODY: Final = 64 * 1024

#: The longest control answer is a page of 50 jobs at about 1 KiB each, or a policy of 20 KiB.
MAX_ANSWER: Final = 8 * 1024 * 1024

_REQUEST_ID_HEADERS: Final = ("x-amzn-RequestId", "x-amz-request-id", "x-amzn-request-id")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, unsigned.

    Attributes:
        operation: The operation's name in the API.
        url: Whole, encoded as it will be sent.
        body: Sent slice by slice; must not change until the exchange is over.
        before_last: Awaited before the last slice, so before the request can take effect.
        first_byte_timeout_seconds: From the last byte of the request to the end of the answer's head.
    """

    operation: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: Body = field(default=NO_BODY, repr=False)
    progress: Callable[[int], None] | None = field(default=None, repr=False)
    before_last: Callable[[], Awaitable[None]] | None = field(default=None, repr=False)
    first_byte_timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end, or to the limit if it is an error."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    came_at: datetime


class Wire:
    """Sends signed requests to one origin.

    Attributes:
        origin: Scheme, host and port.
        region: The region requests are signed for.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        origin: str,
        region: str,
        identity: Identity | PlainIdentity,
        proxy: str | None,
        options: GatewayOptions,
    ) -> None:
        self.origin = origin
        self.region = region
        self._origin_url = URL(origin)
        self._rate = 0.0  # bytes a second of the last large body, its answer included
        self._turns = Turns()
        self._session = session
        self._identity = identity
        self._signer = Signer(region)
        self._proxy = proxy
        self._options = options
        patience = options.timeouts.first_byte + options.timeouts.stall
        self._body_slots = Slots(options.max_connections, patience_seconds=patience)
        self._control_slots = Slots(
            max(CONTROL_CONNECTIONS, options.max_connections), patience_seconds=patience
        )

    async def exchange(self, request: Request, *, allow_refusal: bool = False) -> Answer:
        """Send a request and read the answer to its end.

        Raises:
            GlacierError: What the service's refusal stands for, unless ``allow_refusal``; a success that is
                none; or what kept the answer from coming.
        """
        payload, slots = self._payload(request), self._slots(request)
        await slots.take(request.operation)
        try:
            response, credentials = await self._request(request, payload, slots)
            async with response:
                if response.status >= 300:
                    await self._judge(request, response, credentials, allow_refusal=allow_refusal)
                limit = MAX_ANSWER if response.status < 400 else MAX_ERROR_BODY
                body = await self._read(request.operation, response, limit)
                answer = Answer(response.status, response.headers, body, datetime.now(UTC))
        finally:
            payload.abandon()
            slots.give_back()
        if not allow_refusal:
            check_success(request.operation, answer)
        return answer

    @asynccontextmanager
    async def opened(
        self, request: Request, *, allow_refusal: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield its answer once the head is there; the body is left to read.

        Leaving the block early drops the connection. However it is left, nothing more of the request's body
        is sent, and the body is the caller's again.
        """
        payload, slots = self._payload(request), self._slots(request)
        await slots.take(request.operation)
        try:
            response, credentials = await self._request(request, payload, slots)
            async with response:
                await self._judge(request, response, credentials, allow_refusal=allow_refusal)
                yield response
        finally:
            payload.abandon()
            slots.give_back()

    def _payload(self, request: Request) -> SlicePayload:
        return SlicePayload(
            request.body,
            progress=request.progress,
            before_last=request.before_last,
            rate=self._rate,
            turns=self._turns,
        )

    def _slots(self, request: Request) -> Slots:
        is_bulky = request.body.nbytes > 0 or request.operation == "GetJobOutput"
        return self._body_slots if is_bulky else self._control_slots

    async def _request(
        self, request: Request, payload: SlicePayload, slots: Slots
    ) -> tuple[aiohttp.ClientResponse, SigningKeys]:
        """Sign a request and send it; what was signed with is needed to judge the answer."""
        credentials = await self._identity.credentials()
        return await self._send(request, payload, slots, self._signed(request, credentials)), credentials

    async def _judge(
        self,
        request: Request,
        response: aiohttp.ClientResponse,
        credentials: SigningKeys,
        *,
        allow_refusal: bool,
    ) -> None:
        """Raise if an answer is none that was asked for."""
        self._refuse_redirect(request.operation, response)
        if response.status >= 400 and not allow_refusal:
            raise await self._refusal(request.operation, response, credentials)

    def pace(self, operation: str, response: aiohttp.ClientResponse) -> Pace:
        """A watch over the bytes of one answer; whoever reads them stops it."""
        return Pace(
            response.content,
            operation=operation,
            window_seconds=self._options.timeouts.stall,
            minimum_rate=self._options.minimum_rate,
        )

    async def next_block(self, pace: Pace) -> bytes:
        """The next bytes of an answer, none at its end; a broken connection as an error of ours."""
        try:
            block = await pace.next_block()
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(pace, error) from error
        self._body_slots.moved()
        return block

    async def fill(self, pace: Pace, body: DirectBody, view: memoryview, came: Callable[[int], None]) -> None:
        """Let a body that was taken over fill ``view``; errors as from ``next_block``."""

        def moved(count: int) -> None:
            self._body_slots.moved()
            came(count)

        try:
            await pace.fill(body, view, moved)
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(pace, error) from error

    async def _send(
        self, request: Request, payload: SlicePayload, slots: Slots, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        stall = self._options.timeouts.stall
        has_body = request.method not in {"GET", "HEAD"}
        with anyio.CancelScope() as scope:
            alarm = Alarm(scope.cancel, look_seconds=stall)

            def moved() -> None:
                slots.moved()
                alarm.set(request.first_byte_timeout_seconds if payload.is_complete else stall)

            payload.on_progress = moved
            alarm.set(
                self._options.timeouts.connect + (stall if has_body else request.first_byte_timeout_seconds)
            )

            async def send_once(
                aiohttp_request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
            ) -> aiohttp.ClientResponse:
                try:
                    return await handler(aiohttp_request)
                except (aiohttp.ClientError, OSError) as error:
                    raise self._failure(request, payload, error) from error

            began = time.monotonic()
            try:
                response = await self._session.request(
                    request.method,
                    URL(request.url, encoded=True),
                    headers=headers,
                    data=payload if has_body else None,
                    allow_redirects=False,
                    proxy=self._proxy,
                    middlewares=(send_once,),
                )
            finally:
                payload.on_progress = slots.moved
                alarm.stop()
            slots.moved()
            now = time.monotonic()
            if payload.sent >= LARGEST_SLICE:
                self._rate = payload.sent / max(now - payload.started_at, 1e-9)
            logger.debug(
                "%s %s: %d, %d bytes sent, head after %.3f s",
                request.operation,
                self.origin,
                response.status,
                payload.sent,
                now - began,
            )
            return response
        self._rate = 0.0
        raise stall_failure(
            request.operation,
            payload,
            origin=self.origin,
            has_body=has_body,
            stall_seconds=self._options.timeouts.stall,
            first_byte_seconds=request.first_byte_timeout_seconds,
        )

    def _failure(
        self, request: Request, payload: SlicePayload, error: Exception
    ) -> TransportError | SourceError:
        self._rate = 0.0
        return failure(
            request.operation, payload, error, origin=self.origin, is_proxied=self._proxy is not None
        )

    def _signed(self, request: Request, credentials: SigningKeys) -> Mapping[str, str]:
        is_ours = request.url.startswith(f"{self.origin}/")  # nearly always, and quicker to see
        if not is_ours and URL(request.url, encoded=True).origin() != self._origin_url:
            raise UnexpectedResponseError(
                f"a request to {URL(request.url).origin()} does not belong to {self.origin}; it was not sent",
                operation=request.operation,
                status=0,
                may_have_taken_effect=False,
            )
        return self._signer.sign(
            credentials,
            now=datetime.now(UTC),
            method=request.method,
            url=request.url,
            headers=request.headers,
            # A range of a file comes with its hash, which is all that is signed of it.
            body=request.body if isinstance(request.body, memoryview) else NO_BODY,
        ).headers

    async def _refusal(
        self, operation: str, response: aiohttp.ClientResponse, credentials: SigningKeys
    ) -> GlacierError:
        body = await self._read(operation, response, MAX_ERROR_BODY)
        answer = Answer(response.status, response.headers, body, datetime.now(UTC))
        return self._refused(operation, answer, credentials)

    def _refused(self, operation: str, answer: Answer, credentials: SigningKeys) -> GlacierError:
        error = refusal(operation, answer.status, answer.headers, answer.body, local_time=answer.came_at)
        if isinstance(error, CredentialsExpiredError):
            self._identity.distrust(credentials)
        elif isinstance(error, InvalidCredentialsError) and "region" in error.message:
            what = f"requests are signed for {self.region} and go to {self.origin}"
            error.args = (f"{error.message.rstrip('.')}; {what}",)
        return error

    async def _read(self, operation: str, response: aiohttp.ClientResponse, limit: int) -> bytes:
        if response.content.at_eof():  # of a part nothing but its head is answered
            return b""
        pace = self.pace(operation, response)
        body = bytearray()
        try:
            while len(body) <= limit:
                block = await self.next_block(pace)
                if not block:
                    return bytes(body)
                body += block
        finally:
            pace.stop()
        if response.status < 400:
            raise UnexpectedResponseError(
                f"the answer is longer than {limit} bytes", operation=operation, status=response.status
            )
        response.close()
        return bytes(body[:limit])

    def _refuse_redirect(self, operation: str, response: aiohttp.ClientResponse | Answer) -> None:
        if not 300 <= response.status < 400:
            return
        location = printable(response.headers.get("Location", "nowhere"))
        raise RedirectRefusedError(
            f"{self.origin} answered {response.status} and points to {location}; bytes and credentials go to "
            "the first only. Set the endpoint to the right place if this is wanted",
            operation=operation,
            origin=self.origin,
            location=location,
        )


def _lost(pace: Pace, error: Exception) -> ConnectionLostError:
    return ConnectionLostError(
        f"the connection broke off in the middle of the answer ({reason(error)})",
        operation=pace.operation,
        may_have_taken_effect=True,
    )


def check_success(operation: str, answer: Answer) -> None:
    """Raise unless an answer is a success of Glacier's own.

    A portal's page with status 200 lacks the request id; a success that carries an error document is none.
    """
    check_is_glacier(operation, answer.status, answer.headers)
    if answer.body[:1] == b"{" and (error := _error_inside(answer.body)):
        raise UnexpectedResponseError(
            f"the answer has status {answer.status} but carries the error {error}",
            operation=operation,
            status=answer.status,
        )


def check_is_glacier(operation: str, status: int, headers: Mapping[str, str]) -> None:
    """Raise if the head of a successful answer is none that Glacier writes."""
    if not 200 <= status < 300 or not any(name in headers for name in _REQUEST_ID_HEADERS):
        raise UnexpectedResponseError(
            f"the answer, status {status}, lacks Glacier's request id; is a proxy or portal in between?",
            operation=operation,
            status=status,
            may_have_taken_effect=False,
        )


def _error_inside(body: bytes) -> str:
    if b'"code"' not in body or b'"message"' not in body:
        return ""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    is_error = isinstance(document, dict) and "code" in document and "message" in document
    return printable(f"{document['code']}: {document['message']}") if is_error else ""
