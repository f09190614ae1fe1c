"""Opens files of a folder, never through a link, and makes the versions that record them.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.formats.attributes import encode_extra, read_attributes
from aioglacier.bulk.sync.scan import Found, signed
from aioglacier.catalog.folders.entry_records import Entry, storable_time
from aioglacier.core.errors import SourceUnreadableError
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import TreeHash
from aioglacier.files.beneath import Beneath
from aioglacier.files.open_flags import NOFOLLOW, NONBLOCK
from aioglacier.files.reading import FileIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Without O_NONBLOCK opening a FIFO that took the place of a file would wait for a writer.
OPEN: Final = os.O_RDONLY | NOFOLLOW | NONBLOCK

#: As in ``transfer.upload``: a change within the same tick of the file system's clock would not show later.
_TICK_NS: Final = 20_000_000


#: The fields of an ``Entry`` behind its hash.
_NO_PLACE: Final = (None,) * 5


@contextmanager
def reading(path: bytes) -> Iterator[None]:
    """Turn an ``OSError`` of the block into an error that names the file.

    Raises:
        SourceUnreadableError: In place of an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise unreadable(path, error) from error


@contextmanager
def open_file(root: str, path: bytes) -> Iterator[int]:
    """Open a file of a folder for the block.

    Raises:
        UnsafePathError: The path leads through a link.
        SourceUnreadableError: The file cannot be opened, or is no regular file any more.
    """
    with reading(path), closing(Beneath(os.fsencode(root))) as beneath:
        parent, name = beneath.parent(path)
        fd = os.open(name, OPEN, dir_fd=parent)
    try:
        check_regular(path, os.fstat(fd))
        yield fd
    finally:
        os.close(fd)


def hash_file(root: str, path: bytes) -> bytes:
    """Return the tree hash of a file; see ``open_file``."""
    with open_file(root, path) as fd, reading(path):
        return hash_opened(fd)


def hash_opened(fd: int) -> bytes:
    """Return the tree hash of an open file, from its current offset on."""
    hasher = TreeHash()
    while block := os.read(fd, MIB):
        hasher.update(block)
    return hasher.digest()


def look_at_file(root: str, path: bytes) -> tuple[FileIdentity, dict[str, bytes]]:
    """Return the identity of a file and its extended attributes; see ``open_file``."""
    with open_file(root, path) as fd:
        return FileIdentity.of(os.fstat(fd)), read_attributes(fd)


def check_regular(path: bytes, status: os.stat_result) -> None:
    """Refuse a path that is no longer a regular file.

    Raises:
        SourceUnreadableError: It is no regular file.
    """
    if not stat.S_ISREG(status.st_mode):
        name = os.fsdecode(path)
        raise SourceUnreadableError(f"{name!r} is no regular file any more", path=name)


def unreadable(path: bytes, error: OSError, offset: int | None = None) -> SourceUnreadableError:
    """Return the error for a path that could be read up to ``offset``."""
    name = os.fsdecode(path)
    reason = "it is a link now" if error.errno == errno.ELOOP else error.strerror or str(error)
    where = f" at byte {offset}" if offset else ""
    return SourceUnreadableError(
        f"{name!r} cannot be read{where}: {reason}", path=name, errno=error.errno, offset=offset
    )


def settled_before() -> int:
    """Return the latest ``ctime`` of a file read from now on that shows every later change of the file."""
    return time.time_ns() - _TICK_NS


def found_again(
    found: Found,
    size: int,
    mtime_ns: int,
    ctime_ns: int,
    inode: int,
    mode: int,
    uid: int,
    gid: int,
    blocks: int,
) -> Found:
    """Return the facts of a file that was read, from those of ``small_files.facts_of``.

    A file that changed within the last tick of the file system's clock may change again without a sign in its
    times. Its ``ctime`` becomes 0, so that the next run reads it once more. Its ``mtime`` cannot tell:
    any program can set it, even to the future.
    """
    if ctime_ns > settled_before():
        ctime_ns = 0
    return Found(
        found.path,
        found.kind,
        size,
        storable_time(mtime_ns),
        ctime_ns,
        signed(inode),
        mode & 0o7777,
        uid,
        gid,
        found.target,
        found.device,
        blocks,
    )


def new_version(
    found: Found,
    tree: int,
    run: int,
    *,
    target: bytes | None = None,
    attributes: dict[str, bytes] | None = None,
    content_hash: bytes | None = None,
) -> Entry:
    """Return the version that records a path; its content is not yet in any archive."""
    # A restore leaves the holes out again.
    has_holes = found.kind == "file" and found.blocks * 512 < found.size
    return Entry(
        tree,
        found.path,
        run,
        found.kind,
        found.size,
        found.mtime_ns,
        found.ctime_ns,
        found.inode,
        found.device,
        found.mode,
        found.uid,
        found.gid,
        target if target is not None else found.target,
        encode_extra(attributes or {}, has_holes=has_holes) if attributes or has_holes else None,
        content_hash,
    )


def version_read(
    found: Found,
    tree: int,
    run: int,
    settled_ns: int,
    content_hash: bytes,
    size: int,
    mtime_ns: int,
    ctime_ns: int,
    inode: int,
    mode: int,
    uid: int,
    gid: int,
    blocks: int,
) -> Entry:
    """Return the version of a file from its hash and facts, as ``small_files.read_members`` returns them.

    It is that of ``new_version`` and ``found_again``, without the steps between: this runs for each of a
    million files. ``settled_ns`` is what ``settled_before`` returned before the file was read.
    """
    version = (
        tree,
        found.path,
        run,
        found.kind,
        size,
        mtime_ns,
        0 if ctime_ns > settled_ns else ctime_ns,
        signed(inode),
        found.device,
        mode & 0o7777,
        uid,
        gid,
        found.target,
        encode_extra({}, has_holes=True) if blocks * 512 < size else None,
        content_hash,
        *_NO_PLACE,
    )
    return tuple.__new__(Entry, version)
