"""A moment that the processes of one user on one machine share, kept in a small file."""

from __future__ import annotations

import logging
import os
import stat
import struct
import sys
import tempfile
import time
from typing import Final

if sys.platform != "win32":
    import fcntl

_log: Final = logging.getLogger(__name__)

#: The moment by the monotonic clock, and when that clock began by the clock of the day.
_FORMAT: Final = struct.Struct("<dd")

#: The two clocks drift apart by less, except across a start of the machine, a sleep or a set clock.
_SAME_START_SECONDS: Final = 60.0

#: Another process holds the lock for microseconds, unless it was stopped inside; then this one goes on.
_TRIES: Final = 100


class SharedMoment:
    """A moment of ``time.monotonic``; without a name, it is this process's own."""

    def __init__(self, name: str | None) -> None:
        self._moment = float("-inf")
        self._fd: int | None = None
        if sys.platform == "win32" or name is None:
            return
        try:
            self._fd = _open(name)
        except OSError as error:
            _log.warning("%s is not shared with other processes: %s", name, error)

    def advance(self, earliest: float, seconds: float) -> float:
        """Move it on by some seconds, counted from ``earliest`` at least, and return it."""
        if sys.platform == "win32" or self._fd is None:
            self._moment = max(self._moment, earliest) + seconds
            return self._moment
        fd = self._fd
        for _ in range(_TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                continue
        try:
            start = time.time() - time.monotonic()
            kept = os.pread(fd, _FORMAT.size, 0)
            moment: float = earliest
            if len(kept) == _FORMAT.size:
                former, former_start = _FORMAT.unpack(kept)
                if abs(former_start - start) < _SAME_START_SECONDS:  # not of a former start of the machine
                    moment = max(former, earliest)
            moment += seconds
            os.pwrite(fd, _FORMAT.pack(moment, start), 0)
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
        return moment

    def close(self) -> None:
        """Close the file, which stays for the others."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __del__(self) -> None:
        self.close()


def _open(name: str) -> int:
    """Open the file, which must be this user's own: others may have made one in a folder for all."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    path = os.path.join(folder, f"aioglacier-{name}-{os.getuid()}")  # noqa: PTH118  # of any bytes
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
        os.close(fd)
        raise PermissionError(f"{path!r} belongs to another user")
    return fd
