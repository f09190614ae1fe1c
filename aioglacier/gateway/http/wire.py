"""One origin: sign requests, send them there and nowhere else, and raise what a bad answer stands for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from yarl import URL

from aioglacier.core.errors import CredentialsExpiredError, UnexpectedResponseError
from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.http.judge import check_success, refuse_redirect
from aioglacier.gateway.http.open_answer import OpenAnswer
from aioglacier.gateway.http.sending import NO_BODY
from aioglacier.gateway.http.service_errors import refusal
from aioglacier.gateway.http.signing import Signer
from aioglacier.gateway.http.watchdog import Slots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.errors import GlacierError
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
        origin: Scheme, host and port.
        region: The region requests are signed for.
    """

    def __init__(self, sender: Sender, key_source: KeySource, options: GatewayOptions) -> None:
        self.origin = sender.origin
        self.region = sender.region
        self._sender = sender
        self._key_source = key_source
        self._signer = Signer(sender.region)
        self._options = options
        patience = options.timeouts.first_byte + options.timeouts.stall
        self._body_slots = Slots(options.max_connections, patience_seconds=patience)
        self._control_slots = Slots(
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
                check_success(request.operation, answer)
            return answer

    async def open(self, request: Request, *, allow_refusal: bool = False) -> OpenAnswer:
        """Send a request and return its answer, to be entered, once the head is there.

        However the answer is left, nothing more of the request's body is sent, and the body is the caller's
        again. After an error none of it counts as sent.
        """
        payload, slots = self._sender.payload_of(request), self._slots(request)
        await slots.take(request.operation)

        def release(kind: type[BaseException] | None) -> None:
            payload.abandon()
            if kind is not None:
                payload.sent.take_back()
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
            bandwidth=self._sender.bandwidth,
            moved=slots.moved,
            release=release,
        )
        try:
            refuse_redirect(request.operation, answer.status, answer.headers, origin=self.origin)
            if answer.status >= 400 and not allow_refusal:
                raise self._refused(request, await _read(answer), keys)
        except BaseException as error:
            await answer.aclose(type(error))
            raise
        return answer

    def _slots(self, request: Request) -> Slots:
        is_bulky = request.body.nbytes > 0 or request.operation == "GetJobOutput"
        return self._body_slots if is_bulky else self._control_slots

    def _signed(self, request: Request, keys: Keys) -> Mapping[str, str]:
        is_ours = request.url.startswith(f"{self.origin}/")  # nearly always, and quicker than parsing
        if not is_ours and URL(request.url, encoded=True).origin() != URL(self.origin):
            raise UnexpectedResponseError(
                f"a request to {URL(request.url).origin()} does not belong to {self.origin}; it was not sent",
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
        error = refusal(
            request.operation, answer, missing=request.missing, region=self.region, origin=self.origin
        )
        if isinstance(error, CredentialsExpiredError):
            self._key_source.distrust(keys)
        return error


async def _read(answer: OpenAnswer) -> Answer:
    body = await answer.read(MAX_ANSWER if answer.status < 400 else MAX_ERROR_BODY)
    return Answer(answer.status, answer.headers, body, datetime.now(UTC))
