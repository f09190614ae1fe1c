"""Write, name, read, hash and look at many small files of one open folder in one call.

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

from aioglacier.core.errors import TargetError, UnsafePathError
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import HASHES_EACH, NATIVE_SWITCH, TreeHash
from aioglacier.files.beneath import check_path
from aioglacier.files.landing import rename, write_all
from aioglacier.files.open_flags import DIRECTORY, NOFOLLOW, NONBLOCK
from aioglacier.files.reading import FileChangedError, FileIdentity, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Buffer

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW

#: Without O_NONBLOCK opening a FIFO that took the place of a file would wait for a writer.
_OLD: Final = os.O_RDONLY | NOFOLLOW | NONBLOCK

_FOLDER: Final = os.O_RDONLY | DIRECTORY | NOFOLLOW

#: The content of a member of a tar archive is padded to a multiple of this.
_BLOCK: Final = 512

#: Times beyond this need other numbers on record, and are left to the caller.
_STORABLE_NS: Final = 9 * 10**18

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

OldFile: TypeAlias = tuple[bytes, int, bytes]
"""The name of a file to read, its size, and the path that its header gets."""

SizedFile: TypeAlias = tuple[bytes, int]
"""The path of a file to hash, and its size."""

ReadFile: TypeAlias = tuple[bytes, bytes, int, int, int, int, int, int, int, int]
"""Member, hash, size, mtime and ctime in nanoseconds, inode, mode, owner, group, and blocks of 512 bytes."""

PathFacts: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int]
"""Mode, size, mtime and ctime in nanoseconds, inode, device, links, owner, group, and blocks of 512 bytes."""

if TYPE_CHECKING:
    MakeHeader: TypeAlias = Callable[[bytes, int, int, int, int, int], bytes]
    MakeHash: TypeAlias = Callable[[Buffer], bytes]


def _write_files(folder: int, files: Sequence[NewFile], /) -> list[int]:
    return [number for number, file in enumerate(files) if not _write_one(folder, NewFile(*file))]


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


def _read_members(
    folder: int, files: Sequence[OldFile], make_header: MakeHeader, tree_hash: MakeHash, /
) -> list[ReadFile | None]:
    return [_read_one(folder, *file, make_header, tree_hash) for file in files]


def _read_one(
    folder: int, name: bytes, size: int, path: bytes, make_header: MakeHeader, tree_hash: MakeHash
) -> ReadFile | None:
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
    except OSError:
        return None
    finally:
        os.close(fd)
    if FileIdentity.of(before) != FileIdentity.of(after):
        return None
    if not _is_storable(after):
        return None
    header = make_header(path, size, after.st_mode, after.st_uid, after.st_gid, after.st_mtime_ns)
    member = b"".join((header, content, bytes(-size % _BLOCK)))
    return member, tree_hash(content), *facts_of(after)


def _may_have_attributes(fd: int) -> bool:
    try:
        return any(name.startswith(_USER) for name in os.listxattr(fd))
    except (OSError, AttributeError):  # the file system, or the system, has none
        return False


def _hash_files(root: int, files: Sequence[SizedFile], room: memoryview, /) -> list[bytes | None]:
    return [_hash_one(root, path, size, room[:MIB]) for path, size in files]


def _hash_one(root: int, path: bytes, size: int, block: memoryview) -> bytes | None:
    try:
        fd = _open_beneath(root, path)
    except (OSError, UnsafePathError):
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            return None
        hasher = TreeHash()
        for at in range(0, size, MIB):
            part = block[: min(MIB, size - at)]
            fill(part, fd, at)
            hasher.update(part)
    except (OSError, FileChangedError):
        return None
    finally:
        os.close(fd)
    return hasher.digest()


def _open_beneath(root: int, path: bytes) -> int:
    check_path(path)
    *steps, name = path.split(b"/")
    folder = root
    try:
        for step in steps:
            above, folder = folder, os.open(step, _FOLDER, dir_fd=folder)
            if above != root:
                os.close(above)
        return os.open(name, _OLD, dir_fd=folder)
    finally:
        if folder != root:
            os.close(folder)


def _look_at(folder: int, names: Sequence[bytes], /) -> list[PathFacts | None]:
    found: list[PathFacts | None] = []
    for name in names:
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            found.append(None)
        else:
            found.append(path_facts(status) if _is_storable(status) else None)
    return found


def _is_storable(status: os.stat_result) -> bool:
    return abs(status.st_mtime_ns) < _STORABLE_NS and abs(status.st_ctime_ns) < _STORABLE_NS


def path_facts(status: os.stat_result) -> PathFacts:
    """Return the facts that ``look_at`` returns."""
    size, mtime_ns, ctime_ns, inode, mode, *owner, blocks = facts_of(status)
    uid, gid = owner
    return mode, size, mtime_ns, ctime_ns, inode, status.st_dev, status.st_nlink, uid, gid, blocks


def facts_of(status: os.stat_result) -> tuple[int, int, int, int, int, int, int, int]:
    """Return the facts that ``read_members`` returns behind the hash of a file."""
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

read_members: Callable[[int, Sequence[OldFile], MakeHeader, MakeHash], list[ReadFile | None]] = _read_members
"""Read regular files of known names and sizes, never through a link, as members of a bundle.

``make_header`` makes a header from path, size, mode, owner, group and mtime, and ``tree_hash`` the hash. The
compiled function makes most of both by itself.

``None`` stands for a file that could not be read, is of another size, changed while it was read, has a time
that no record can hold, or has extended attributes that a user gave it.
"""

hash_files: Callable[[int, Sequence[SizedFile], memoryview], list[bytes | None]] = _hash_files
"""Return the tree hashes of regular files of known paths and sizes below a folder, never through a link.

Files are read into the memory given, of a MiB and more; its content is lost. ``None`` stands for a file that
could not be read, or is of another size.
"""

look_at: Callable[[int, Sequence[bytes]], list[PathFacts | None]] = _look_at
"""Return what ``lstat`` tells of names, ``None`` for one that fails or has a time that no record can hold."""

if os.environ.get(NATIVE_SWITCH) != "0":
    with suppress(ImportError):  # where it was compiled
        from aioglacier.files import native_files

        write_files, name_files = native_files.write_files, native_files.name_files
        from aioglacier.files.native_files import (
            look_at as _native_look,  # an older build lacks these
            read_members as _native_read,
        )

        look_at, read_members = _native_look, _native_read
        if HASHES_EACH:
            from aioglacier.files.native_files import hash_files as _native_hash

            hash_files = _native_hash
