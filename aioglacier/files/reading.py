"""Read ranges of a file that is archived, and notice if the file changes. Write at an offset.

Files are read, not mapped: a file that is truncated under a mapping kills the process. Only hash workers,
which can be replaced, map them; see ``transfer.hashing.part_job``.

Worker processes load this module: it imports little (see ``core/tuples.py``).
"""

from __future__ import annotations

import errno
import mmap
import os

from aioglacier.core.treehash import NATIVE_SWITCH
from aioglacier.core.tuples import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

#: How often to read a block that a disk cannot read: a cable or a network may do better the next time.
_READS: Final = 3

#: Not blocking: opening a FIFO that replaced the file would wait for a writer.
_OPEN: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class FileIdentity(NamedTuple):
    """The facts of ``os.stat`` that must not change in a file while it is read."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileIdentity:
        """Return the identity of a file from its status."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    def difference(self, other: FileIdentity) -> str | None:
        """Return the first fact that differs, "inode", "size", "mtime" or "ctime"; ``None`` if none does."""
        if self == other:
            return None
        if (self.device, self.inode) != (other.device, other.inode):
            return "inode"
        for field in ("size", "mtime_ns", "ctime_ns"):
            if getattr(self, field) != getattr(other, field):
                return field.removesuffix("_ns")
        return None


class FileRange(NamedTuple):
    """Some bytes of an open file."""

    descriptor: int  # open for reading; the maker of the range keeps it open while the range is used
    path: str  # the file's name, for messages
    offset: int  # of the first byte
    nbytes: int  # how many there are, as a ``memoryview`` says it
    identity: FileIdentity  # what the file was when it was opened


class FileChangedError(Exception):
    """The file has changed or was replaced; the argument names the fact that differs."""


def open_unchanged(path: str, identity: FileIdentity) -> int:
    """Open a file that has not changed.

    Raises:
        OSError: It cannot be opened.
        FileChangedError: It is another file, or has changed.
    """
    descriptor = os.open(path, _OPEN)
    if difference := identity.difference(FileIdentity.of(os.fstat(descriptor))):
        os.close(descriptor)
        raise FileChangedError(difference)
    return descriptor


def make_block(size: int) -> memoryview:
    """Return memory that a file is read into at the least cost, of ``size`` bytes, at least one.

    It is whole pages, of this process alone. A large bytearray begins 16 bytes behind the start of a page,
    and the CPU then takes loads from the file's pages for the bytes just stored (4 KiB aliasing): a cached
    GiB cost 0.6 s of CPU, and costs 0.14 s.
    """
    if not hasattr(mmap, "MAP_PRIVATE"):
        return memoryview(mmap.mmap(-1, size))
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def _copy_bytes(to: memoryview, data: memoryview, /) -> None:
    to[: len(data)] = data


def _choose_copy() -> Callable[[memoryview, memoryview], None]:
    if os.environ.get(NATIVE_SWITCH) != "0":
        try:
            from aioglacier.core import native  # noqa: PLC0415  # where it was compiled
        except ImportError:
            return _copy_bytes
        return getattr(native, "copy", _copy_bytes)  # an older build lacks it
    return _copy_bytes


copy_bytes: Callable[[memoryview, memoryview], None] = _choose_copy()
"""Copy bytes to the start of other memory; where this is compiled, other threads run meanwhile."""


def fill(view: memoryview, descriptor: int, offset: int) -> None:
    """Read a file from an offset on until the view is full.

    Raises:
        OSError: It cannot be read, not even when asked again.
        FileChangedError: It ends before that.
    """
    failures = 0
    while view:
        try:
            count = read_at(descriptor, view, offset)
        except OSError as error:
            failures += 1
            if error.errno != errno.EIO or failures == _READS:
                raise
            continue
        if count == 0:  # it was longer when it was opened
            raise FileChangedError("size")
        view = view[count:]
        offset += count


if hasattr(os, "preadv"):

    def read_at(file: int, view: memoryview, offset: int) -> int:
        """Read into ``view`` from an offset on; return how many bytes came, 0 at the end of the file."""
        return os.preadv(file, [view], offset)

    def write_at(file: int, data: memoryview, offset: int) -> int:
        """Write bytes at an offset; return how many were written."""
        return os.pwrite(file, data, offset)

else:
    import threading

    _TURN = threading.Lock()  # a descriptor has one position, which no other thread may move meanwhile

    def read_at(file: int, view: memoryview, offset: int) -> int:
        """Read into ``view`` from an offset on; return how many bytes came, 0 at the end of the file."""
        with _TURN:
            os.lseek(file, offset, os.SEEK_SET)
            data = os.read(file, len(view))
        view[: len(data)] = data
        return len(data)

    def write_at(file: int, data: memoryview, offset: int) -> int:
        """Write bytes at an offset; return how many were written."""
        with _TURN:
            os.lseek(file, offset, os.SEEK_SET)
            return os.write(file, data)
