"""The caller of a table: builds a request from a row, sends it once, reads the answer by the row."""

from __future__ import annotations

import re
from abc import abstractmethod
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from aioglacier.core.errors import EmptyArchiveError, GlacierError, InvalidPlanError, UnexpectedResponseError
from aioglacier.gateway.calls.open_output import HttpOutput
from aioglacier.gateway.contract.operation import Performer
from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.contract.row_columns import written
from aioglacier.gateway.http.judge import check_is_own
from aioglacier.gateway.http.request_bodies import change_in
from aioglacier.gateway.http.sending import NO_BODY, Request
from aioglacier.gateway.http.service_errors import payload_refusal, printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Body, Progress, RawRequest
    from aioglacier.gateway.http.request_bodies import TrailedBody
    from aioglacier.gateway.http.wire import Wire

T = TypeVar("T")


class SentBody(NamedTuple):
    """A body in the words of a message.

    Attributes:
        what: Its name, as "the archive".
        checksum: The hash that the service compares.
        kind: The hash's name.
        byte_range: The bytes of the whole, where they are known.
    """

    what: str
    checksum: bytes
    kind: str
    byte_range: ByteRange | None = None


class Caller(Performer):
    """Performs the rows of one service's table, each sent once.

    Attributes:
        takes_empty_bodies: Whether the service stores bodies of no bytes.
    """

    takes_empty_bodies: ClassVar[bool]

    def __init__(self, wire: Wire, options: GatewayOptions) -> None:
        self.region = wire.region
        self.origin = wire.origin
        self._wire = wire
        self._options = options

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.origin} region={self.region}>"

    @abstractmethod
    def address(self, operation: Operation[Any], arguments: Arguments) -> str:
        """Return the URL of a call with the row's own query; refuse names that no URL can have."""

    @abstractmethod
    def headers(self, arguments: Arguments, document: memoryview) -> Mapping[str, str]:
        """Return the headers that every request of the service has, for one with this document."""

    @abstractmethod
    def describe_body(self, arguments: Arguments) -> SentBody:
        """Return the name and hash of the call's body."""

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Send one request and read its answer."""
        try:
            if operation.largest_body is not None:  # bytes of the user: they are sent as they lie, and proven
                return await self._send_body(operation, arguments)
            document = operation.document
            body = NO_BODY if document is None else memoryview(document(arguments))
            request = self._request(operation, arguments, document=body, body=body)
            return read(operation, await self._wire.exchange(request), arguments)
        except GlacierError as error:
            error.add_facts(self.facts(arguments))
            raise

    @asynccontextmanager
    async def open_output(
        self, operation: Operation[T], arguments: Arguments
    ) -> AsyncIterator[HttpOutput[T]]:
        """Send a request and leave its answer open."""
        try:
            request = self._request(operation, arguments, is_output=True)
            async with await self._wire.open(request) as answer:
                # Before the first byte is trusted: a portal may answer for the service.
                check_is_own(request.operation, answer.status, answer.headers, self._wire.dialect)
                head = Answer(answer.status, answer.headers, b"", datetime.now(UTC))  # its body comes later
                output = HttpOutput(
                    answer,
                    read(operation, head, arguments),
                    byte_range=arguments["byte_range"],
                    is_part=arguments.get("part_number") is not None,
                    total=arguments.get("total"),
                )
                try:
                    yield output
                finally:
                    output.close()
        except GlacierError as error:
            error.add_facts(self.facts(arguments))
            raise

    async def send_raw(self, raw: RawRequest, path: str, headers: Mapping[str, str]) -> Answer:
        """Send a request that has no row to a path; ``headers`` give way to its own."""
        if not re.fullmatch(r"[A-Z]+", raw.method.upper()):
            raise InvalidPlanError(f"{raw.method!r} is not an HTTP method")
        for name, value in raw.headers.items():
            _check_header(name, value)
        url = self.origin + _encoded(path)  # a path of the caller, so it goes to no other host
        if raw.query:
            url += "?" + urlencode(raw.query, quote_via=quote)
        return await self._wire.exchange(
            Request(
                operation=f"{raw.method} {raw.path}",
                method=raw.method.upper(),
                url=url,
                headers={**headers, **raw.headers},
                body=memoryview(raw.body),
                first_byte_timeout_seconds=self._options.timeouts.first_byte,
            ),
            allow_refusal=True,
        )

    async def _send_body(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Send bytes as they are. If others than the hashed ones arrived, raise ``IntegrityError``."""
        body: Body = arguments["body"]
        progress: Progress | None = arguments.get("progress")
        self._check_size(operation, arguments)  # before gigabytes are sent for a refusal
        try:
            framed: TrailedBody | None = arguments.get("framed")
            counts = framed.counting(progress) if framed is not None and progress is not None else progress
            request = self._request(operation, arguments, body=framed or body, progress=counts)
            answer = await self._wire.exchange(request)
            try:
                return read(operation, answer, arguments)
            except GlacierError:
                if progress is not None:
                    progress(-body.nbytes)  # all of it will be sent again
                raise
        except GlacierError as error:
            error.upload_id = arguments.get("upload_id")
            sent = self.describe_body(arguments)
            # A file that changed meanwhile explains other bytes better than damage on the way.
            if refused := payload_refusal(
                error, what=sent.what, expected=sent.checksum, kind=sent.kind, byte_range=sent.byte_range
            ):
                raise await change_in(body) or refused from error
            raise

    def _check_size(self, operation: Operation[Any], arguments: Arguments) -> None:
        """Refuse a body that the service would refuse for its size."""
        size, largest = arguments["body"].nbytes, operation.largest_body or 0
        if size == 0 and not self.takes_empty_bodies:
            raise EmptyArchiveError(f"{self.describe_body(arguments).what} would be empty")
        if size > largest:
            what = self.describe_body(arguments).what
            raise InvalidPlanError(f"{what} has at most {largest} bytes, not {size}; send it in parts")

    def _request(
        self,
        operation: Operation[Any],
        arguments: Arguments,
        *,
        document: memoryview = NO_BODY,
        body: Body | TrailedBody = NO_BODY,
        progress: Progress | None = None,
        is_output: bool = False,
    ) -> Request:
        timeouts = self._options.timeouts
        url = self.address(operation, arguments)
        if operation.query and (query := written(operation.query, arguments)):
            url += ("&" if "?" in url else "?") + urlencode(query, quote_via=quote)
        headers = dict(self.headers(arguments, document))
        for name, value in written(operation.headers, arguments).items():
            if isinstance(value, str):
                headers[name] = value
            else:  # several, whose names begin alike
                headers.update((name + rest, each) for rest, each in value.items())
        return Request(
            operation=operation.name,
            method=operation.method,
            url=url,
            headers=headers,
            body=body,
            progress=progress,
            before_last=arguments.get("before_last"),
            meaning=operation.meaning,
            is_output=is_output,
            first_byte_timeout_seconds=timeouts.completion if operation.is_slow else timeouts.first_byte,
        )


def read(operation: Operation[T], answer: Answer, arguments: Arguments) -> T:
    """Return the result of an answer.

    Raises:
        UnexpectedResponseError: The answer is cut, or of another kind.
    """
    try:
        return operation.reads(answer, arguments)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        why = f"it lacks {error}" if isinstance(error, LookupError) else printable(str(error))
        sample = printable(answer.body[:80].decode("utf-8", "replace"))
        raise UnexpectedResponseError(
            f"the answer is not what {operation.name} promises: {why}"
            + (f"; it begins {sample!r}" if sample else ""),
            operation=operation.name,
            status=answer.status,
        ) from error


def _check_header(name: str, value: str) -> None:
    """Refuse a header that has a control character or an invalid name."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise InvalidPlanError(f"{name!r} is not the name of a header")
    if not re.fullmatch(r"[\t\x20-\x7e\x80-\U0010ffff]*", value):  # a line end would begin another header
        raise InvalidPlanError(f"the header {name} has a control character in its value: {value!r}")


@lru_cache(maxsize=64)
def _encoded(path: str) -> str:
    """Return any path as it is sent."""
    return quote(path, safe="/~%")
