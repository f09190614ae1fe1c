"""The clock of an upload: from a client that is ready to the archive, without interpreter and imports."""

from __future__ import annotations

import resource
import time
from typing import Any

import psutil


class Meter:
    """Seconds and CPU seconds, this process's and its children's, between two moments."""

    def __init__(self) -> None:
        self.report: dict[str, Any] = {}
        self.stalls: list[float] = []
        self.is_started = False

    def start(self) -> None:
        """The first moment."""
        self.is_started = True
        self._wall, self._cpu = time.perf_counter(), _cpu()

    def stop(self, size: int) -> None:
        """The second."""
        self.report = {
            "seconds": time.perf_counter() - self._wall,
            "cpu_seconds": _cpu() - self._cpu,
            "size": size,
        }
        if self.stalls:
            self.report["stall_ms_max"] = round(self.stalls[-1] * 1000, 1)
            self.report["stall_ms_p999"] = round(self.stalls[int(len(self.stalls) * 0.999)] * 1000, 1)


def _cpu() -> float:
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    return total


METER = Meter()
