"""One part of an upload, as the engine carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from aioglacier.core.errors import ResumeMismatchError

if TYPE_CHECKING:
    from aioglacier.core.models import UploadId
    from aioglacier.core.ranges import ByteRange
    from aioglacier.transfer.buffers import PartBuffer
    from aioglacier.transfer.partjob import PartJob


class Part:
    """One part under way.

    Attributes:
        index: From 0.
        buffer: Where its bytes are.
        job: How they get there, and how many they are.
        is_ahead: Whether it waits for something of ours: a worker, or a connection.
        moved: Bytes of it that went out.
        scope: What carries it; cancelled to stop it.
        ended: Set when nobody touches the buffer any more.
    """

    __slots__ = ("buffer", "ended", "index", "is_ahead", "job", "moved", "scope")

    def __init__(self, index: int, buffer: PartBuffer, job: PartJob) -> None:
        self.index = index
        self.buffer = buffer
        self.job = job
        self.is_ahead = True
        self.moved = 0
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()

    @property
    def body(self) -> memoryview:
        """The part's bytes."""
        return self.buffer.view[: self.job.length]

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
