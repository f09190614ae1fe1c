"""Reading a file that is to be archived: what must not change in it, and how a range of it is read.

Files are read, never mapped: a file that is truncated under a mapping kills the process.

Worker processes load this module: it imports little (see ``core/tuples.py``).
"""

from __future__ import annotations

import errno
import os

from aioglacier.core.tuples import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Final

#: How often a block is asked for that a disk cannot read: a cable or a network may do better the next time.
_READS: Final = 3


class FileIdentity(NamedTuple):
    """What must not change in a file while it is read, as ``os.stat`` gives it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileIdentity:
        """The identity of the file that was asked about."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    def difference(self, other: FileIdentity) -> str | None:
        """The first thing that differs, "inode", "size", "mtime" or "ctime"; ``None`` if nothing does."""
        if (self.device, self.inode) != (other.device, other.inode):
            return "inode"
        for field in ("size", "mtime_ns", "ctime_ns"):
            if getattr(self, field) != getattr(other, field):
                return field.removesuffix("_ns")
        return None


class FileRange(NamedTuple):
    """Some bytes of an open file.

    Attributes:
        descriptor: Open for reading; it belongs to whoever made the range, for as long as that is used.
        path: The file's name, for messages.
        offset: Of the first byte.
        nbytes: How many there are, as a ``memoryview`` says it.
        identity: What the file was when it was opened.
    """

    descriptor: int
    path: str
    offset: int
    nbytes: int
    identity: FileIdentity


class FileChangedError(Exception):
    """The file to read is not, or is no longer, the one that was meant; the argument says in what."""


def open_unchanged(path: str, identity: FileIdentity) -> int:
    """A descriptor of a file that is still what it was.

    Raises:
        OSError: It cannot be opened.
        FileChangedError: It is another, or has changed.
    """
    # Not blocking: should there be a FIFO by now, opening it would wait for somebody to write to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    if difference := identity.difference(FileIdentity.of(os.fstat(descriptor))):
        os.close(descriptor)
        raise FileChangedError(difference)
    return descriptor


def fill(view: memoryview, descriptor: int, offset: int) -> None:
    """Read a file from an offset on until the view is full.

    Raises:
        OSError: It cannot be read, not even when asked again.
        FileChangedError: It ends before that.
    """
    failures = 0
    while view:
        try:
            count = os.preadv(descriptor, [view], offset)
        except OSError as error:
            failures += 1
            if error.errno != errno.EIO or failures == _READS:
                raise
            continue
        if count == 0:
            raise FileChangedError("size")
        view = view[count:]
        offset += count
