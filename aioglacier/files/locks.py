"""Locks between processes, free at once when their owner dies.

A lock is ``flock`` on a file, which names the process and the machine that hold it. Releasing the lock
removes the file. After a kill the file stays, but the lock on it is gone.

Everything here blocks, but never waits for another process; call it in a thread.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, NamedTuple

from aioglacier.core.errors import CatalogError

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform != "win32":
    import fcntl


class LockOwner(NamedTuple):
    """The process that holds a lock."""

    pid: int
    host: str


class FileLock:
    """One lock, for one use.

    Attributes:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free.

        Raises:
            CatalogError: The file cannot be made, or its filesystem knows no locks.
        """
        if sys.platform == "win32":
            return True  # two processes are not told apart there
        try:
            while (is_taken := self._try()) is None:
                pass  # the owner before removed the file between our opening and our locking
        except OSError as error:
            raise CatalogError(
                f"the lock {str(self.path)!r} cannot be taken: {error.strerror}", path=str(self.path)
            ) from error
        return is_taken

    def _try(self) -> bool | None:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(fd), self.path.stat(follow_symlinks=False)):
                return None
            os.fchmod(fd, 0o600)
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()} {socket.gethostname()}\n".encode())
            self._fd = fd
        except BlockingIOError:
            return False
        except FileNotFoundError:
            return None
        finally:
            if self._fd != fd:
                os.close(fd)
        return True

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            pass  # the lock counts, and closing the descriptor releases it
        finally:
            os.close(fd)

    def owner(self) -> LockOwner | None:
        """Return the process that the file names, or ``None`` if it names none yet."""
        try:
            pid, _, host = self.path.read_text().strip().partition(" ")
            return LockOwner(int(pid), host)
        except (OSError, ValueError):
            return None
