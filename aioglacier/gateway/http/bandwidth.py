"""One rate for all bodies of a connection, those that are sent and those that are read."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Takes in a second at the full rate, so that many bodies get turns within their stall time.
_TAKES_PER_SECOND: Final = 8

#: The most bytes of one take: as many as a slice of a body has.
_LARGEST_TAKE: Final = 512 * 1024

#: An unused rate is kept for so long, so that a busy event loop loses none of it.
_KEPT_SECONDS: Final = 0.25


class Bandwidth:
    """A bucket of bytes that refills at a fixed rate, first come, first served.

    A take is entered at once, and waits once for the moment at which its bytes may pass: nothing polls.

    Attributes:
        largest_take: The most bytes to take at once.
    """

    def __init__(
        self,
        rate: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.largest_take = max(1, min(rate // _TAKES_PER_SECOND, _LARGEST_TAKE))
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._free_at = -math.inf

    async def take(self, count: int) -> None:
        """Wait until ``count`` bytes may pass. Cancelled, it takes none."""
        now = self._clock()
        self._free_at = max(self._free_at, now - _KEPT_SECONDS) + count / self._rate
        if self._free_at > now:
            try:
                await self._sleep(self._free_at - now)
            except BaseException:
                self._free_at -= count / self._rate
                raise
