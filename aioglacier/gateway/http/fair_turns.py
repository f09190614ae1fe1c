"""Let bodies take turns, so that a round of the event loop sends one slice, however many bodies there are.

The loop needs one or two milliseconds to encrypt a slice of 1 MiB and hand it to the kernel. Sixteen bodies
whose connections are all ready would keep it for thirty before anything else ran.

Measured with four bodies over TLS in slices of 512 KiB: half of all waits for the loop are below 1.2 ms,
without turns below 4.6, at the same CPU time. Slices of 128 KiB have the same effect and cost 0.2 s of CPU a
GiB.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Gives one turn in each round of the loop, first come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def take(self) -> None:
        """Wait for a turn. It lasts until the caller next waits for something."""
        loop = asyncio.get_running_loop()
        if self._is_taken:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
        else:
            self._is_taken = True
            loop.call_soon(self._pass_on, loop)

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                loop.call_soon(self._pass_on, loop)
                return
        self._is_taken = False
