"""Count the signs that the path or the service gets more than it can take.

The retry layer counts them where attempts fail. The concurrency controller reads the count when it has a
decision to make, so no call-back is needed.
"""

from __future__ import annotations

from typing import Final

from aioglacier.core.errors import (
    GlacierError,
    ServiceError,
    StalledTransferError,
    TemporaryServiceError,
    ThrottledError,
)

#: Request timeout, too many requests, slow down (API reference, "Error responses").
_STATUSES: Final = frozenset({408, 429, 503})
_CODES: Final = frozenset({"RequestTimeout", "RequestTimeoutException"})


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


def is_congestion(error: GlacierError) -> bool:
    """Return whether fewer requests at once might have prevented this error.

    A refused or broken connection is an outage, which fewer requests would not end.
    """
    if isinstance(error, StalledTransferError | ThrottledError):
        return True
    if isinstance(error, ServiceError) and error.code in _CODES:
        return True
    return isinstance(error, TemporaryServiceError) and error.status in _STATUSES
