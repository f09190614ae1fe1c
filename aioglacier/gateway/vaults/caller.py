"""The one caller of the table: builds a request from a row, sends it once, reads the answer by the row."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlencode

from aioglacier.core.checks import check_id, check_vault_name
from aioglacier.core.errors import EmptyArchiveError, GlacierError, InvalidPlanError
from aioglacier.gateway.calls.open_output import HttpOutput
from aioglacier.gateway.contract.options import USER_AGENT
from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.contract.row_columns import written
from aioglacier.gateway.http.judge import check_is_glacier
from aioglacier.gateway.http.request_bodies import change_in
from aioglacier.gateway.http.sending import NO_BODY, Request
from aioglacier.gateway.http.service_errors import payload_refusal
from aioglacier.gateway.vaults.answers import part_range, unreadable
from aioglacier.gateway.vaults.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Body, Progress, RawRequest
    from aioglacier.gateway.http.wire import Wire

T = TypeVar("T")

#: Headers of every request.
_HEADERS: Final = {"User-Agent": USER_AGENT, "x-amz-glacier-version": "2012-06-01"}

#: Arguments that each error of a call carries.
_FACTS: Final = ("vault", "archive_id", "job_id")


class VaultCaller(Gateway):
    """Every operation of the vault API, each sent once."""

    def __init__(self, wire: Wire, options: GatewayOptions) -> None:
        self.region = wire.region
        self.origin = wire.origin
        self._wire = wire
        self._options = options

    def __repr__(self) -> str:
        return f"<VaultCaller {self.origin} region={self.region}>"

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Send one request and read its answer."""
        try:
            if operation.largest_body is not None:
                return await self._send_body(operation, arguments)
            request = self._request(operation, arguments, body=_document(operation, arguments))
            return _read(operation, await self._wire.exchange(request), arguments)
        except GlacierError as error:
            _stamp(error, arguments)
            raise

    @asynccontextmanager
    async def open_output(
        self, operation: Operation[T], arguments: Arguments
    ) -> AsyncIterator[HttpOutput[T]]:
        """Send a request and leave its answer open."""
        try:
            request = self._request(operation, arguments)
            async with await self._wire.open(request) as answer:
                check_is_glacier(request.operation, answer.status, answer.headers)
                head = Answer(answer.status, answer.headers, b"", datetime.now(UTC))
                output = HttpOutput(
                    answer,
                    _read(operation, head, arguments),
                    byte_range=arguments["byte_range"],
                    is_part=arguments.get("part_number") is not None,
                )
                try:
                    yield output
                finally:
                    output.close()
        except GlacierError as error:
            _stamp(error, arguments)
            raise

    async def request(self, raw: RawRequest) -> Answer:
        """Send a request that has no row."""
        if not re.fullmatch(r"[A-Z]+", raw.method.upper()):
            raise InvalidPlanError(f"{raw.method!r} is not an HTTP method")
        for name, value in raw.headers.items():
            _check_header(name, value)
        whole = raw.path if raw.path.startswith("/") else f"/{self._options.account_id}/{raw.path}"
        url = self.origin + _encoded(whole)
        if raw.query:
            url += "?" + urlencode(raw.query, quote_via=quote)
        return await self._wire.exchange(
            Request(
                operation=f"{raw.method} {raw.path}",
                method=raw.method.upper(),
                url=url,
                headers={**_HEADERS, **raw.headers},
                body=memoryview(raw.body),
                first_byte_timeout_seconds=self._options.timeouts.first_byte,
            ),
            allow_refusal=True,
        )

    async def _send_body(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Send bytes as they are. If others than the hashed ones arrived, raise ``IntegrityError``."""
        body: Body = arguments["body"]
        progress: Progress | None = arguments.get("progress")
        _check_size(operation, arguments)
        try:
            request = self._request(operation, arguments, body=body, progress=progress)
            answer = await self._wire.exchange(request)
            try:
                return _read(operation, answer, arguments)
            except GlacierError:
                if progress is not None:
                    progress(-body.nbytes)  # all of it will be sent again
                raise
        except GlacierError as error:
            error.upload_id = arguments.get("upload_id")
            if refused := payload_refusal(
                error,
                what=_name_of(arguments),
                tree_hash=arguments["hashes"].tree_hash,
                byte_range=part_range(arguments),
            ):
                raise await change_in(body) or refused from error
            raise

    def _request(
        self,
        operation: Operation[Any],
        arguments: Arguments,
        *,
        body: Body = NO_BODY,
        progress: Progress | None = None,
    ) -> Request:
        timeouts = self._options.timeouts
        ids = tuple(map(arguments.__getitem__, _ids(operation.path)))
        url = self.origin + _path(operation.path, self._options.account_id, ids)
        if operation.query and (query := written(operation.query, arguments)):
            url += "?" + urlencode(query, quote_via=quote)
        return Request(
            operation=operation.name,
            method=operation.method,
            url=url,
            headers=_HEADERS | written(operation.headers, arguments),
            body=body,
            progress=progress,
            before_last=arguments.get("before_last"),
            missing=operation.missing,
            first_byte_timeout_seconds=timeouts.completion if operation.is_slow else timeouts.first_byte,
        )


@cache
def _ids(template: str) -> tuple[str, ...]:
    """Return the names of the arguments in a path."""
    return tuple(re.findall(r"\{(\w+)\}", template))


@lru_cache(maxsize=256)
def _path(template: str, account: str, ids: tuple[str, ...]) -> str:
    """Return a path as it is sent. All parts of an upload have the same."""
    checked = {
        name: check_vault_name(value) if name == "vault" else check_id(name.removesuffix("_id"), value)
        for name, value in zip(_ids(template), ids, strict=True)
    }
    return f"/{account}/{template.format_map(checked)}"


def _check_header(name: str, value: str) -> None:
    """Refuse a header that has a control character or an invalid name."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise InvalidPlanError(f"{name!r} is not the name of a header")
    if not re.fullmatch(r"[\t\x20-\x7e\x80-\U0010ffff]*", value):
        raise InvalidPlanError(f"the header {name} has a control character in its value: {value!r}")


@lru_cache(maxsize=64)
def _encoded(path: str) -> str:
    """Return any path as it is sent."""
    return quote(path, safe="/~%")


def _document(operation: Operation[Any], arguments: Arguments) -> memoryview:
    """Return the document of a request, empty for an operation without one."""
    if operation.document is None:
        return NO_BODY
    return memoryview(operation.document(arguments))


def _read(operation: Operation[Any], answer: Answer, arguments: Arguments) -> Any:
    """Return the result of an answer.

    Raises:
        UnexpectedResponseError: The answer is cut, or of another kind.
    """
    try:
        return operation.reads(answer, arguments)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise unreadable(operation.name, answer, error) from error


def _stamp(error: GlacierError, arguments: Arguments) -> None:
    """Add the vault, archive and job of a call to its error."""
    for name in _FACTS:
        if getattr(error, name) is None:
            setattr(error, name, arguments.get(name))


def _check_size(operation: Operation[Any], arguments: Arguments) -> None:
    """Refuse a body that the service would refuse for its size."""
    size, largest = arguments["body"].nbytes, operation.largest_body or 0
    if size == 0:
        raise EmptyArchiveError(f"{_name_of(arguments)} would be empty")
    if size > largest:
        raise InvalidPlanError(
            f"{_name_of(arguments)} has at most {largest} bytes, not {size}; send it in parts"
        )


def _name_of(arguments: Arguments) -> str:
    """Return the name of a body for a message."""
    return f"the part at byte {arguments['start']}" if "start" in arguments else "the archive"
