"""One origin: sign requests, send them there and nowhere else, and raise what a bad answer stands for."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from yarl import URL

from aioglacier.core.errors import CredentialsExpiredError, UnexpectedResponseError
from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.http.judge import check_is_own
from aioglacier.gateway.http.open_answer import OpenAnswer
from aioglacier.gateway.http.sending import NO_BODY
from aioglacier.gateway.http.service_errors import refusal
from aioglacier.gateway.http.signing import Signer
from aioglacier.gateway.http.watchdog import Slots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.errors import GlacierError
    from aioglacier.gateway.contract.dialect import Dialect
    from aioglacier.gateway.contract.key_source import Keys, KeySource
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.http.sending import Request, Sender

#: Control calls at once, at least, besides the bodies.
CONTROL_CONNECTIONS: Final = 8

#: No error document is longer than a page or two; the rest of a longer one is not read.
MAX_ERROR_BODY: Final = 64 * 1024

#: The longest control answer is a page of 50 jobs at about 1 KiB each, or a policy of 20 KiB.
MAX_ANSWER: Final = 8 * 1024 * 1024


class Wire:
    """Sends signed requests to one origin, each once.

    Attributes:
        dialect: The service's.
        origin: Scheme, host and port; a bucket's host may be below it.
        region: The region requests are signed for.
    """

    def __init__(
        self, sender: Sender, key_source: KeySource, options: GatewayOptions, dialect: Dialect
    ) -> None:
        self.dialect = dialect
        self.origin = sender.origin
        self.region = sender.region
        self._sender = sender
        self._key_source = key_source
        self._signer = Signer(sender.region, dialect)
        self._options = options
        patience = options.timeouts.first_byte + options.timeouts.stall
        self._body_slots = Slots(options.max_connections, patience_seconds=patience)
        self._control_slots = Slots(  # bodies must not hold up a completion or an abort
            max(CONTROL_CONNECTIONS, options.max_connections), patience_seconds=patience
        )

    async def exchange(self, request: Request, *, allow_refusal: bool = False) -> Answer:
        """Send a request and read the answer to its end.

        Raises:
            GlacierError: The service refused, unless ``allow_refusal``; the answer is no success of the
                service's; or no whole answer came.
        """
        async with await self.open(request, allow_refusal=allow_refusal) as opened:
            answer = await _read(opened)
            if not allow_refusal:
                check_is_own(request.operation, answer.status, answer.headers, self.dialect)
                if self.dialect.holds_error(answer):
                    raise self._refusal(request, answer)
            return answer

    async def open(self, request: Request, *, allow_refusal: bool = False) -> OpenAnswer:
        """Send a request and return its answer, to be entered, once the head is there.

        However the answer is left, nothing more of the request's body is sent, and the body is the caller's
        again. After an error none of it counts as sent.
        """
        payload, slots = self._sender.payload_of(request), self._slots(request)
        await slots.take(request.operation)  # before the keys are read: the wait may outlast them

        def release(kind: type[BaseException] | None) -> None:
            payload.abandon()
            if kind is not None:
                payload.sent.take_back()  # the retry counts its bytes from the beginning
            slots.give_back()

        try:
            keys = await self._key_source.keys()
            headers = self._signed(request, keys)
            response = await self._sender.send(request, payload, headers, slots.moved)
        except BaseException as error:
            release(type(error))
            raise
        answer = OpenAnswer(
            response,
            operation=request.operation,
            options=self._options,
            bandwidth=self._sender.throttle,
            moved=slots.moved,
            release=release,
        )
        try:
            is_redirect = 300 <= answer.status < 400  # never followed: signature and bytes are for this host
            if is_redirect or (answer.status >= 400 and not allow_refusal):
                raise self._refused(request, await _read(answer), keys)
        except BaseException as error:
            await answer.aclose(type(error))
            raise
        return answer

    def _slots(self, request: Request) -> Slots:
        is_bulky = request.body.nbytes > 0 or request.is_output
        return self._body_slots if is_bulky else self._control_slots

    def _signed(self, request: Request, keys: Keys) -> Mapping[str, str]:
        if not _belongs(_origin_of(request.url), self.origin, self.dialect):
            raise UnexpectedResponseError(
                f"a request to {_origin_of(request.url)} does not belong to {self.origin}; it was not sent",
                operation=request.operation,
                status=0,
                may_have_taken_effect=False,
            )
        return self._signer.sign(
            keys,
            now=datetime.now(UTC),
            method=request.method,
            url=request.url,
            headers=request.headers,
            # A range of a file comes with its hash, so its bytes are not needed for signing.
            body=request.body if isinstance(request.body, memoryview) else NO_BODY,
        ).headers

    def _refused(self, request: Request, answer: Answer, keys: Keys) -> GlacierError:
        error = self._refusal(request, answer)
        if isinstance(error, CredentialsExpiredError):
            self._key_source.distrust(keys)
        return error

    def _refusal(self, request: Request, answer: Answer) -> GlacierError:
        return refusal(
            request.operation,
            answer,
            self.dialect,
            meaning=request.meaning,
            region=self.region,
            origin=self.origin,
        )


def _origin_of(url: str) -> str:
    """Return scheme, host and port of a URL as it is sent; without a path it ends after them."""
    return "/".join(url.split("/", 3)[:3])


@lru_cache(maxsize=64)
def _belongs(origin: str, ours: str, dialect: Dialect) -> bool:
    """Return whether bytes and signatures may go to ``origin``: it is ours, or a bucket's host below it."""
    if origin == ours:
        return True
    there, here = URL(origin, encoded=True), URL(ours)
    if (there.scheme, there.port) != (here.scheme, here.port) or there.host is None or here.host is None:
        return False
    is_below = dialect.has_hosts_below and there.host.endswith(f".{here.host}")
    return "@" not in origin and (there.host == here.host or is_below)


async def _read(answer: OpenAnswer) -> Answer:
    body = await answer.read(MAX_ANSWER if answer.status < 400 else MAX_ERROR_BODY)
    return Answer(answer.status, answer.headers, body, datetime.now(UTC))
