"""Write, name and read many small files of one open folder in one call.

The compiled functions (``native_files.c``) make the system calls of a whole batch without the GIL; those here
do the same work one file after the other. Both do only the common case. They leave no trace of a file that
they could not finish, and return which ones those are. The caller does those again by itself, and so meets
the error.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from aioglacier.core.errors import TargetError
from aioglacier.core.treehash import NATIVE_SWITCH
from aioglacier.files.landing import rename, write_all
from aioglacier.files.open_flags import NOFOLLOW, NONBLOCK
from aioglacier.files.reading import FileIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW

#: Without O_NONBLOCK opening a FIFO that took the place of a file would wait for a writer.
_OLD: Final = os.O_RDONLY | NOFOLLOW | NONBLOCK

#: Only attributes that users set are archived.
_USER: Final = "user."


class NewFile(NamedTuple):
    """A file to write."""

    name: bytes
    content: bytes | memoryview
    mode: int
    uid: int  # -1 for the user who writes it
    gid: int
    mtime_ns: int


Naming: TypeAlias = tuple[bytes, bytes]
"""The name of a file now, and the name to be."""

ReadFile: TypeAlias = tuple[bytes, int, int, int, int, int, int, int, int]
"""Content, size, mtime and ctime in nanoseconds, inode, mode, owner, group, and blocks of 512 bytes."""


def _write_files(folder: int, files: Sequence[NewFile], /) -> list[int]:
    return [number for number, file in enumerate(files) if not _write_one(folder, file)]


def _write_one(folder: int, file: NewFile) -> bool:
    try:
        fd = _create(folder, file.name)
    except OSError:
        return False
    try:
        try:
            write_all(fd, file.content)
            if file.uid >= 0:  # before the permissions, since it clears set-user-ID
                os.fchown(fd, file.uid, file.gid)
            os.fchmod(fd, file.mode)
            os.utime(fd, ns=(file.mtime_ns, file.mtime_ns))
        finally:
            os.close(fd)
    except OSError:
        with suppress(OSError):
            os.unlink(file.name, dir_fd=folder)
        return False
    return True


def _create(folder: int, name: bytes) -> int:
    try:
        return os.open(name, _NEW, 0o600, dir_fd=folder)
    except FileExistsError:  # a run that was killed has left it
        os.unlink(name, dir_fd=folder)
        return os.open(name, _NEW, 0o600, dir_fd=folder)


def _name_files(folder: int, files: Sequence[Naming], replaces: bool, /) -> list[int]:
    undone = []
    for number, (old, new) in enumerate(files):
        try:
            rename(old, new, overwrite=replaces, old_fd=folder, new_fd=folder)
        except (OSError, TargetError):
            undone.append(number)
    return undone


def _read_files(folder: int, files: Sequence[tuple[bytes, int]], /) -> list[ReadFile | None]:
    return [_read_one(folder, name, size) for name, size in files]


def _read_one(folder: int, name: bytes, size: int) -> ReadFile | None:
    try:
        fd = os.open(name, _OLD, dir_fd=folder)
    except OSError:
        return None
    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode) or before.st_size != size:
            return None
        content = os.pread(fd, size + 1, 0)  # a byte behind the end shows that the file grew
        if len(content) != size or _may_have_attributes(fd):
            return None
        after = os.fstat(fd)
        if FileIdentity.of(before) != FileIdentity.of(after):
            return None
        return content, *facts_of(after)
    except OSError:
        return None
    finally:
        os.close(fd)


def _may_have_attributes(fd: int) -> bool:
    try:
        return any(name.startswith(_USER) for name in os.listxattr(fd))
    except (OSError, AttributeError):  # the file system, or the system, has none
        return False


def facts_of(status: os.stat_result) -> tuple[int, int, int, int, int, int, int, int]:
    """Return the facts that ``read_files`` returns behind the content of a file."""
    return (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_blocks,
    )


write_files: Callable[[int, Sequence[NewFile]], list[int]] = _write_files
"""Write new files with owner, permissions and times; return the numbers of those that are not there."""

name_files: Callable[[int, Sequence[Naming], bool], list[int]] = _name_files
"""Rename files, and replace others only if asked; return the numbers of those that have their old names."""

read_files: Callable[[int, Sequence[tuple[bytes, int]]], list[ReadFile | None]] = _read_files
"""Read regular files of known names and sizes, never through a link.

``None`` stands for a file that could not be read, is of another size, changed while it was read, or has
extended attributes that a user gave it.
"""

if os.environ.get(NATIVE_SWITCH) != "0":
    with suppress(ImportError):  # where it was compiled
        from aioglacier.files import native_files

        write_files, name_files = native_files.write_files, native_files.name_files
        read_files = native_files.read_files
