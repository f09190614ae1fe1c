"""A rate that depends on the time of day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

#: Bytes a second; an answer that brings fewer counts as stalled.
LEAST_RATE: Final = 1024


class RateWindow(NamedTuple):
    """Some hours of each day, and their rate.

    Attributes:
        start, stop: Minutes since midnight; the window may go past midnight.
        rate: Bytes a second; ``None`` for no limit.
    """

    start: int
    stop: int
    rate: int | None

    def __str__(self) -> str:
        """Return it as the command line takes it: "08:00-18:00=2000000"."""
        first, last = (f"{minute // 60:02}:{minute % 60:02}" for minute in (self.start, self.stop))
        return f"{first}-{last}={'off' if self.rate is None else self.rate}"

    def holds(self, minute: int) -> bool:
        """Return whether a minute of the day lies in the window."""
        return (minute - self.start) % 1440 < ((self.stop - self.start) % 1440 or 1440)


@dataclass(frozen=True, slots=True)
class RateSchedule:
    """Bytes a second by the time of day, in this machine's zone.

    Attributes:
        windows: The first one that holds a moment has its rate.
        otherwise: The rate outside of all windows; ``None`` for no limit.
    """

    windows: tuple[RateWindow, ...]
    otherwise: int | None = None

    def __str__(self) -> str:
        """Return it as the command line takes it."""
        last = [] if self.otherwise is None else [str(self.otherwise)]
        return ",".join([*map(str, self.windows), *last])

    @property
    def least(self) -> int | None:
        """The lowest of its rates, ``None`` if it limits nothing."""
        rates = [self.otherwise, *(window.rate for window in self.windows)]
        return min((rate for rate in rates if rate is not None), default=None)

    def rate_at(self, minute: int) -> int | None:
        """Return the rate in a minute of the day."""
        return next((window.rate for window in self.windows if window.holds(minute)), self.otherwise)
