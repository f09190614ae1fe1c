"""One rate for all bodies of a connection, those that are sent and those that are read."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.rate_schedule import RateSchedule
from aioglacier.files.shared_moment import SharedMoment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Takes in a second at the full rate, so that many bodies get turns within their stall time.
_TAKES_PER_SECOND: Final = 8

#: The most bytes of one take: as many as a slice of a body has.
_LARGEST_TAKE: Final = 512 * 1024

#: An unused rate is kept for so long, so that a busy event loop loses none of it.
_KEPT_SECONDS: Final = 0.25

#: About a hundredth of a second's bytes, but at least what a connection on a long line needs.
_LEAST_READ_AHEAD: Final = 32 * 1024
_MOST_READ_AHEAD: Final = 256 * 1024


def minute_of_day() -> int:
    """Return the minutes since midnight, in this machine's zone."""
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min


class Bandwidth:
    """A bucket of bytes that refills at a rate, first come, first served.

    With ``is_shared``, all processes of this user on this machine that set it share one bucket. If their
    rates differ, each process applies its own to the bytes that it takes.

    A take is entered at once, and waits once for the moment at which its bytes may pass: nothing polls. The
    rate of a schedule is looked up for each take, so a change of it counts at once.
    """

    def __init__(
        self,
        rate: int | RateSchedule,
        *,
        is_shared: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        minute: Callable[[], int] = minute_of_day,
    ) -> None:
        self._schedule = rate if isinstance(rate, RateSchedule) else None
        self._fixed = rate if isinstance(rate, int) else None
        self._clock = clock
        self._sleep = sleep
        self._minute = minute
        self._free_at = SharedMoment("bandwidth" if is_shared else None)

    @property
    def _rate(self) -> int | None:
        return self._fixed if self._schedule is None else self._schedule.rate_at(self._minute())

    @property
    def largest_take(self) -> int:
        """The most bytes to take at once."""
        rate = self._rate
        return _LARGEST_TAKE if rate is None else max(1, min(rate // _TAKES_PER_SECOND, _LARGEST_TAKE))

    @property
    def read_ahead(self) -> int | None:
        """The bytes that a connection may hold before its reader takes them.

        They pass the line before they are taken. By default the kernel holds megabytes of each connection, so
        ten connections hold more than a limit lets through in seconds.
        """
        rate = self._rate
        return None if rate is None else max(_LEAST_READ_AHEAD, min(rate // 128, _MOST_READ_AHEAD))

    def note(self, count: int) -> None:
        """Count bytes that pass without waiting; later ones wait longer."""
        if (rate := self._rate) is not None:
            # At a low rate the smallest buffer would keep the line waiting for seconds.
            self._free_at.advance(self._clock() - _KEPT_SECONDS, min(count / rate, _KEPT_SECONDS))

    async def take(self, count: int) -> None:
        """Wait until ``count`` bytes may pass. Cancelled, it takes none."""
        rate = self._rate
        if rate is None:
            return
        now = self._clock()
        free_at = self._free_at.advance(now - _KEPT_SECONDS, count / rate)
        if free_at > now:
            try:
                await self._sleep(free_at - now)
            except BaseException:
                self._free_at.advance(-math.inf, -count / rate)
                raise
