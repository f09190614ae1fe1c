"""The virtual clock: real time plus an offset that only grows."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

_LAST: Final = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


class VirtualClock:
    """Real time with an offset that can be moved forward.

    Jobs, inventories and the expiry of uploads, jobs, locks and capacity use it; signatures are judged by the
    real time. Give one clock to several servers to move them together.
    """

    def __init__(self, offset_seconds: float = 0.0) -> None:
        if offset_seconds < 0:
            raise ValueError(f"a virtual clock runs ahead of the real one, never behind: {offset_seconds}")
        self._offset = 0.0
        self.advance(offset_seconds)

    def __repr__(self) -> str:
        return f"<VirtualClock {self.now().isoformat(timespec='seconds')} offset={self._offset:.0f}s>"

    @property
    def offset_seconds(self) -> float:
        """The number of seconds that this clock is ahead of the real one."""
        return self._offset

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return datetime.fromtimestamp(time.time() + self._offset, UTC)

    def milliseconds(self) -> int:
        """Return the time as milliseconds since 1970, the precision of the service's documents."""
        return int((time.time() + self._offset) * 1000)

    def advance(self, by: float | timedelta) -> None:
        """Move forward, by seconds or by a ``timedelta``.

        Raises:
            TypeError: ``by`` is neither a number nor a ``timedelta``.
            ValueError: It is negative, or leads beyond the year 9000: dates of jobs must fit behind it.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if not isinstance(seconds, int | float):
            raise TypeError(f"a clock moves by a number of seconds or a timedelta, not by {by!r}")
        if not 0 <= seconds <= _LAST - time.time() - self._offset:
            raise ValueError(f"a clock moves forward, up to the year 9000, not by {seconds} s")
        self._offset += seconds
