"""Bytes to standard output, without a blocked thread that ignores signals.

The reader of a pipe may pause for hours, and a write to it would block its thread for as long, even when a
signal comes. So the event loop waits until the pipe is ready, and writes do not block: on Linux the pipe is
opened a second time, since the flag on the inherited descriptor would hold for every process that shares it.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import TargetError
from aioglacier.files.host import enlarge_pipe

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A pipe, socket or terminal that is ready takes this much without blocking (POSIX, PIPE_BUF).
_SAFE_SIZE: Final = 4096


class StandardOutput:
    """Standard output for bytes."""

    def __init__(self, fd: int, *, is_awaited: bool, most: int | None) -> None:
        self._fd = fd
        self._is_awaited = is_awaited
        self._most = most

    async def write(self, block: bytes) -> None:
        """Write all of the bytes.

        Raises:
            BrokenPipeError: The reader went away.
            OSError: They cannot be written.
        """
        import anyio  # noqa: PLC0415  # not needed for help
        import anyio.to_thread  # noqa: PLC0415

        view = memoryview(block)
        while view:
            if not self._is_awaited:
                view = view[await anyio.to_thread.run_sync(os.write, self._fd, view) :]
                continue
            if self._most is not None:  # it would block
                await anyio.wait_writable(self._fd)
            try:
                view = view[os.write(self._fd, view[: self._most]) :]
            except BlockingIOError:
                await anyio.wait_writable(self._fd)


@contextmanager
def open_stdout() -> Iterator[StandardOutput]:
    """Open standard output for bytes."""
    if sys.stdout is None:  # and its number may be another file's by now
        raise TargetError("standard output is closed", path="-")
    try:
        mode = os.fstat(1).st_mode
    except OSError as error:
        raise TargetError(f"standard output cannot be written: {error.strerror}", path="-") from error
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(1)):
        yield StandardOutput(1, is_awaited=False, most=None)
        return
    try:
        fd = os.open("/proc/self/fd/1", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        yield StandardOutput(1, is_awaited=True, most=_SAFE_SIZE)
        return
    try:
        enlarge_pipe(fd)
        yield StandardOutput(fd, is_awaited=True, most=None)
    finally:
        os.close(fd)
