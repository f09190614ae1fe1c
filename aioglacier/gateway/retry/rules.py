"""Decide what a failed attempt allows. The operations' own rules are a column of their table.

The question is always the same: may the attempt that failed have taken effect? If surely not, any operation
may be sent again. If it may have, only one that can be done twice.
"""

from __future__ import annotations

from typing import Final

from aioglacier.core.errors import (
    CredentialsExpiredError,
    GlacierError,
    IntegrityError,
    ServiceError,
    StalledTransferError,
    TemporaryServiceError,
    ThrottledError,
    TransportError,
    UnexpectedResponseError,
)

#: Attempts at one body, if the service reports other bytes, and if it reports nothing.
_ATTEMPTS_IF_REFUSED: Final = 3
_ATTEMPTS_IF_ECHO_DIFFERS: Final = 2

#: Attempts at a repeatable operation whose success lacks its proof: it is cut short, carries an error
#: document or lacks an id.
ATTEMPTS_AT_PROOF: Final = 3

#: Request timeout, too many requests, slow down (API reference, "Error responses").
_BUSY_STATUSES: Final = frozenset({408, 429, 503})
_BUSY_CODES: Final = frozenset({"RequestTimeout", "RequestTimeoutException"})


def is_without_effect(error: GlacierError) -> bool:
    """Return whether the service surely did not perform the operation.

    408 and 429 refuse the request, and 503 is sent before work begins; 500, 502 and 504 may come after it.
    """
    if isinstance(error, TransportError):
        return not error.may_have_taken_effect
    if isinstance(error, TemporaryServiceError):
        return isinstance(error, ThrottledError) or error.status in {408, 429, 503}
    return True


def is_unproven(error: GlacierError) -> bool:
    """Return whether the service answered with a success that could not be read."""
    return isinstance(error, UnexpectedResponseError) and error.may_have_taken_effect


def may_pass(error: GlacierError) -> bool:
    """Return whether the same request may succeed later, by the error alone."""
    return isinstance(error, ServiceError | TransportError) and error.is_retryable


def is_attempt_left(error: GlacierError, *, refusals: int, renewals: int) -> bool:
    """Return whether an error that does not pass with time deserves another attempt.

    Args:
        error: The error of the last attempt.
        refusals: The number of attempts that met an IntegrityError, this one included.
        renewals: The number of attempts that met expired credentials, this one included.
    """
    if isinstance(error, CredentialsExpiredError):
        return renewals == 1 and error.code is not None
    if isinstance(error, IntegrityError) and not error.is_stored:
        was_refused = error.__cause__ is not None
        return refusals < (_ATTEMPTS_IF_REFUSED if was_refused else _ATTEMPTS_IF_ECHO_DIFFERS)
    return False


def is_congestion(error: GlacierError) -> bool:
    """Return whether fewer requests at once might have prevented this error.

    A refused or broken connection is an outage, which fewer requests would not end.
    """
    if isinstance(error, StalledTransferError | ThrottledError):
        return True
    if isinstance(error, ServiceError) and error.code in _BUSY_CODES:
        return True
    return isinstance(error, TemporaryServiceError) and error.status in _BUSY_STATUSES


class Congestion:
    """The count of one gateway.

    Attributes:
        signs: The number of attempts that failed for lack of capacity, on the way or at the service.
    """

    def __init__(self) -> None:
        self.signs = 0

    def note(self, error: GlacierError) -> None:
        """Count a failed attempt if it is a sign."""
        self.signs += is_congestion(error)
