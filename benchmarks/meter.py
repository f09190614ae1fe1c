"""The clock of a transfer: from the ready client to the end, without interpreter and imports."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Meter:
    """Seconds, and CPU seconds of this process and its children, between two moments.

    Attributes:
        report: What was found, once it is stopped.
        watches: Whether it notes how long loops keep others waiting. To look a thousand times a second takes
            a twentieth of a core, so that is only done where it is the question.
    """

    def __init__(self) -> None:
        self.report: dict[str, Any] = {}
        self.watches = False
        self._stalls: list[float] = []
        self._wall = self._cpu = self._own = 0.0

    def start(self) -> None:
        """Note the first moment."""
        self._wall, self._cpu, self._own = time.perf_counter(), _cpu(), time.process_time()

    def stop(self, **more: Any) -> None:
        """Note the second moment; a stopped meter ignores further calls."""
        if self.report:
            return
        self.report = {
            "seconds": time.perf_counter() - self._wall,
            "cpu_seconds": _cpu() - self._cpu,
            "own_cpu_seconds": time.process_time() - self._own,  # without that of workers in other processes
            **more,
        }
        if self._stalls:
            self.report["stall_ms"] = percentiles(self._stalls)

    @asynccontextmanager
    async def watching_loop(self) -> AsyncIterator[None]:
        """Note, during the block, how long the event loop runs nothing else; if that is asked."""
        if not self.watches:
            yield
            return
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()

    async def _beat(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            self._stalls.append(time.perf_counter() - before - 0.001)


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return milliseconds: the median, the 99th and 99.9th percentiles and the maximum."""
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    found = {name: ordered[int(len(ordered) * share)] for name, share in shares.items()}
    return {name: round(value * 1000, 2) for name, value in (found | {"max": ordered[-1]}).items()}


def _cpu() -> float:
    """Return CPU seconds of this process and of its ended and running children."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    for child in psutil.Process(os.getpid()).children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    return total


METER = Meter()
