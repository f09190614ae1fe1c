"""The number of bodies on their way at once: as many as the path carries, found while it is used.

One connection to a far service is slow however fast the line is, because it waits for answers; several fill
the line, and more than fill it only crowd each other. The right number cannot be known before: it is 2 or 3
on a home line and 50 between two data centres. So it is tried out, on the bodies themselves:

- **Grow while it pays.** The speed of one connection, over all that are busy, is measured from the bytes that
  move and the seconds they take. Then the number is doubled, or, where a connection is fast and a wrong step
  over in a second, made four times as large. If each of the new connections brings at least a third of what
  one brought before, they stay, and the number grows again.
- **Settle at what pays.** If not, the path is full. The number becomes what the rate now reached would have
  taken at the speed of before: 5, if eight together are as fast as five should be. From there on one in four
  is added every ten seconds and kept if it pays, so that a path that widens is found out.
- **Yield to trouble.** When the service throttles, answers 408, or bodies stall, the number is halved: not
  for a single sign, which is chance, but for two within a minute; once for all signs of ten seconds, because
  bodies that left before the change still report the same jam; and never below 1. It grows back by the same
  rule as it grew, one in four at a time.

The number changes only while it is what holds bodies back. Where the source, the hashing or the memory is the
bottleneck, no part waits for a connection, and the number stays. A number that the caller asks for is the
start and the ceiling.

The rules are a plain object that is given the time; its tests try them on simulated paths of every kind.
With round trips of 200 ms and 20 MB/s per connection it is at 16 within half a second.
"""

from __future__ import annotations

import math
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.limits import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aioglacier.gateway.contract.protocols import Progress
    from aioglacier.gateway.retry.rules import Congestion

#: The start, if the caller sets no limit: enough for a home line, and two doublings from the chosen most.
START: Final = 4

#: The first bytes of a body only fill the kernel's buffers, so they are not measured. A body without much
#: more is measured as a whole, with its round trip, which is most of its time.
_WARM_SIZE: Final = MIB // 2
_SMALL_SIZE: Final = 4 * MIB

#: Bytes that each busy connection must have moved before the number is judged, and the least time for that.
_SHOWN_SIZE: Final = MIB // 4
_SHORTEST_WINDOW_SECONDS: Final = 0.05

#: The part of a connection's fair share that a new one must bring to stay: halfway, as factors go, between
#: nothing and a fourfold error of measurement.
_WORTH: Final = 1 / 3

#: How the number grows: at first, where a connection is at least so fast (a part is then over in seconds),
#: and once the path was full.
_FIRST_GROWTH: Final = 2.0
_FAST_GROWTH: Final = 4.0
_FAST_SPEED: Final = 4_000_000
_SLOW_GROWTH: Final = 1.25
_TRY_AGAIN_SECONDS: Final = 10.0

#: Signs of congestion that make a cluster, and for how long a cluster stays one.
_CLUSTER: Final = 2
_CLUSTER_SECONDS: Final = 60.0
_ONE_JAM_SECONDS: Final = 10.0


class ConcurrencyController:
    """Decides on the number from the bytes that move and the signs of trouble, without a clock or a wait.

    Attributes:
        ceiling: The limit never exceeds this.
        limit: Bodies that may be on their way now.
    """

    def __init__(self, *, ceiling: int, start: int = START) -> None:
        self.ceiling = ceiling
        self.limit = min(start, ceiling)
        self._is_careful = False
        self._before: tuple[int, float] | None = None
        self._try_at = -math.inf
        self._signs = 0
        self._sign_at = -math.inf
        self._shrunk_at = -math.inf
        self._window = _Window(0)

    def congested(self, signs: int, now: float) -> None:
        """Note refusals for lack of capacity, and stalls."""
        if now - self._shrunk_at < _ONE_JAM_SECONDS:
            return
        self._signs = signs if now - self._sign_at > _CLUSTER_SECONDS else self._signs + signs
        self._sign_at = now
        if self._signs < _CLUSTER:
            return
        self._signs = 0
        self._shrunk_at = now
        self._is_careful = True
        self._before = None
        self._try_at = now + _TRY_AGAIN_SECONDS
        self._set(max(1, self.limit // 2))

    def measured(
        self, body: Body, size: int, seconds: float, now: float, *, is_full: bool, is_whole: bool
    ) -> None:
        """Add to the measurement; ``is_full`` says whether just the limit keeps more from going."""
        window = self._window
        if is_full:
            window.add(body, size, seconds, now, is_whole=is_whole)
        if not is_full or window.is_shown(self.limit, now):
            self._window = _Window(window.number + 1)
        if is_full and window.is_shown(self.limit, now):
            self._judge(window.speed, now)

    def _judge(self, speed: float, now: float) -> None:
        if self._before is not None:
            limit, speed_before = self._before
            self._before = None
            if self.limit * speed < speed_before * (limit + _WORTH * (self.limit - limit)):
                self._is_careful = True
                self._try_at = now + _TRY_AGAIN_SECONDS
                self._set(max(limit, min(self.limit, round(self.limit * speed / speed_before))))
                return
        elif now < self._try_at:
            return
        if self.limit < self.ceiling:
            self._before = (self.limit, speed)
            growth = _FAST_GROWTH if speed >= _FAST_SPEED else _FIRST_GROWTH
            wanted = int(self.limit * (_SLOW_GROWTH if self._is_careful else growth))
            self._set(min(self.ceiling, max(self.limit + 1, wanted)))

    def _set(self, limit: int) -> None:
        self.limit = limit
        self._window = _Window(self._window.number + 1)


class Body:
    """Measures one body on its way: a small one as a whole, a large one after its first bytes."""

    __slots__ = ("_controller", "_is_small", "_is_warm", "_moved", "_since", "shown", "window")

    def __init__(self, controller: ConcurrencyController, size: int, now: float) -> None:
        self._controller = controller
        self._is_small = size <= _SMALL_SIZE
        self._since = now
        self._moved = 0
        self._is_warm = False
        self.window = -1
        self.shown = 0

    def moved(self, count: int, now: float, *, is_full: bool) -> None:
        """Count bytes that moved; a negative number takes them back after a failed attempt."""
        if count < 0:
            self._since, self._moved, self._is_warm = now, 0, False
            return
        self._moved += count
        if self._is_warm:
            self._measured(count, now, is_full=is_full)
        elif self._moved >= _WARM_SIZE and not self._is_small:
            self._since, self._is_warm = now, True

    def ended(self, now: float, *, is_full: bool) -> None:
        """Note the answer."""
        if self._moved and self._is_small:
            self._measured(self._moved, now, is_full=is_full, is_whole=True)

    def _measured(self, count: int, now: float, *, is_full: bool, is_whole: bool = False) -> None:
        seconds, self._since = now - self._since, now
        self._controller.measured(self, count, seconds, now, is_full=is_full, is_whole=is_whole)


class _Window:
    """The bytes that moved since the limit was last changed or judged."""

    __slots__ = ("_bodies", "_opened", "_seconds", "_size", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._opened = math.inf
        self._bodies = 0
        self._size = 0
        self._seconds = 0.0

    def add(self, body: Body, size: int, seconds: float, now: float, *, is_whole: bool) -> None:
        self._opened = min(self._opened, now)
        self._size += size
        self._seconds += seconds
        if body.window != self.number:
            body.window, body.shown = self.number, 0
        before = body.shown
        body.shown = _SHOWN_SIZE if is_whole else before + size
        self._bodies += before < _SHOWN_SIZE <= body.shown

    def is_shown(self, limit: int, now: float) -> bool:
        return self._bodies >= limit and now - self._opened >= _SHORTEST_WINDOW_SECONDS

    @property
    def speed(self) -> float:
        return self._size / max(self._seconds, 1e-9)


class Connections:
    """Lets as many bodies go at once as the controller says; shared by all transfers.

    Attributes:
        controller: Decides on the number.
    """

    def __init__(
        self,
        controller: ConcurrencyController,
        congestion: Congestion,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.controller = controller
        self._congestion = congestion
        self._signs_seen = congestion.signs
        self._clock = clock
        self._tokens = anyio.CapacityLimiter(controller.limit)
        self._granted = controller.limit
        self._waiting = 0

    def __repr__(self) -> str:
        return f"<Connections {self.in_use} of {self.controller.limit}, at most {self.controller.ceiling}>"

    @property
    def in_use(self) -> int:
        """Bodies that are on their way now."""
        return self._tokens.borrowed_tokens

    @asynccontextmanager
    async def exchange(self, size: int, progress: Progress) -> AsyncIterator[Progress]:
        """Wait for a place for a body of ``size`` bytes, and hold it as long as the block.

        The caller reports the bytes that move to the function that is yielded; ``progress`` gets them, too.
        """
        try:
            self._tokens.acquire_nowait()  # waiting costs a turn of the loop even where there is a place
        except anyio.WouldBlock:
            self._waiting += 1
            try:
                await self._tokens.acquire()
            finally:
                self._waiting -= 1
        body = Body(self.controller, size, self._clock())

        def moved(count: int) -> None:
            progress(count)
            body.moved(count, self._clock(), is_full=self._is_full)
            self._adjust()

        try:
            yield moved
            body.ended(self._clock(), is_full=self._is_full)
        finally:
            self._adjust()
            self._tokens.release()

    @property
    def _is_full(self) -> bool:
        """Whether the limit holds bodies back, and no more are on their way than it allows."""
        return self._waiting > 0 and self.in_use <= self.controller.limit

    def _adjust(self) -> None:
        if new := self._congestion.signs - self._signs_seen:
            self._signs_seen += new
            self.controller.congested(new, self._clock())
        if self._granted != self.controller.limit:
            self._granted = self._tokens.total_tokens = self.controller.limit
