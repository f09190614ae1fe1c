"""The ways in which a request does not succeed: an error answer, or no answer at all."""

from __future__ import annotations

from typing import Any


class RefusalError(Exception):
    """An error answer of the service.

    Attributes:
        status: HTTP status, 4xx or 5xx.
        code: The service's name of the error, ``ResourceNotFoundException``.
        message: The text beside it.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    @property
    def type(self) -> str:
        """The side that is at fault: ``Client`` or ``Server``."""
        return "Client" if self.status < 500 else "Server"


class ConnectionDroppedError(Exception):
    """The client has closed the connection, or a scripted fault cut it: no answer is sent."""


def refuse(row: tuple[int, str, str], **values: Any) -> RefusalError:
    """Return a refusal from a row of the table of behaviours, its text filled with ``values``."""
    status, code, text = row
    return RefusalError(status, code, text.format(**values) if values else text)


def invalid(message: str) -> RefusalError:
    """Return the refusal of a wrong value, or of an operation that the state does not allow."""
    return RefusalError(400, "InvalidParameterValueException", message)


def missing(name: str) -> RefusalError:
    """Return the refusal for a missing header or field."""
    return RefusalError(400, "MissingParameterValueException", f"Required parameter missing: {name}")


def not_found(message: str) -> RefusalError:
    """Return the refusal for a vault, archive, upload, job or setting that does not exist."""
    return RefusalError(404, "ResourceNotFoundException", message)


def vault_not_found(arn: str) -> RefusalError:
    """Return the refusal for a vault that does not exist."""
    return not_found(f"Vault not found for ARN: {arn}")


def denied(message: str) -> RefusalError:
    """Return the refusal for another account, by a policy, or for a lock in the wrong state."""
    return RefusalError(403, "AccessDeniedException", message)


def limit_exceeded(message: str) -> RefusalError:
    """Return the refusal for one more than the service allows."""
    return RefusalError(400, "LimitExceededException", message)
