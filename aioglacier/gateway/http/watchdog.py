"""How long to wait: bounds that move with the bytes, on the monotonic clock.

aiohttp times only connecting and, once the whole body is written, reading. A peer that stops reading hangs it
for ever, and one that drips a byte a second never trips a read timeout.

Bytes move thousands of times a second and bounds almost never pass, so moving one is what must be cheap: it
writes a number. The timer stays where it is, and when it goes off looks at the number.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import anyio

from aioglacier.core.errors import StalledTransferError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import StreamReader

    from aioglacier.gateway.http.receiving import DirectBody


class Alarm:
    """Calls back once a moment has come that is put off again and again. Its owner stops it.

    It may be brought forward as well; where ``look_seconds`` says by how much, its timer need not move.
    """

    __slots__ = ("_due", "_look_seconds", "_loop", "_ring", "_timer")

    def __init__(self, ring: Callable[[], object], *, look_seconds: float = math.inf) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._look_seconds = look_seconds
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Ring so many seconds from now, and not when it was to ring before."""
        self._due = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            self._arm()

    def unset(self) -> None:
        """Do not ring until set again."""
        self._due = math.inf

    def stop(self) -> None:
        """Do not ring, and leave nothing behind."""
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


class Pace:
    """Reads one answer and watches its bytes come. Its owner stops it.

    Only time spent waiting for the network counts: a slow reader of the answer is his own affair.
    """

    def __init__(
        self, content: StreamReader, *, operation: str, window_seconds: float, minimum_rate: int
    ) -> None:
        self.operation = operation
        self._content = content
        self._window_seconds = window_seconds
        self._minimum = minimum_rate * window_seconds
        self._waited = 0.0
        self._came = 0
        self._began = 0.0
        self._waiting: StreamReader | DirectBody = content
        self._alarm = Alarm(lambda: self._waiting.set_exception(self._stalled("no byte")))

    async def next_block(self) -> bytes:
        """The bytes that have come, at least one; none at the end.

        Raises:
            StalledTransferError: None came for the length of the window, or too few in a whole one.
        """
        content = self._content
        block = content.read_nowait()
        if block or content.is_eof():
            self._came += len(block)
            return block
        self._begin()
        try:
            block = await content.readany()
        finally:
            self._alarm.unset()
        self._note(len(block))
        return block

    async def fill(self, body: DirectBody, view: memoryview, came: Callable[[int], None]) -> None:
        """Let a body that was taken over fill ``view``, and watch it do so; see ``DirectBody.fill``.

        Raises:
            StalledTransferError: As from ``next_block``.
        """
        self._waiting = body

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
        """End the watch."""
        self._alarm.stop()

    def _begin(self) -> None:
        self._alarm.set(self._window_seconds)
        self._began = time.monotonic()

    def _note(self, count: int) -> None:
        now = time.monotonic()
        self._waited += now - self._began
        self._began = now
        self._came += count
        if count and self._waited >= self._window_seconds:
            if self._came < self._minimum:
                raise self._stalled(f"only {self._came} bytes")
            self._waited, self._came = 0.0, 0

    def _stalled(self, what: str) -> StalledTransferError:
        return StalledTransferError(
            f"{what} of the answer came within {self._window_seconds:g} s",
            operation=self.operation,
            may_have_taken_effect=True,
        )


class Slots:
    """At most so many exchanges at once.

    Waiting for a slot is bounded by progress, not by time: while any exchange moves a byte, the others wait
    their turn, however long.
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
        """Take one slot; ``give_back`` gives it back.

        Raises:
            StalledTransferError: All are taken and none has moved for too long.
        """
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            await self._wait(operation)

    def give_back(self) -> None:
        """End of the exchange."""
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
