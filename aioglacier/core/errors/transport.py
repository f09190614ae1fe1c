"""Errors for an answer of the service that did not arrive or cannot be used."""

from __future__ import annotations

from aioglacier.core.errors.root import GlacierError


class TransportError(GlacierError):
    """The request or its answer failed between this machine and the service.

    Attributes:
        operation: The operation's name in the API.
        may_have_taken_effect: Whether the service may have carried the request out nevertheless.
        is_retryable: Whether the same request may succeed a little later.
    """

    is_retryable: bool = True

    def __init__(self, message: str, *, operation: str, may_have_taken_effect: bool) -> None:
        super().__init__(message)
        self.operation = operation
        self.may_have_taken_effect = may_have_taken_effect

    def __str__(self) -> str:
        return f"{self.operation}: {self.message}{self._circumstances()}"


class ConnectionFailedError(TransportError):
    """No connection could be made: refused, no such host, no route.

    Attributes:
        is_name_unknown: Whether the host has no address, and had none before on this connection.
    """

    is_name_unknown = False


class ConnectionLostError(TransportError):
    """An open connection was closed, reset or cut in the middle of a request or an answer."""


class StalledTransferError(TransportError):
    """No byte moved for too long, or too few did."""


class CertificateError(TransportError):
    """The server's TLS certificate was not accepted."""

    is_retryable = False


class RedirectRefusedError(TransportError):
    """The answer points elsewhere. Bytes and credentials go to one origin only.

    Attributes:
        origin: Where the request went.
        location: Where the answer points.
    """

    is_retryable = False

    def __init__(self, message: str, *, operation: str, origin: str, location: str) -> None:
        super().__init__(message, operation=operation, may_have_taken_effect=False)
        self.origin = origin
        self.location = location


class UnexpectedResponseError(TransportError):
    """The answer is not one of Glacier's: a proxy's page, or a success without its proof.

    Attributes:
        status: The HTTP status.
    """

    is_retryable = False

    def __init__(
        self, message: str, *, operation: str, status: int, may_have_taken_effect: bool = True
    ) -> None:
        super().__init__(message, operation=operation, may_have_taken_effect=may_have_taken_effect)
        self.status = status
