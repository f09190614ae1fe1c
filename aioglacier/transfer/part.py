"""One part of an upload, as the engine carries it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.errors import ResumeMismatchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.core.models import UploadId
    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.interface import Body
    from aioglacier.transfer.buffers import PartBuffer
    from aioglacier.transfer.openfile import OpenFile
    from aioglacier.transfer.partjob import PartJob

#: Parts of a file up to this size are read once, into a buffer, which costs less than to read them twice.
LARGEST_BUFFERED_SIZE: Final = 1024 * 1024


class Part:
    """One part under way.

    Attributes:
        index: From 0.
        job: How many bytes it has, and where whoever hashes them takes them from.
        buffer: Where they are; ``None`` if they stay in a file.
        file: The file, if it is one's.
        is_ahead: Whether it waits for something of ours: a worker, or a connection.
        moved: Bytes of it that went out.
        scope: What carries it; cancelled to stop it.
        ended: Set when nobody touches the buffer any more.
    """

    __slots__ = ("buffer", "ended", "file", "index", "is_ahead", "job", "moved", "scope")

    def __init__(
        self, index: int, job: PartJob, buffer: PartBuffer | None, file: OpenFile | None = None
    ) -> None:
        self.index = index
        self.job = job
        self.buffer = buffer
        self.file = file
        self.is_ahead = True
        self.moved = 0
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()

    @asynccontextmanager
    async def body(self) -> AsyncIterator[Body]:
        """The part's bytes, as they are sent.

        Raises:
            SourceError: They are in a file that has changed, or cannot be opened.
        """
        if self.buffer is not None:
            yield self.buffer.view[: self.job.length]
            return
        assert self.file is not None  # noqa: S101  # a part is in either
        assert self.job.read_from is not None  # noqa: S101
        async with self.file.range(self.job.read_from, self.job.length) as range_:
            yield range_

    def count(self, moved: int) -> None:
        """Count bytes that go out; a repeated attempt sends them again, which does not count."""
        self.moved = min(self.moved + moved, self.job.length)


def check_known_part(upload_id: UploadId, byte_range: ByteRange, known: bytes, computed: bytes) -> None:
    """Compare a part of the source with what the service holds.

    Raises:
        ResumeMismatchError: They differ.
    """
    if known != computed:
        raise ResumeMismatchError(
            f"the source is not what upload {upload_id} was begun with: bytes {byte_range} differ first; "
            "abort that upload and begin anew",
            byte_range=byte_range,
        )
