"""The two kinds of request bodies, and how each is had slice by slice: memory, and a range of an open file.

A range of a file is never in memory as a whole. It is read while it is sent, and again by each attempt, into
one block that belongs to the body; what was read to be hashed is in the system's page cache as a rule, so the
second time costs no more than a copy. Where it is not, the loop must not wait for the disk:

- On Linux a slice is asked for with ``RWF_NOWAIT``, which gives what the cache has and never waits.
- What the cache does not have is read by a thread, which also asks the system to fetch what comes next. So is
  everything where the file's filesystem, or the operating system, does not know the flag.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from aioglacier.files.reading import FileChangedError, FileIdentity, FileRange, fill
from aioglacier.files.unreadable import source_changed, source_unreadable

if TYPE_CHECKING:
    from aioglacier.core.errors import SourceChangedError
    from aioglacier.gateway.contract.protocols import Body

#: The largest slice of a file. As large as any is sent; see ``payload``.
_BLOCK_SIZE: Final = 512 * 1024

#: How much of what comes next a disk is asked for while what it gave is sent: 8 MiB are 10 ms of a fast one.
_READ_AHEAD: Final = 8 * 1024 * 1024

_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)


class MemorySlices:
    """Slices of memory are there."""

    def __init__(self, body: memoryview) -> None:
        self._body = body.cast("B")

    async def take(self, at: int, size: int) -> memoryview:
        """Up to ``size`` bytes from the body's byte ``at`` on, at least one."""
        return self._body[at : at + size]


class FileSlices:
    """Slices of a file lie in one block, so each is gone when the next is taken."""

    def __init__(self, body: FileRange) -> None:
        self._body = body
        self._block = memoryview(bytearray(min(_BLOCK_SIZE, body.nbytes)))
        self._start = self._stop = 0
        self._is_nowait_known = _NOWAIT != 0

    async def take(self, at: int, size: int) -> memoryview:
        """As ``MemorySlices.take``.

        Raises:
            SourceChangedError: The file has become shorter.
            SourceUnreadableError: The disk cannot read it.
        """
        if not self._start <= at < self._stop:
            count = self._read_cached(at) or await to_thread.run_sync(self._read, at)
            self._start, self._stop = at, at + count
        return self._block[at - self._start : min(at + size, self._stop) - self._start]

    def _read_cached(self, at: int) -> int:
        """Fill the block with what needs no wait; 0 is nothing, or an end that the thread will meet, too."""
        if not self._is_nowait_known:
            return 0
        view = self._block[: min(len(self._block), self._body.nbytes - at)]
        try:
            return os.preadv(self._body.descriptor, [view], self._body.offset + at, _NOWAIT)
        except OSError as error:
            # Not on this filesystem. A disk's error is for the thread, which asks again and tells.
            self._is_nowait_known = error.errno in {errno.EAGAIN, errno.EIO}
            return 0

    def _read(self, at: int) -> int:
        body = self._body
        view = self._block[: min(len(self._block), body.nbytes - at)]
        offset = body.offset + at
        try:
            fill(view, body.descriptor, offset)
        except FileChangedError as error:
            raise source_changed(body.path, str(error)) from None
        except OSError as error:
            raise source_unreadable(body.path, offset, error) from error
        ahead = min(_READ_AHEAD, body.nbytes - at - len(view))
        if ahead and hasattr(os, "posix_fadvise"):
            with suppress(OSError):  # advice that a filesystem does not take
                os.posix_fadvise(body.descriptor, offset + len(view), ahead, os.POSIX_FADV_WILLNEED)
        return len(view)


def slices_of(body: Body) -> MemorySlices | FileSlices:
    """The slices of a body of either kind."""
    return FileSlices(body) if isinstance(body, FileRange) else MemorySlices(body)


async def change_in(body: Body) -> SourceChangedError | None:
    """The error that says so if the body is of a file that has changed since it was opened to be hashed.

    That explains why the service was sent other bytes than were hashed, and sending them again is in vain.
    """
    if not isinstance(body, FileRange):
        return None
    now = FileIdentity.of(await to_thread.run_sync(os.fstat, body.descriptor))
    difference = body.identity.difference(now)
    return source_changed(body.path, difference) if difference else None


async def read_whole(body: Body) -> bytes:
    """All of a body at once, for doubles of the service, whose bodies are small.

    Raises:
        SourceError: As ``FileSlices.take``.
    """
    slices, whole = slices_of(body), bytearray()
    while len(whole) < body.nbytes:
        whole += await slices.take(len(whole), _BLOCK_SIZE)
    return bytes(whole)
