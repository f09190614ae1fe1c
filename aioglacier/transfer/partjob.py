"""What is done to one part by whoever hashes it: a description that is plain data, and the doing.

A worker process, or a thread, or one day another machine is given a ``PartJob`` and the part's memory. It may
have to fill the memory from a file first, or to write it to a file afterwards; in between it hashes. Files
are read, never mapped: a file that is truncated under a mapping kills the process.

Worker processes load this module: it imports the standard library and ``core.treehash`` only.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.treehash import PartHasher

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.core.treehash import PartHashes

_LEAF_SIZE: Final = 1024 * 1024

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


class ReadFrom(NamedTuple):
    """Fill the part's memory from this place first."""

    path: str
    offset: int
    identity: FileIdentity


class WriteTo(NamedTuple):
    """Write the part's bytes to this place of an existing file as they are hashed."""

    path: str
    offset: int


class PartJob(NamedTuple):
    """Hash the first ``length`` bytes of a part's memory.

    Only what is sent needs a payload hash, which costs as much again.
    """

    length: int
    read_from: ReadFrom | None = None
    write_to: WriteTo | None = None
    with_payload: bool = True


class FileChangedError(Exception):
    """The file to read is not, or is no longer, the one that was meant; the argument says in what."""


def perform(job: PartJob, view: memoryview, report: Callable[[int], None] | None = None) -> PartHashes:
    """Read, hash and write as the job says; ``view`` is the part's memory.

    ``report`` is told the number of bytes done after each MiB, so that a watcher can tell slow from frozen.

    Raises:
        OSError: A file could not be opened, read or written.
        FileChangedError: The file to read has changed.
    """
    source = _open_source(job.read_from) if job.read_from else None
    try:
        target = os.open(job.write_to.path, os.O_WRONLY | os.O_CLOEXEC) if job.write_to else None
        try:
            hasher = PartHasher(with_payload=job.with_payload)
            for at in range(0, job.length, _LEAF_SIZE):
                leaf = view[at : min(at + _LEAF_SIZE, job.length)]
                if source is not None and job.read_from:
                    _fill(leaf, source, job.read_from.offset + at)
                hasher.update(leaf)
                if target is not None and job.write_to:
                    _drain(leaf, target, job.write_to.offset + at)
                if report is not None:
                    report(at + len(leaf))
            return hasher.finish()
        finally:
            if target is not None:
                os.close(target)
    finally:
        if source is not None:
            os.close(source)


def _open_source(place: ReadFrom) -> int:
    # Not blocking: should there be a FIFO by now, opening it would wait for somebody to write to it.
    source = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    if difference := place.identity.difference(FileIdentity.of(os.fstat(source))):
        os.close(source)
        raise FileChangedError(difference)
    return source


def _fill(leaf: memoryview, source: int, offset: int) -> None:
    failures = 0
    while leaf:
        try:
            count = os.preadv(source, [leaf], offset)
        except OSError as error:
            failures += 1
            if error.errno != errno.EIO or failures == _READS:
                raise
            continue
        if count == 0:
            raise FileChangedError("size")
        leaf = leaf[count:]
        offset += count


def _drain(leaf: memoryview, target: int, offset: int) -> None:
    while leaf:
        count = os.pwrite(target, leaf, offset)
        leaf = leaf[count:]
        offset += count
