"""The parts of an upload as the engine carries them, and their intake: few ahead of their connections."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.errors import ResumeMismatchError
from aioglacier.files.reading import FileChangedError, FileRange, open_unchanged
from aioglacier.files.unreadable import source_changed, source_unreadable
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from aioglacier.core.models import UploadId
    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.contract.protocols import Body
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom
    from aioglacier.transfer.resources import TransferResources

#: Parts of a file up to this size are read once, into a buffer, which costs less than to read them twice.
LARGEST_BUFFERED_SIZE: Final = 1024 * 1024


@dataclass(slots=True, eq=False)
class Part:
    """One part under way.

    Attributes:
        index: From 0.
        job: How many bytes it has, and where they are read to be hashed.
        buffer: Where they are; ``None`` if they stay in a file.
        is_ahead: Whether it waits for a hash worker or for a connection.
        moved: Bytes of it that went out.
        scope: Of the task that carries it, cancelled to stop it; ``None`` before there is one.
    """

    index: int
    job: PartJob
    buffer: PartBuffer | None
    is_ahead: bool = True
    moved: int = 0
    scope: anyio.CancelScope | None = None

    def body(self) -> AbstractAsyncContextManager[Body]:
        """Open the part's bytes, to be sent.

        Raises:
            SourceError: They are in a file that has changed, or cannot be opened.
        """
        if self.buffer is not None:
            return nullcontext(self.buffer.view[: self.job.length])
        if self.job.read_from is None:  # neither in a buffer nor in a file: it has no bytes
            return nullcontext(memoryview(b""))
        return _open_range(self.job.read_from, self.job.length)

    def count(self, moved: int) -> None:
        """Count bytes that go out; a repeated attempt sends them again, which does not count."""
        self.moved = min(self.moved + moved, self.job.length)


@asynccontextmanager
async def _open_range(place: ReadFrom, length: int) -> AsyncIterator[FileRange]:
    """Open the file for this part alone: a thousand uploads that wait then have no file open."""
    opened: list[int] = []  # where a cancellation that comes while the file is opened finds it
    try:
        await run_in_thread(lambda: opened.append(open_unchanged(place.path, place.identity)))
        yield FileRange(opened[0], place.path, place.offset, length, place.identity)
    except FileChangedError as error:
        raise source_changed(place.path, str(error)) from None
    except OSError as error:
        if opened:
            raise  # of the request
        raise source_unreadable(place.path, place.offset, error) from error
    finally:
        for descriptor in opened:
            os.close(descriptor)


class PartIntake:
    """Lends buffers, and counts what was taken.

    Attributes:
        buffer_size: Bytes of each buffer.
        parts: Parts taken.
        size: Bytes in them.
    """

    def __init__(self, resources: TransferResources, buffer_size: int) -> None:
        self._buffers = resources.buffers
        self._ahead = anyio.Semaphore(resources.parts_ahead, fast_acquire=True)
        self.buffer_size = buffer_size
        self.parts = 0
        self.size = 0

    async def wait_for_turn(self) -> None:
        """Wait until another part may be taken."""
        await self._ahead.acquire()

    async def borrow(self) -> PartBuffer:
        """Wait until another part may be taken, and lend a buffer for it."""
        await self._ahead.acquire()
        try:
            return await self._buffers.acquire(self.buffer_size)
        except BaseException:
            self._ahead.release()
            raise

    def discard(self, buffer: PartBuffer) -> None:
        """Take back a buffer that did not become a part."""
        self._buffers.release(buffer)
        self._ahead.release()

    def count(self, size: int) -> None:
        """Count a part of ``size`` bytes as taken."""
        self.parts += 1
        self.size += size

    def let_next(self, part: Part) -> None:
        """Allow another part, because this one has its connection or has ended."""
        if part.is_ahead:
            part.is_ahead = False
            self._ahead.release()

    def give_back(self, part: Part) -> None:
        """Take back the buffer of a part that has ended."""
        if part.buffer is not None:
            self._buffers.release(part.buffer)
        self.let_next(part)


def check_known_part(
    upload_id: UploadId | None, byte_range: ByteRange, known: bytes, computed: bytes
) -> None:
    """Compare a part of the source with what the service holds.

    Raises:
        ResumeMismatchError: They differ.
    """
    if known != computed:
        raise ResumeMismatchError(
            f"the source is not what upload {upload_id} was begun with: bytes {byte_range} differ first; "
            "abort that upload and start again",
            byte_range=byte_range,
        )
