"""Signs that the path or the service is given more than it takes.

Counted where attempts fail, in the retry layer, and read by whoever decides how many bodies go at once. A
count, and no call-back: who reads it does so when it has a decision to make.
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
        signs: Attempts that failed for want of capacity, on the way or at the service.
    """

    def __init__(self) -> None:
        self.signs = 0

    def note(self, error: GlacierError) -> None:
        """Count a failed attempt if it is a sign."""
        self.signs += is_congestion(error)


def is_congestion(error: GlacierError) -> bool:
    """Whether less at once might have kept this from happening.

    A refused or broken connection says nothing of the sort: that is an outage, and over when it is over.
    """
    if isinstance(error, StalledTransferError | ThrottledError):
        return True
    if isinstance(error, ServiceError) and error.code in _CODES:
        return True
    return isinstance(error, TemporaryServiceError) and error.status in _STATUSES
