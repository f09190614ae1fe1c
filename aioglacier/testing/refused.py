"""A refusal on its way through the fake."""

from __future__ import annotations


class RefusedError(Exception):
    """What the service would answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def invalid(message: str, *, code: str = "InvalidParameterValueException", status: int = 400) -> RefusedError:
    """A value or the state is wrong."""
    return RefusedError(status, code, message)


def missing(message: str) -> RefusedError:
    """What was named is not there."""
    return RefusedError(404, "ResourceNotFoundException", message)


def denied(message: str) -> RefusedError:
    """Not allowed."""
    return RefusedError(403, "AccessDeniedException", message)
