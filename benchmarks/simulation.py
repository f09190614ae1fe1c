"""A simulation of parts on their way through a machine and a line.

A part takes a buffer, is read and hashed by one of the workers, waits for one of the connections and for the
event loop that the connection belongs to, crosses the link, and is answered a round trip later; then its
buffer is free. Sending goes in slices, so loops and link are shared fairly. Costs are the measured ones.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

_SLICES: Final = 8
_HASHED, _SLICE, _ANSWERED = range(3)


@dataclass(frozen=True)
class Costs:
    """Measured CPU seconds: of a byte read and hashed, of a byte sent, of a request."""

    hash_byte: float
    send_byte: float
    request: float


@dataclass(frozen=True)
class Place:
    """The resources of a machine and its line.

    Attributes:
        workers: That read and hash, each with a core.
        loops: That send, each with a core.
        connections: Bodies at once.
        memory: Bytes of buffers; without end for a file, whose parts are never held.
        connection: Bytes a second that one connection carries.
        link: Bytes a second that all carry together.
        round_trip: Seconds.
    """

    workers: int
    loops: int
    connections: int
    memory: float
    connection: float
    link: float
    round_trip: float

    def parts_held(self, part_size: float) -> int:
        """Return the number of parts between the start of hashing and the answer."""
        most = self.connections + self.workers + 1
        return max(1, int(min(self.memory // part_size, most))) if math.isfinite(self.memory) else most


class _Servers:
    """A group of equal resources; each request takes the one that is free first."""

    def __init__(self, count: int) -> None:
        self._free = [0.0] * count

    def serve(self, now: float, seconds: float) -> float:
        """Return when work that arrives now is done."""
        done = max(now, heapq.heappop(self._free)) + seconds
        heapq.heappush(self._free, done)
        return done


class _Run:
    """One archive on its way."""

    def __init__(self, part_size: float, parts: int, costs: Costs, place: Place) -> None:
        self._costs, self._place, self._parts = costs, place, parts
        self._part_size = part_size
        self._workers, self._link = _Servers(place.workers), _Servers(1)
        self._loops = [_Servers(1) for _ in range(place.loops)]
        self._events: list[
            tuple[float, int, int, int, float]
        ] = []  # time, kind, part, slice, connection free
        self._hashed: deque[int] = deque()
        self._idle = place.connections
        self._begun = 0
        self.answered: list[float] = []

    def run(self) -> list[float]:
        """Send all parts; return the time of each answer."""
        for _ in range(self._place.parts_held(self._part_size)):
            self._begin(0.0)
        while self._events:
            now, kind, part, number, free = heapq.heappop(self._events)
            if kind == _HASHED:
                self._hashed.append(part)
            elif kind == _SLICE:
                self._send(now, part, number, free)
            else:
                self._idle += 1
                self.answered.append(now)
                self._begin(now)
            while self._idle and self._hashed:
                self._idle -= 1
                heapq.heappush(self._events, (now, _SLICE, self._hashed.popleft(), 0, now))
        return self.answered

    def _begin(self, now: float) -> None:
        if self._begun < self._parts:
            done = self._workers.serve(now, self._part_size * self._costs.hash_byte)
            heapq.heappush(self._events, (done, _HASHED, self._begun, 0, 0.0))
            self._begun += 1

    def _send(self, now: float, part: int, number: int, free: float) -> None:
        size = self._part_size / _SLICES
        work = size * self._costs.send_byte + (self._costs.request if number == 0 else 0.0)
        sent = self._loops[part % len(self._loops)].serve(now, work)
        crossed = self._link.serve(sent, size / self._place.link)
        free = max(crossed, free + size / self._place.connection)
        if number + 1 < _SLICES:
            heapq.heappush(self._events, (max(sent, free), _SLICE, part, number + 1, free))
        else:
            heapq.heappush(self._events, (free + self._place.round_trip, _ANSWERED, part, 0, 0.0))


@cache
def rate(part_size: float, costs: Costs, place: Place) -> float:
    """Return bytes a second in the steady state: over the middle half of the parts."""
    parts = 12 * (place.connections + place.workers + 1)
    answered = _Run(part_size, parts, costs, place).run()
    first, last = len(answered) // 4, 3 * len(answered) // 4
    return (last - first) * part_size / (answered[last] - answered[first])


def scarce(part_size: float, costs: Costs, place: Place) -> tuple[str, float]:
    """Return the resource whose doubling brings most, and its gain."""
    alone = rate(part_size, costs, place)
    doubled = {
        "cores for hashing": replace(place, workers=2 * place.workers),
        "event loop": replace(place, loops=2 * place.loops),
        "connections": replace(place, connections=2 * place.connections, memory=2 * place.memory),
        "the line": replace(place, link=2 * place.link),
    }
    if math.isfinite(place.memory):
        doubled["connections and their buffers"] = doubled.pop("connections")
        doubled["memory"] = replace(place, memory=2 * place.memory)
    gains = {name: rate(part_size, costs, other) / alone for name, other in doubled.items()}
    most = max(gains, key=lambda name: gains[name])
    return most, gains[most]
