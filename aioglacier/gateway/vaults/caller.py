"""The one caller of the table: builds a request from a row, sends it once, reads the answer by the row."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from aioglacier.core.checks import check_id, check_vault_name
from aioglacier.core.errors import EmptyArchiveError, GlacierError, InvalidPlanError
from aioglacier.gateway.contract.options import USER_AGENT
from aioglacier.gateway.http.judge import check_is_glacier
from aioglacier.gateway.http.request import NO_BODY, Request
from aioglacier.gateway.http.request_bodies import change_in
from aioglacier.gateway.http.service_errors import payload_refusal
from aioglacier.gateway.vaults.answers import part_range, unreadable
from aioglacier.gateway.vaults.gateway import GET_JOB_OUTPUT, Gateway
from aioglacier.gateway.vaults.job_output import HttpJobOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Body, Progress
    from aioglacier.gateway.http.request import Answer
    from aioglacier.gateway.http.wire import Wire

#: What each request says of itself.
_HEADERS: Final[Mapping[str, str]] = {"User-Agent": USER_AGENT, "x-amz-glacier-version": "2012-06-01"}


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
        with _concerning(arguments):
            if operation.largest_body is not None:
                return await self._send_body(operation, arguments)
            request = self._request(operation, arguments, body=memoryview(_document(operation, arguments)))
            return _read(operation, await self._wire.exchange(request), arguments)

    @asynccontextmanager
    async def open_output(self, arguments: Arguments) -> AsyncIterator[HttpJobOutput]:
        """Send the request for a job's output and leave its answer open."""
        with _concerning(arguments):
            request = self._request(GET_JOB_OUTPUT, arguments)
            async with self._wire.opened(request) as answer:
                check_is_glacier(request.operation, answer.status, answer.headers)
                output = HttpJobOutput(answer, arguments["byte_range"])
                try:
                    yield output
                finally:
                    output.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send a request that has no row."""
        if not re.fullmatch(r"[A-Z]+", method.upper()):
            raise InvalidPlanError(f"{method!r} is not an HTTP method")
        for name, value in (headers or {}).items():
            _check_header(name, value)
        whole = path if path.startswith("/") else f"/{self._options.account_id}/{path}"
        url = self.origin + _encoded(whole)
        if query:
            url += "?" + urlencode(query, quote_via=quote)
        return await self._wire.exchange(
            Request(
                operation=f"{method} {path}",
                method=method.upper(),
                url=url,
                headers={**_HEADERS, **(headers or {})},
                body=memoryview(body),
                first_byte_timeout_seconds=self._options.timeouts.first_byte,
            ),
            allow_refusal=True,
        )

    async def _send_body(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Send bytes as they are; where the service got others than were hashed, say so."""
        body: Body = arguments["body"]
        part = part_range(arguments)
        what = "the archive" if part is None else f"the part of bytes {part}"
        _check_size(what, body, operation.largest_body or 0)
        try:
            with _taken_back_on_failure(arguments.get("progress")) as counted:
                request = self._request(operation, arguments, body=body, progress=counted)
                return _read(operation, await self._wire.exchange(request), arguments)
        except GlacierError as error:
            error.upload_id = arguments.get("upload_id")
            tree_hash = arguments["hashes"].tree_hash
            if refused := payload_refusal(error, what=what, tree_hash=tree_hash, byte_range=part):
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
        path = _path(operation.path, self._options.account_id, *_ids(arguments))
        query = _written(operation.query, arguments)
        return Request(
            operation=operation.name,
            method=operation.method,
            url=self.origin + path + ("?" + urlencode(query, quote_via=quote) if query else ""),
            headers={**_HEADERS, **_written(operation.headers, arguments)},
            body=body,
            progress=progress,
            before_last=arguments.get("before_last"),
            first_byte_timeout_seconds=timeouts.completion if operation.is_slow else timeouts.first_byte,
        )


def _ids(arguments: Arguments) -> Iterator[tuple[str, str]]:
    """Return the arguments that a path may name."""
    for name in ("vault", "archive_id", "upload_id", "job_id", "lock_id"):
        if name in arguments:
            yield name, arguments[name]


@lru_cache(maxsize=256)
def _path(template: str, account: str, *ids: tuple[str, str]) -> str:
    """Return a path as it is sent. All parts of an upload have the same."""
    checked = {
        name: check_vault_name(value) if name == "vault" else check_id(name.removesuffix("_id"), value)
        for name, value in ids
    }
    return f"/{account}/{template.format_map(checked)}"


def _check_header(name: str, value: str) -> None:
    """Refuse what would end a header early, or is not one."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise InvalidPlanError(f"{name!r} is not the name of a header")
    if not re.fullmatch(r"[\t\x20-\x7e\x80-\U0010ffff]*", value):
        raise InvalidPlanError(f"the header {name} has a control character in its value: {value!r}")


@lru_cache(maxsize=64)
def _encoded(path: str) -> str:
    """Return any path as it is sent."""
    return quote(path, safe="/~%")


def _written(writers: Mapping[str, Any], arguments: Arguments) -> dict[str, Any]:
    """Return what the writers write, without what is left out."""
    return {name: written for name, write in writers.items() if (written := write(arguments)) is not None}


def _document(operation: Operation[Any], arguments: Arguments) -> bytes:
    """Return the JSON body of a request, empty for an operation without one."""
    if operation.document is None:
        return b""
    return json.dumps(_written(operation.document, arguments)).encode()


def _read(operation: Operation[Any], answer: Answer, arguments: Arguments) -> Any:
    """Return the result that an answer holds; one that is cut, or of another kind, is an error of ours."""
    try:
        return operation.reads(answer, arguments)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise unreadable(operation.name, answer, error) from error


@contextmanager
def _concerning(arguments: Arguments) -> Iterator[None]:
    """Let an error say which vault it is about."""
    try:
        yield
    except GlacierError as error:
        if error.vault is None:
            error.vault = arguments.get("vault")
        raise


@contextmanager
def _taken_back_on_failure(progress: Progress | None) -> Iterator[Progress | None]:
    """Count what moves, and take it back if the request fails, because all of it will be sent again.

    The payload has taken back what it did not send to the end; it does not know of a refusal after the last
    byte.
    """
    if progress is None:
        yield None
        return
    moved = 0

    def count(bytes_: int) -> None:
        nonlocal moved
        moved += bytes_
        progress(bytes_)

    try:
        yield count
    except BaseException:
        if moved:
            progress(-moved)
        raise


def _check_size(what: str, body: Body, largest: int) -> None:
    if body.nbytes == 0:
        raise EmptyArchiveError(f"{what} would be empty")
    if body.nbytes > largest:
        raise InvalidPlanError(f"{what} has at most {largest} bytes, not {body.nbytes}; send it in parts")
