"""How long to wait: bounds that move with the bytes, on the monotonic clock.

aiohttp times only connecting and, once the whole body is written, reading. A peer that stops reading hangs it
for ever, and one that drips a byte a second never trips a read timeout.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from aioglacier.core.errors import StalledTransferError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import StreamReader


class Pace:
    """Watches the bytes of one answer come.

    Only time spent waiting for the network counts: a slow reader of the answer is his own affair.
    """

    def __init__(self, *, operation: str, window_seconds: float, minimum_rate: int) -> None:
        self._operation = operation
        self._window_seconds = window_seconds
        self._minimum = minimum_rate * window_seconds
        self._waited = 0.0
        self._came = 0

    async def next_block(self, content: StreamReader) -> bytes:
        """The bytes that have come, at least one; none at the end.

        Raises:
            StalledTransferError: None came for the length of the window, or too few in a whole one.
        """
        began = anyio.current_time()
        with anyio.move_on_after(self._window_seconds) as scope:
            block = await content.readany()
            self._waited += anyio.current_time() - began
            self._came += len(block)
            if self._waited < self._window_seconds or not block:
                return block
            if self._came >= self._minimum:
                self._waited, self._came = 0.0, 0
                return block
        what = "no byte" if scope.cancelled_caught else f"only {self._came} bytes"
        raise StalledTransferError(
            f"{what} of the answer came within {self._window_seconds:g} s",
            operation=self._operation,
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
        self._moved_at = anyio.current_time()

    @asynccontextmanager
    async def slot(self, operation: str) -> AsyncIterator[None]:
        """Hold one slot.

        Raises:
            StalledTransferError: All are taken and none has moved for too long.
        """
        await self._take(operation)
        try:
            yield
        finally:
            self._free.release()

    async def _take(self, operation: str) -> None:
        while True:
            with anyio.move_on_after(self._patience_seconds):
                await self._free.acquire()
                return
            if anyio.current_time() - self._moved_at >= self._patience_seconds:
                raise StalledTransferError(
                    f"all {self._count} connections are taken and none moved a byte for "
                    f"{self._patience_seconds:g} s; close job outputs that are no longer read",
                    operation=operation,
                    may_have_taken_effect=False,
                )
