"""Time limits of an exchange that move with its bytes, on the monotonic clock.

aiohttp limits the time only while it connects and, once the whole body is written, while it reads. A peer
that stops reading blocks it for ever, and one that sends a byte a second never exceeds a read timeout.

Bytes move thousands of times a second and a limit is almost never reached. So moving a limit only writes a
number: the timer stays where it is, and when it goes off it looks at the number.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.errors import StalledTransferError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import StreamReader

    from aioglacier.gateway.http.receiving import DirectBody

#: A window is counted in so many slots. All but the last, which is being filled, must bring enough bytes.
_SLOTS: Final = 16


class Alarm:
    """Calls a function at a moment that is moved again and again. Its owner stops it.

    The moment may also come closer: a timer that looks every ``look_seconds`` need not move for that.
    """

    __slots__ = ("_due", "_look_seconds", "_loop", "_ring", "_timer")

    def __init__(self, ring: Callable[[], object], *, look_seconds: float = math.inf) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._look_seconds = look_seconds
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Ring ``seconds`` from now, and not at the moment that was set before."""
        self._due = self._loop.time() + seconds
        # It moves for every slice, so a timer that rings too early looks again.
        if self._timer is None or self._timer.when() > self._due:
            self._arm()

    def unset(self) -> None:
        """Do not ring until set again."""
        self._due = math.inf

    def stop(self) -> None:
        """Do not ring, and remove the timer."""
        self._due = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(self._due, self._loop.time() + self._look_seconds), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() >= self._due:
            self._ring()
        elif self._due < math.inf:
            self._arm()


class SlidingRate:
    """Counts bytes over the last ``window_seconds`` of waiting, whatever came before.

    Plain: it reads no clock. In windows that follow each other a fast start would hide a slow end; here a
    rate that drops is noticed after one window.
    """

    def __init__(self, *, window_seconds: float, minimum_rate: int) -> None:
        self._slot_seconds = window_seconds / _SLOTS
        self._minimum = minimum_rate * window_seconds * (_SLOTS - 1) / _SLOTS
        self._slots: deque[int] = deque([0], maxlen=_SLOTS)
        self._sum = 0
        self._in_slot = 0.0  # seconds of the last slot that have passed

    def add(self, seconds: float, count: int) -> int | None:
        """Note that ``count`` bytes came after ``seconds`` of waiting.

        Returns:
            The bytes of the last window if they are too few, else ``None``.
        """
        self._sum += count
        self._in_slot += seconds
        if self._in_slot < self._slot_seconds:
            self._slots[-1] += count
            return None
        passed, self._in_slot = divmod(self._in_slot, self._slot_seconds)
        for _ in range(min(int(passed), _SLOTS)):
            if len(self._slots) == _SLOTS:
                self._sum -= self._slots[0]
            self._slots.append(0)
        self._slots[-1] += count
        is_full = len(self._slots) == _SLOTS  # the first window is given its time
        return self._sum if is_full and self._sum < self._minimum else None


class Pace:
    """Reads one answer and watches its bytes come. Its owner stops it.

    Only the time spent waiting for the network counts: the reader of the answer may be slow.
    """

    def __init__(
        self,
        content: StreamReader,
        *,
        operation: str,
        window_seconds: float,
        minimum_rate: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.operation = operation
        self._content = content
        self._window_seconds = window_seconds
        self._clock = clock
        self._rate = SlidingRate(window_seconds=window_seconds, minimum_rate=minimum_rate)
        self._began = 0.0
        self._waiting: StreamReader | DirectBody = content
        self._alarm = Alarm(lambda: self._waiting.set_exception(self._stalled("no byte")))

    async def next_block(self) -> bytes:
        """Return the bytes that have come, at least one; none at the end.

        Raises:
            StalledTransferError: No byte came for the length of the window, or too few over it.
        """
        content = self._content
        block = content.read_nowait()
        if block or content.is_eof():
            self._rate.add(0, len(block))  # they had come while the reader was busy: no time of the network
            return block
        self._begin()
        try:
            block = await content.readany()
        finally:
            self._alarm.unset()
        self._note(len(block))
        return block

    async def fill(self, body: DirectBody, view: memoryview, came: Callable[[int], None]) -> None:
        """Let a body that was taken over fill ``view``, and watch it; see ``DirectBody.fill``.

        Raises:
            StalledTransferError: As from ``next_block``.
        """
        self._waiting = body  # from now on the alarm strikes there

        def noted(count: int) -> None:
            came(count)
            self._alarm.set(self._window_seconds)
            self._note(count)

        self._begin()
        try:
            await body.fill(view, noted)
        finally:
            self._alarm.unset()

    def stop(self) -> None:
        """End the watch. May be called twice."""
        self._alarm.stop()

    def _begin(self) -> None:
        self._alarm.set(self._window_seconds)
        self._began = self._clock()

    def _note(self, count: int) -> None:
        now = self._clock()
        too_few = self._rate.add(now - self._began, count)
        self._began = now
        if count and too_few is not None:  # the end of the body is no stall
            raise self._stalled(f"only {too_few} bytes")

    def _stalled(self, what: str) -> StalledTransferError:
        return StalledTransferError(
            f"{what} of the answer came within {self._window_seconds:g} s",
            operation=self.operation,
            may_have_taken_effect=True,
        )


class Slots:
    """Limits how many exchanges run at once.

    The wait for a slot has no time limit of its own: as long as any exchange moves a byte, the others wait.
    """

    def __init__(self, count: int, *, patience_seconds: float) -> None:
        self._count = count
        self._free = anyio.Semaphore(count, max_value=count)
        self._patience_seconds = patience_seconds
        self._moved_at = -math.inf

    def moved(self) -> None:
        """Note that an exchange got further."""
        self._moved_at = time.monotonic()

    async def take(self, operation: str) -> None:
        """Take one slot; ``give_back`` returns it.

        Raises:
            StalledTransferError: All are taken and none has moved for too long.
        """
        try:
            self._free.acquire_nowait()  # the usual case, without a timer
        except anyio.WouldBlock:
            await self._wait(operation)

    def give_back(self) -> None:
        """Return the slot at the end of the exchange."""
        self._free.release()

    async def _wait(self, operation: str) -> None:
        while True:
            with anyio.move_on_after(self._patience_seconds):
                await self._free.acquire()
                return
            if time.monotonic() - self._moved_at >= self._patience_seconds:
                raise StalledTransferError(
                    f"all {self._count} connections are taken and none moved a byte for "
                    f"{self._patience_seconds:g} s; close job outputs that are no longer read",
                    operation=operation,
                    may_have_taken_effect=False,
                )
