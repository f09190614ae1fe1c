"""A job that hashes one part: its description, which is plain data, and its execution.

A worker process, or a thread, or one day another machine is given a ``PartJob`` and the part's memory. It may
have to fill the memory from a file first, and hashes it. What is sent from a file has no memory: it is read
here to be hashed, block by block, and again to be sent.

Worker processes load this module: it imports little (see ``core/tuples.py``).
"""

from __future__ import annotations

import mmap
import os
from _thread import _local  # threading.local, without the rest of threading

from aioglacier.core.treehash import PartHasher
from aioglacier.core.tuples import NamedTuple
from aioglacier.files.reading import FileChangedError, FileIdentity, fill, make_block, open_unchanged

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from aioglacier.core.crc import CrcHasher
    from aioglacier.core.treehash import PartHashes

_LEAF_SIZE: Final = 1024 * 1024

#: Bytes of a file that are only hashed pass through a block of this size, which stays in the CPU's cache.
#: Measured where a core has 1 MiB of it: 1.02 times the CPU of hashing memory with 256 KiB, 1.00 with this.
_BLOCK_SIZE: Final = 512 * 1024

#: A mapped file is hashed where it lies in the page cache, without a copy: a GiB on ext4 took 1.08 s of CPU
#: in windows of this size, 1.13 in those of 1 MiB, 1.28 in blocks that are read, and 1.12 in memory (medians
#: of five, busy machine). The window bounds the memory of the process; the disk fetches ahead of it.
_WINDOW_SIZE: Final = 4 * 1024 * 1024
_AHEAD: Final = 8 * 1024 * 1024

_blocks: Final = _local()


class ReadFrom(NamedTuple):
    """Take the part's bytes from this place."""

    path: str
    offset: int
    identity: FileIdentity


#: The hashes that a job makes: payload and tree hash in one pass, the tree hash alone, or S3's fast checksum
#: alone, before the bytes are sent or, of a file, while they are. Only bytes that are sent, or that S3 has
#: sent, need a payload hash, which costs as much again.
PAYLOAD: Final = "payload"
TREE: Final = "tree"
CRC: Final = "crc64nvme"
CRC_OF_SENT: Final = "crc64nvme of sent"


class PartJob(NamedTuple):
    """Hash the first ``length`` bytes of a part's memory, or of a file."""

    length: int
    read_from: ReadFrom | None = None
    hashes: str = PAYLOAD
    may_map: bool = False  # then a file that is truncated meanwhile, or a bad disk, may kill the process


def perform(job: PartJob, view: memoryview | None, report: Callable[[int], None] | None = None) -> PartHashes:
    """Read and hash as the job says.

    ``view`` is the part's memory; without it, what is read from a file is hashed and not kept. ``report``
    gets the number of bytes done after each MiB at least, so that a watcher can tell slow from frozen.

    Raises:
        OSError: The file could not be opened or read.
        FileChangedError: The file to read has changed.
    """
    place = job.read_from
    source = open_unchanged(place.path, place.identity) if place is not None else -1
    try:
        hasher = new_hasher(job.hashes, job.length)
        for at, block in _bytes_of(job, view, source):
            hasher.update(block)
            if report is not None:
                report(at + len(block))
        return hasher.finish()
    finally:
        if place is not None:
            os.close(source)


def new_hasher(hashes: str, size: int) -> PartHasher | CrcHasher:
    """Return a hasher for a part of so many bytes."""
    if hashes in {CRC, CRC_OF_SENT}:
        from aioglacier.core.crc import CrcHasher  # noqa: PLC0415  # few workers need it

        return CrcHasher()
    return PartHasher(with_payload=hashes == PAYLOAD, size=size)


def _bytes_of(job: PartJob, view: memoryview | None, source: int) -> Iterator[tuple[int, memoryview]]:
    """Yield the position in the part and the bytes of each block, read or mapped from the source if any."""
    place = job.read_from
    if place is not None and view is None and job.may_map and _can_map(source, place.offset):
        yield from _mapped(source, place.offset, job.length)
        return
    for at, block in _cut(job.length, view):
        if place is not None:
            fill(block, source, place.offset + at)
        yield at, block


def _can_map(source: int, offset: int) -> bool:
    """Return whether to map a file: a hole in one of a tmpfs would get pages by that."""
    status = os.fstat(source)
    return offset % mmap.ALLOCATIONGRANULARITY == 0 and status.st_blocks * 512 >= status.st_size


def _mapped(source: int, offset: int, length: int) -> Iterator[tuple[int, memoryview]]:
    for at in range(0, length, _WINDOW_SIZE):
        if at % _AHEAD == 0:
            os.posix_fadvise(source, offset + at, 2 * _AHEAD, os.POSIX_FADV_WILLNEED)
        size = min(_WINDOW_SIZE, length - at)
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        try:
            window = mmap.mmap(source, size, flags=flags, prot=mmap.PROT_READ, offset=offset + at)
        except ValueError:  # it was longer when it was opened
            raise FileChangedError("size") from None
        except OSError:  # this filesystem maps no files
            block = _block()[:_BLOCK_SIZE]
            for start in range(at, length, _BLOCK_SIZE):
                block = block[: length - start]
                fill(block, source, offset + start)
                yield start, block
            return
        with window, memoryview(window) as whole:
            for start in range(0, size, _LEAF_SIZE):
                with whole[start : start + _LEAF_SIZE] as block:  # or the window could not close
                    yield at + start, block
    if os.fstat(source).st_size < offset + length:  # zeros come from behind the end in its last page
        raise FileChangedError("size")


def _cut(length: int, view: memoryview | None) -> Iterator[tuple[int, memoryview]]:
    """Yield where in the part each block begins, and the memory for the block."""
    step = _LEAF_SIZE if view is not None else _BLOCK_SIZE
    for at in range(0, length, step):
        size = min(step, length - at)
        yield at, _block()[:size] if view is None else view[at : at + size]


def _block() -> memoryview:
    """Return the block of this thread."""
    if not hasattr(_blocks, "view"):
        _blocks.view = make_block(_BLOCK_SIZE)
    view: memoryview = _blocks.view
    return view
