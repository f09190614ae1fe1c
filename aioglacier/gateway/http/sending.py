"""The other end of ``relay``: a signed request is sent, and what came of it told."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from aioglacier.core.errors import (
    GlacierError,
    SourceChangedError,
    SourceUnreadableError,
    TransportError,
    UnexpectedResponseError,
)
from aioglacier.files.reading import FileChangedError, FileIdentity, FileRange, open_unchanged
from aioglacier.files.unreadable import source_changed, source_unreadable
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.http.client_session import open_http_session
from aioglacier.gateway.http.proxies import tls_context
from aioglacier.gateway.http.relay import Destination
from aioglacier.gateway.http.wire import Request, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping


@asynccontextmanager
async def open_wire(to: Mapping[str, Any]) -> AsyncIterator[Wire]:
    """A wire to a destination, for requests that are signed already: it has no credentials."""
    destination = Destination(**to)
    options = GatewayOptions(
        connect_timeout_seconds=destination.connect_timeout_seconds,
        stall_timeout_seconds=destination.stall_timeout_seconds,
        minimum_rate=destination.minimum_rate,
    )
    is_encrypted = any(url and url.startswith("https:") for url in (destination.origin, destination.proxy))
    context = await to_thread.run_sync(tls_context, destination.ca_bundle) if is_encrypted else None
    async with open_http_session(context, options) as session:
        yield Wire(
            session,
            origin=destination.origin,
            region="",
            identity=None,
            proxy=destination.proxy,
            options=options,
        )


async def do_job(wire: Wire, job: Mapping[str, Any], progress: Callable[[int], None]) -> dict[str, Any]:
    """Send a request, and say what came of it."""
    try:
        path, offset, nbytes, identity = job["body"]
        path = os.fsdecode(path.encode("latin-1"))
        descriptor = await to_thread.run_sync(_open, path, offset, FileIdentity(*identity))
        try:
            request = Request(
                operation=job["operation"],
                method=job["method"],
                url=job["url"],
                headers={},
                body=FileRange(descriptor, path, offset, nbytes, FileIdentity(*identity)),
                progress=progress,
                first_byte_timeout_seconds=job["first_byte_timeout_seconds"],
            )
            answer = await wire.exchange_signed(request, job["headers"])
        finally:
            os.close(descriptor)
    except GlacierError as error:
        return {"trouble": _trouble(error)}
    headers = [[name, value] for name, value in answer.headers.items()]
    return {"status": answer.status, "headers": headers, "body": answer.body.decode("latin-1")}


def _open(path: str, offset: int, identity: FileIdentity) -> int:
    try:
        return open_unchanged(path, identity)
    except FileChangedError as error:
        raise source_changed(path, str(error)) from None
    except OSError as error:
        raise source_unreadable(path, offset, error) from error


def _trouble(error: GlacierError) -> dict[str, Any]:
    trouble: dict[str, Any] = {"kind": type(error).__name__, "message": error.message}
    match error:
        case SourceChangedError():
            trouble |= {"path": error.path, "field": error.field}
        case SourceUnreadableError():
            trouble |= {"path": error.path, "errno": error.errno, "offset": error.offset}
        case UnexpectedResponseError():
            trouble |= {
                "status": error.status,
                "may_have_taken_effect": error.may_have_taken_effect,
            }
        case TransportError():
            trouble |= {"may_have_taken_effect": error.may_have_taken_effect}
    return trouble
