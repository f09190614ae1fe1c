"""The errors for an answer that does not come, and whether the service may have acted nevertheless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from aioglacier.core.errors import (
    CertificateError,
    ConnectionFailedError,
    ConnectionLostError,
    StalledTransferError,
    TransportError,
    UnexpectedResponseError,
)
from aioglacier.gateway.http.service_errors import printable

if TYPE_CHECKING:
    from aioglacier.gateway.http.payload import Sent

#: botocore 1.43, endpoints.json, service "glacier". Only a message rests on it: a region it lacks may be new.
REGIONS: Final = (
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ca-central-1", "cn-north-1", "cn-northwest-1",
    "eu-central-1", "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3", "me-south-1",
    "sa-east-1", "us-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-west-1", "us-west-2",
)  # fmt: skip


def failure(operation: str, sent: Sent, error: Exception, *, origin: str, is_proxied: bool) -> Exception:
    """Return our error for one of aiohttp's that came before the head of the answer.

    A body that the kernel does not have whole cannot have taken effect: the service acts on whole bodies. If
    this side could not make the body, as from a file that cannot be read, its own error is returned instead.
    """
    if sent.failure is not None:
        return sent.failure
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return CertificateError(
            f"the certificate of {error.host} is not accepted: {error.certificate_error}",
            operation=operation,
            may_have_taken_effect=False,
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):  # the request never left the proxy
        return _proxy_failure(operation, error)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        via = " through the proxy" if is_proxied else ""
        return ConnectionFailedError(
            f"no connection to {origin}{via} ({reason(error)})",
            operation=operation,
            may_have_taken_effect=False,
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return UnexpectedResponseError(
            f"the answer is not HTTP ({printable(error.message)})", operation=operation, status=error.status
        )
    return ConnectionLostError(
        f"the connection was lost after {sent.count} of {sent.size} bytes ({reason(error)})",
        operation=operation,
        may_have_taken_effect=sent.is_complete,
    )


def unknown_name(operation: str, *, origin: str, region: str, proxy: str | None) -> ConnectionFailedError:
    """Return our error for a host that never had an address, with the region that may be meant."""
    nearest = nearest_region(region)
    if proxy is not None:
        message = f"the proxy's host name {URL(proxy).host} is unknown"
    elif nearest and origin == f"https://glacier.{region}.amazonaws.com":
        message = f"there is no {origin}: Glacier has no region {region!r}; did you mean {nearest!r}?"
    else:
        message = f"the host name of {origin} is unknown; is it right, and is this machine connected?"
    error = ConnectionFailedError(message, operation=operation, may_have_taken_effect=False)
    error.is_name_unknown = True
    return error


def stall_failure(
    operation: str,
    sent: Sent,
    *,
    origin: str,
    has_body: bool,
    stall_seconds: float,
    first_byte_seconds: float,
) -> TransportError:
    """Return our error for a request whose time ran out."""
    if has_body and sent.started_at is None:  # the body was never asked for, so no connection was made
        return ConnectionFailedError(
            f"no connection to {origin} in time", operation=operation, may_have_taken_effect=False
        )
    if sent.is_complete or not has_body:
        message = f"no answer within {first_byte_seconds:g} s of the whole request"
    else:
        message = f"no byte moved for {stall_seconds:g} s, after {sent.count} of {sent.size} bytes"
    return StalledTransferError(message, operation=operation, may_have_taken_effect=sent.is_complete)


def reason(error: BaseException) -> str:
    """Return the words of an error, or those of its cause, or its name."""
    if isinstance(error, aiohttp.ClientPayloadError) and isinstance(error.__cause__, HttpProcessingError):
        return printable(error.__cause__.message)  # the error itself quotes the repr of its cause
    for candidate in (error, error.__cause__):
        text = getattr(candidate, "strerror", None) or str(candidate or "")
        if text:
            return printable(text)
    return type(error).__name__


def _proxy_failure(operation: str, error: aiohttp.ClientHttpProxyError) -> TransportError:
    message = f"the proxy answered {error.status} {printable(error.message)}".rstrip()
    if error.status in {408, 429} or error.status >= 500:
        return ConnectionFailedError(message, operation=operation, may_have_taken_effect=False)
    return UnexpectedResponseError(
        message, operation=operation, status=error.status, may_have_taken_effect=False
    )


def nearest_region(name: str) -> str | None:
    """Return the region whose name is most like ``name``, or ``None`` if ``name`` is a region."""
    if name in REGIONS:
        return None
    from difflib import get_close_matches  # noqa: PLC0415  # for a message that is hardly ever needed

    return get_close_matches(name, REGIONS, n=1, cutoff=0)[0]
