"""A slow line for a sink: a round trip, and a bandwidth for each connection or for all connections."""

from __future__ import annotations

import mmap
import multiprocessing
import struct
import time

_SMALLEST_BUFFER = 64 * 1024
_PACED = 64 * 1024

#: The most lateness of sleeps that is made up for.
_CATCH_UP_SECONDS = 0.02


class Line:
    """Delays a connection as the line would; without figures it never waits.

    Waits end at due times, so a sleep that lasts too long does not slow the pace.
    """

    def __init__(
        self,
        round_trip_seconds: float = 0.0,
        bytes_per_second: float = 0.0,
        link_bytes_per_second: float = 0.0,
    ) -> None:
        self._round_trip = round_trip_seconds
        self._rate = bytes_per_second
        self._link = link_bytes_per_second
        self._due = 0.0
        self._shared = mmap.mmap(-1, 8)  # the time when the link is free, shared by all processes
        self._lock = multiprocessing.get_context("fork").Lock()

    @property
    def most_at_once(self) -> int:
        """Return how many bytes to read at once for an even pace."""
        return _PACED if self._rate or self._link else 1 << 30

    @property
    def receive_buffer_size(self) -> int:
        """Return the bytes in flight on such a line; 0 leaves it to the kernel."""
        return max(_SMALLEST_BUFFER, int(self._rate * self._round_trip)) if self._rate else 0

    def connect(self, *, round_trips: int) -> None:
        """Wait as long as opening a connection takes."""
        time.sleep(self._round_trip * round_trips)

    def turn_around(self) -> None:
        """Wait until the last byte would have arrived and the answer's first would be back."""
        time.sleep(self._round_trip)

    def carry(self, count: int) -> None:
        """Wait until the line would have carried so many bytes more."""
        now = due = time.monotonic()
        earliest = now - _CATCH_UP_SECONDS
        if self._rate:
            due = self._due = max(self._due, earliest) + count / self._rate
        if self._link:
            with self._lock:
                (free,) = struct.unpack("d", self._shared[:])
                free = max(free, earliest) + count / self._link
                self._shared[:] = struct.pack("d", free)
            due = max(due, free)
        if due > now:
            time.sleep(due - now)
