"""One part of an upload, as the engine carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import ResumeMismatchError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import anyio

    from aioglacier.core.models import UploadId
    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.contract.protocols import Body
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.hashing.part_job import PartJob
    from aioglacier.transfer.upload.open_file import OpenFile

#: Parts of a file up to this size are read once, into a buffer, which costs less than to read them twice.
LARGEST_BUFFERED_SIZE: Final = 1024 * 1024


class Part:
    """One part under way.

    Attributes:
        index: From 0.
        job: How many bytes it has, and where they are read to be hashed.
        buffer: Where they are; ``None`` if they stay in a file.
        file: The file, if it is one's.
        is_ahead: Whether it waits for something of ours: a worker, or a connection.
        moved: Bytes of it that went out.
        scope: Of what carries it; cancelled to stop it. ``None`` as long as nothing does.
    """

    __slots__ = ("buffer", "file", "index", "is_ahead", "job", "moved", "scope")

    def __init__(
        self, index: int, job: PartJob, buffer: PartBuffer | None, file: OpenFile | None = None
    ) -> None:
        self.index = index
        self.job = job
        self.buffer = buffer
        self.file = file
        self.is_ahead = True
        self.moved = 0
        self.scope: anyio.CancelScope | None = None

    def body(self) -> AbstractAsyncContextManager[Body]:
        """The part's bytes, as they are sent.

        Raises:
            SourceError: They are in a file that has changed, or cannot be opened.
        """
        if self.buffer is not None:
            return _Memory(self.buffer.view[: self.job.length], self.file)
        assert self.file is not None  # noqa: S101  # a part is in either
        assert self.job.read_from is not None  # noqa: S101
        return self.file.range(self.job.read_from, self.job.length)

    def count(self, moved: int) -> None:
        """Count bytes that go out; a repeated attempt sends them again, which does not count."""
        self.moved = min(self.moved + moved, self.job.length)


class _Memory:
    """A body in memory. The file that it was read from stays open: the next part comes from there."""

    __slots__ = ("_file", "_view")

    def __init__(self, view: memoryview, file: OpenFile | None) -> None:
        self._view = view
        self._file = file

    async def __aenter__(self) -> memoryview:
        if self._file is not None:
            self._file.hold()
        return self._view

    async def __aexit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.let_go()


def check_known_part(upload_id: UploadId, byte_range: ByteRange, known: bytes, computed: bytes) -> None:
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
