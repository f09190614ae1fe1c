"""Requests that this process signs and judges, and another one sends.

One event loop encrypts what one core can. A request whose body is a range of a file is plain data, so another
process can send it: it is told where to, the signed head, and path, offset and length of the body; it answers
with status, headers and body, or with what went wrong. Credentials stay here, and so does every decision.

Who the other process is, and what becomes of it, is for ``transfer.senders``; what it does is in ``sending``.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol

from multidict import CIMultiDict

from aioglacier.core.errors import (
    CertificateError,
    ConnectionFailedError,
    ConnectionLostError,
    SourceChangedError,
    SourceUnreadableError,
    StalledTransferError,
    TransportError,
    UnexpectedResponseError,
)
from aioglacier.files.reading import FileRange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.http.wire import Request

#: What may go wrong over there, by the names it travels under.
_TROUBLE: Final[Mapping[str, type[TransportError]]] = {
    kind.__name__: kind
    for kind in (CertificateError, ConnectionFailedError, ConnectionLostError, StalledTransferError)
}


class Relay(Protocol):
    """Sends requests somewhere else."""

    async def send(self, job: dict[str, Any], report: Callable[[int], None]) -> dict[str, Any] | None:
        """Let the job be done, and return its answer; ``None``, at once, if nobody is free to do it.

        ``report`` is told how many bytes of the body have gone out so far.

        Raises:
            SenderLostError: Whoever had the job is gone.
        """
        ...


class SenderLostError(Exception):
    """The process that was sending is gone; what it had sent may have taken effect."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where requests go, and how patient whoever sends them is.

    Attributes:
        origin: Scheme, host and port; nothing is sent anywhere else.
        proxy: URL of an HTTP proxy.
        ca_bundle: Certificates to trust; ``None`` for the usual ones.
    """

    origin: str
    proxy: str | None
    ca_bundle: str | None
    connect_timeout_seconds: float
    stall_timeout_seconds: float
    minimum_rate: int

    @classmethod
    def of(
        cls, origin: str, proxy: str | None, ca_bundle: str | None, options: GatewayOptions
    ) -> Destination:
        """The destination of a gateway's wire, as it is in this process's environment."""
        return cls(
            origin,
            proxy,
            ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE"),
            options.connect_timeout_seconds,
            options.stall_timeout_seconds,
            options.minimum_rate,
        )


class RelayedAnswer(NamedTuple):
    """What came back, whatever it is, for who signed the request to judge."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def job_for(request: Request, headers: Mapping[str, str], to: Destination) -> dict[str, Any]:
    """A signed request as plain data. Its body must be a range of a file."""
    assert isinstance(request.body, FileRange)  # noqa: S101  # whoever asks has looked
    body = request.body
    return {
        "to": asdict(to),
        "operation": request.operation,
        "method": request.method,
        "url": request.url,
        "headers": dict(headers),
        "first_byte_timeout_seconds": request.first_byte_timeout_seconds,
        # A path as its bytes, one character each: the other process may spell names in another encoding.
        "body": [os.fsencode(body.path).decode("latin-1"), body.offset, body.nbytes, body.identity],
    }


def read_answer(operation: str, answer: Mapping[str, Any]) -> RelayedAnswer:
    """What came back.

    Raises:
        TransportError: No answer did.
        SourceError: The file could not be read there.
    """
    if "trouble" in answer:
        _raise_trouble(operation, **answer["trouble"])
    headers = CIMultiDict((name, value) for name, value in answer["headers"])
    return RelayedAnswer(answer["status"], headers, answer["body"].encode("latin-1"))


def _raise_trouble(
    operation: str, *, kind: str, message: str, may_have_taken_effect: bool = False, **more: Any
) -> NoReturn:
    if kind == SourceChangedError.__name__:
        raise SourceChangedError(message, **more)
    if kind == SourceUnreadableError.__name__:
        raise SourceUnreadableError(message, **more)
    if kind == UnexpectedResponseError.__name__:
        raise UnexpectedResponseError(
            message, operation=operation, may_have_taken_effect=may_have_taken_effect, **more
        )
    raise _TROUBLE[kind](message, operation=operation, may_have_taken_effect=may_have_taken_effect)
