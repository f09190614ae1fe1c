"""Open paths below a folder without ever leaving it, even if links are planted meanwhile.

Each step of a path is opened from the descriptor of the step before, and none may be a link. So a path leads
below the folder or to an error, even if another program moves things meanwhile.

Everything here blocks; it is for a thread.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Final

from aioglacier.core.errors import UnsafePathError
from aioglacier.files.open_flags import DIRECTORY, NOFOLLOW, refuse_without_folders

_FOLDER: Final = os.O_RDONLY | DIRECTORY | NOFOLLOW

#: The first is what an absolute path begins with, and what lies between two slashes.
_NO_STEPS: Final = frozenset({b"", b".", b".."})

#: Error numbers of systems for a step that is a link.
_IS_LINK: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EMLINK})


class Beneath:
    """One folder, and the paths below it.

    It keeps the last folder open, so a walk in order opens each folder once. For one thread at a time.

    Attributes:
        fd: The folder at the top.
    """

    def __init__(self, root: bytes) -> None:
        refuse_without_folders()
        self.fd = os.open(root, _FOLDER & ~NOFOLLOW)
        self._path = b""
        self._last = -1

    def close(self) -> None:
        """Close all descriptors."""
        self.forget()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def forget(self) -> None:
        """Close the folder that was reached last."""
        if self._last >= 0:
            os.close(self._last)
            self._last = -1

    def parent(self, path: bytes, *, makes_folders: bool = False) -> tuple[int, bytes]:
        """Return the open folder that a path is in, and its name there.

        The descriptor is good until the next call. A "/" at the end of the path is no part of the name.

        Args:
            path: Below the folder.
            makes_folders: Make folders on the way that are not there, for their owner alone.

        Raises:
            UnsafePathError: The path does not lie below the folder, or leads through a link.
            OSError: A folder cannot be opened.
        """
        folder, _, name = path.rstrip(b"/").rpartition(b"/")
        if self._last < 0 or folder != self._path or name in _NO_STEPS or b"\0" in name:
            check_path(path)  # of the folder that is open, only the name is new
            if not folder:
                return self.fd, name
            fd = self._open(folder, makes_folders=makes_folders)
            self.forget()
            self._last, self._path = fd, folder
        return self._last, name

    def _open(self, folder: bytes, *, makes_folders: bool) -> int:
        fd = self.fd
        try:
            for name in folder.split(b"/"):
                following = self._step(fd, name, folder, makes_folders=makes_folders)
                if fd != self.fd:
                    os.close(fd)
                fd = following
        except BaseException:
            if fd != self.fd:
                os.close(fd)
            raise
        return fd

    def _step(self, fd: int, name: bytes, folder: bytes, *, makes_folders: bool) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=fd)
        except FileNotFoundError:
            if not makes_folders:
                raise
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=fd)
            return self._step(fd, name, folder, makes_folders=False)  # a link may stand there by now
        except OSError as error:
            if error.errno in _IS_LINK:
                raise UnsafePathError(
                    f"{os.fsdecode(name)!r} in the path {os.fsdecode(folder)!r} is a link or a file, where a "
                    "folder was expected; nothing was read or written there. Move it away, and run the same "
                    "command again",
                    path=os.fsdecode(folder),
                ) from error
            raise


def checked_name(name: bytes) -> bytes:
    """Return the name of a path in its folder.

    Raises:
        UnsafePathError: It is none.
    """
    if name in _NO_STEPS or b"\0" in name:
        check_path(name)
    return name


def check_path(path: bytes) -> None:
    """Refuse a path that does not lie below a folder.

    Raises:
        UnsafePathError: It is absolute, climbs with "..", or holds NUL or empty steps.
    """
    if b"\0" in path or not _NO_STEPS.isdisjoint(path.rstrip(b"/").split(b"/")):
        raise UnsafePathError(
            f"{os.fsdecode(path)!r} does not lie below the folder; nothing was read or written for it",
            path=os.fsdecode(path),
        )
