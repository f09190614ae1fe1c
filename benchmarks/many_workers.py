"""A simulation of runs of parts on many workers, cut and given out as the library does it.

The coordinator gives out runs and takes answers one after the other, each at the measured cost. A task begins
with the measured time to open its connection, and workers differ in speed from run to run.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass

from aioglacier.transfer.spreading import RunSizes

_ARRIVES, _ENDS, _ANSWERED = range(3)

#: Runs given out for each worker, as in ``transfer.spreading``.
_RUNS_PER_WORKER = 2


@dataclass(frozen=True)
class Site:
    """A coordinator and its workers.

    Attributes:
        workers: Tasks at once.
        rate: Bytes a second of one worker, on average.
        task_seconds: Time that a task takes beside its bytes.
        coordinator_seconds: CPU of coordinator and scheduler for one task.
        spread: The time of a run is this much longer or shorter, at most.
    """

    workers: int
    rate: float
    task_seconds: float
    coordinator_seconds: float
    spread: float = 0.3


@dataclass(frozen=True)
class Found:
    """The outcome: the share of the workers' time in which bytes moved, and the number of tasks."""

    efficiency: float
    tasks: int
    seconds: float


def simulate(site: Site, parts: int, part_size: int) -> Found:
    """Send so many parts."""
    chance, sizes = random.Random(1), RunSizes(range(parts), part_size)
    events: list[tuple[float, int, int, int, float]] = []  # time, kind, task, bytes, seconds of work
    waiting: deque[int] = deque()
    idle, given_out, tasks = site.workers, 0, 0
    free_at = now = work = 0.0
    while True:
        while given_out < _RUNS_PER_WORKER * site.workers and (span := sizes.next(site.workers)) is not None:
            free_at = max(now, free_at) + site.coordinator_seconds / 2
            heapq.heappush(events, (free_at, _ARRIVES, tasks, span.parts * part_size, 0.0))
            given_out, tasks = given_out + 1, tasks + 1
        if not events:
            return Found(work / (site.workers * now), tasks, now)
        now, kind, task, size, seconds = heapq.heappop(events)
        if kind == _ARRIVES:
            waiting.append(size)
        elif kind == _ENDS:
            idle += 1
            free_at = max(now, free_at) + site.coordinator_seconds / 2
            heapq.heappush(events, (free_at, _ANSWERED, task, size, seconds))
        else:
            given_out -= 1
            sizes.note(size, seconds)
        while idle and waiting:
            idle -= 1
            size = waiting.popleft()
            moving = size / site.rate * chance.uniform(1 - site.spread, 1 + site.spread)
            work += moving
            seconds = moving + site.task_seconds
            heapq.heappush(events, (now + seconds, _ENDS, task, size, seconds))
