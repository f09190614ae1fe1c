"""The kinds of request bodies, slice by slice: memory, a range of an open file, either with a trailer.

A range of a file is never in memory as a whole. Each attempt reads it while it sends it, into one block that
belongs to the body. The bytes were read before to be hashed, so as a rule they are in the system's page cache
and cost no more than a copy. Where they are not, the loop must not wait for the disk:

- On Linux a slice is read with ``RWF_NOWAIT``, which returns the cached bytes and never waits.
- A thread reads bytes that are not cached, and asks the system to fetch the next ones. It also reads
  everything where the file's filesystem or the operating system does not know the flag.

A body with a trailer has its checksum behind it, computed of each slice just before that is sent. So a range
of a file is read once, and each byte is in the CPU's cache when it is sent. CRC-64/NVME of a slice of 1 MiB
keeps the loop for 120 microseconds.
"""

from __future__ import annotations

import errno
import os
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from aioglacier.files.reading import FileChangedError, FileIdentity, FileRange, fill, make_block
from aioglacier.files.unreadable import source_changed, source_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.core.crc import CrcHasher
    from aioglacier.core.errors import SourceChangedError
    from aioglacier.gateway.contract.protocols import Body, Progress

#: The largest slice of a file, as large as any that ``payload`` sends.
_BLOCK_SIZE: Final = 1024 * 1024

#: Bytes that the disk is asked to fetch ahead: 8 MiB take a fast one 10 ms.
_READ_AHEAD: Final = 8 * 1024 * 1024

_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)

#: Blocks that bodies have given back, for the next ones. Fresh memory for each part of 16 MiB cost 6 % of the
#: CPU of sending: the system clears every page of it.
_spare_blocks: Final[list[memoryview]] = []
_MOST_SPARE: Final = 16


class MemorySlices:
    """Slices of memory."""

    def __init__(self, body: memoryview) -> None:
        self._body = body.cast("B")

    async def take(self, at: int, size: int) -> memoryview:
        """Return up to ``size`` bytes from the body's byte ``at`` on, at least one."""
        return self._body[at : at + size]

    def release(self) -> None:
        """Do nothing: the memory is the caller's."""


class FileSlices:
    """Slices of a file, all in one block: taking the next one overwrites the last."""

    def __init__(self, body: FileRange) -> None:
        self._body = body
        self._block = memoryview(b"")
        self._start = self._stop = 0
        self._is_nowait_known = _NOWAIT != 0

    async def take(self, at: int, size: int) -> memoryview:
        """Return bytes as ``MemorySlices.take`` does.

        Raises:
            SourceChangedError: The file has become shorter.
            SourceUnreadableError: The disk cannot read it.
        """
        if not self._block:
            self._block = _new_block(self._body.nbytes)
        if not self._start <= at < self._stop:
            count = self._read_cached(at) or await to_thread.run_sync(self._read, at)
            self._start, self._stop = at, at + count
        return self._block[at - self._start : min(at + size, self._stop) - self._start]

    def release(self) -> None:
        """Leave the block to the next body: nothing of it is on its way any more."""
        if len(self._block) == _BLOCK_SIZE and len(_spare_blocks) < _MOST_SPARE:
            _spare_blocks.append(self._block)
        self._block = memoryview(b"")
        self._start = self._stop = 0

    def _read_cached(self, at: int) -> int:
        """Fill the block without waiting; return the count, 0 also at an end that the thread meets too."""
        if not self._is_nowait_known:
            return 0
        view = self._block[: min(len(self._block), self._body.nbytes - at)]
        try:
            return os.preadv(self._body.descriptor, [view], self._body.offset + at, _NOWAIT)
        except OSError as error:
            # Not on this filesystem. The thread reads again after a disk's error, and raises it.
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
            with suppress(OSError):  # a filesystem may ignore advice
                os.posix_fadvise(body.descriptor, offset + len(view), ahead, os.POSIX_FADV_WILLNEED)
        return len(view)


def _new_block(size: int) -> memoryview:
    """Return a block for a body of ``size`` bytes."""
    if size >= _BLOCK_SIZE and _spare_blocks:
        return _spare_blocks.pop()
    return make_block(min(_BLOCK_SIZE, size) or 1)


class TrailedBody:
    """A body as one chunk of ``aws-chunked``, with the CRC-64/NVME of its bytes behind it.

    Attributes:
        payload: The body itself, of at least one byte.
        nbytes: Bytes with the lines around it.
        checksum: The checksum of the bytes that were sent last, once all of them are.
    """

    def __init__(self, payload: Body, trailer: str, new_hasher: Callable[[], CrcHasher]) -> None:
        """``trailer`` is the name of the line that carries the checksum."""
        self.payload = payload
        self.checksum = b""
        self.head = b"%x\r\n" % payload.nbytes
        self.new_hasher = new_hasher
        self._trailer = trailer
        self.nbytes = len(self.head) + payload.nbytes + len(self.tail(bytes(8)))

    def tail(self, checksum: bytes) -> bytes:
        """Return the lines behind the bytes: the end of the chunk, the last chunk, the trailer."""
        return f"\r\n0\r\n{self._trailer}:{b64encode(checksum).decode()}\r\n\r\n".encode()

    def counting(self, progress: Progress) -> Progress:
        """Return a callback for bytes with the lines, which reports to ``progress`` those without."""
        moved = shown = 0

        def count(more: int) -> None:
            nonlocal moved, shown
            moved += more
            now = min(max(moved - len(self.head), 0), self.payload.nbytes)
            if now != shown:
                progress(now - shown)
                shown = now

        return count


class TrailedSlices:
    """Slices of a body with a trailer; each is taken once, in order."""

    def __init__(self, body: TrailedBody) -> None:
        self._body = body
        self._slices = slices_of(body.payload)
        self._hasher = body.new_hasher()

    async def take(self, at: int, size: int) -> memoryview:
        """Return bytes as ``MemorySlices.take`` does."""
        body = self._body
        if at == 0:
            self._hasher = body.new_hasher()  # the body may be sent again from its start
            return memoryview(body.head)
        inside = at - len(body.head)
        if inside < body.payload.nbytes:
            slice_ = await self._slices.take(inside, size)
            self._hasher.update(slice_)
            return slice_
        body.checksum = self._hasher.finish().crc64nvme
        return memoryview(body.tail(body.checksum))

    def release(self) -> None:
        """Leave the block as ``FileSlices.release`` does."""
        self._slices.release()


def slices_of(body: Body | TrailedBody) -> MemorySlices | FileSlices | TrailedSlices:
    """Return the slices of a body of any kind."""
    if isinstance(body, TrailedBody):
        return TrailedSlices(body)
    return FileSlices(body) if isinstance(body, FileRange) else MemorySlices(body)


async def change_in(body: Body) -> SourceChangedError | None:
    """Return an error if the body's file has changed since it was opened to be hashed, else ``None``.

    The change explains why the service got other bytes than were hashed, and sending them again is useless.
    """
    if not isinstance(body, FileRange):
        return None
    now = FileIdentity.of(await to_thread.run_sync(os.fstat, body.descriptor))
    difference = body.identity.difference(now)
    return source_changed(body.path, difference) if difference else None
