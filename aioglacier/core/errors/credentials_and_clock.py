"""Errors for credentials or a clock that the service does not accept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.errors.root import GlacierError

if TYPE_CHECKING:
    from datetime import datetime


class CredentialsError(GlacierError):
    """Credentials or clock were not accepted.

    Attributes:
        code: The service's code, ``None`` if nothing was sent.
        request_id: The service's id of the request.
    """

    def __init__(self, message: str, *, code: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        request = f"request {self.request_id}" if self.request_id else ""
        answer = ", ".join(filter(None, (self.code, request)))
        return self.message + (f" [{answer}]" if answer else "") + self._circumstances()


class NoCredentialsError(CredentialsError):
    """No credentials were found; nothing was read or sent."""


class InvalidCredentialsError(CredentialsError):
    """The access key is unknown, or the secret key does not belong to it."""


class CredentialsExpiredError(CredentialsError):
    """Temporary credentials expired, and no newer ones were found."""


class ClockSkewError(CredentialsError):
    """This machine's clock and the service's differ by more than a signature may.

    Attributes:
        local_time: By this machine, UTC.
        server_time: By the service's answer, UTC.
    """

    def __init__(
        self,
        message: str,
        *,
        local_time: datetime | None,
        server_time: datetime | None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.local_time = local_time
        self.server_time = server_time
