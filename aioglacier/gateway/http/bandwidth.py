"""One rate for all bodies of a connection, those that are sent and those that are read."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.rate_schedule import RateSchedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Takes in a second at the full rate, so that many bodies get turns within their stall time.
_TAKES_PER_SECOND: Final = 8

#: The most bytes of one take: as many as a slice of a body has.
_LARGEST_TAKE: Final = 512 * 1024

#: An unused rate is kept for so long, so that a busy event loop loses none of it.
_KEPT_SECONDS: Final = 0.25


def minute_of_day() -> int:
    """Return the minutes since midnight, in this machine's zone."""
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min


class Bandwidth:
    """A bucket of bytes that refills at a rate, first come, first served.

    A take is entered at once, and waits once for the moment at which its bytes may pass: nothing polls. The
    rate of a schedule is looked up for each take, so a change of it counts at once.
    """

    def __init__(
        self,
        rate: int | RateSchedule,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        minute: Callable[[], int] = minute_of_day,
    ) -> None:
        self._schedule = rate if isinstance(rate, RateSchedule) else None
        self._fixed = rate if isinstance(rate, int) else None
        self._clock = clock
        self._sleep = sleep
        self._minute = minute
        self._free_at = -math.inf

    @property
    def _rate(self) -> int | None:
        return self._fixed if self._schedule is None else self._schedule.rate_at(self._minute())

    @property
    def largest_take(self) -> int:
        """The most bytes to take at once."""
        rate = self._rate
        return _LARGEST_TAKE if rate is None else max(1, min(rate // _TAKES_PER_SECOND, _LARGEST_TAKE))

    async def take(self, count: int) -> None:
        """Wait until ``count`` bytes may pass. Cancelled, it takes none."""
        rate = self._rate
        if rate is None:
            return
        now = self._clock()
        self._free_at = max(self._free_at, now - _KEPT_SECONDS) + count / rate
        if self._free_at > now:
            try:
                await self._sleep(self._free_at - now)
            except BaseException:
                self._free_at -= count / rate
                raise
