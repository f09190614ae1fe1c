"""Pipes that hold more than they do by default."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Final

#: The most that Linux allows every user (/proc/sys/fs/pipe-max-size); by default a pipe holds a sixteenth.
PIPE_SIZE: Final = 1024 * 1024


def enlarge(fd: int) -> None:
    """Let a pipe hold a MiB if the system allows it, because each time it is full or empty a process wakes.

    A descriptor of another kind, and a pipe that holds more, stay as they are.
    """
    if sys.platform != "linux":
        return
    import fcntl  # noqa: PLC0415  # not everywhere

    with suppress(OSError):  # no pipe, or the user's share of pipe memory is spent
        if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) < PIPE_SIZE:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
