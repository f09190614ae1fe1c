"""The writer, which turns a stream of any length into an archive."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Generic, Protocol

import anyio.lowlevel
from typing_extensions import TypeVar  # whose variables have defaults before Python 3.13

from aioglacier.core.checks import check_description
from aioglacier.core.errors import (
    LengthMismatchError,
    MemoryLimitError,
    WriterBusyError,
    WriterClosedError,
    WriterOpenError,
    naming,
)
from aioglacier.core.planning import choose_part_size
from aioglacier.tasks.see_through import GRACE_SECONDS
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.upload.engine import UploadEngine
from aioglacier.transfer.upload.sources import as_bytes_view

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from typing_extensions import Buffer

    from aioglacier.core.models import Archive, ObjectTarget, UploadId
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.snapshot import TransferSnapshot
    from aioglacier.transfer.store import ArchiveStore, Destination, PartDone
    from aioglacier.transfer.upload.writer_file import WriterFile

#: A caller that writes in a tight loop never waits for anything; it lets others run after this long.
_OWN_TURN_SECONDS: Final = 0.002

#: Bytes copied without a look at the clock: about 0.2 ms.
_COPY_SIZE: Final = 1024 * 1024

_SMALLEST_BUFFER: Final = 64 * 1024


A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True, default="Archive")


class SendOptions(Protocol):
    """The options of an upload to any place; ``UploadOptions`` describes them."""

    @property
    def part_size(self) -> int | None: ...  # noqa: D102
    @property
    def expected_size(self) -> int | None: ...  # noqa: D102
    @property
    def keep_unfinished(self) -> bool: ...  # noqa: D102
    @property
    def place(self) -> str:
        """The place, for messages."""
        ...

    def naming(self) -> AbstractContextManager[None]:
        """Set the place's name on every error that leaves the block."""
        ...


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """The options of one upload to a vault.

    Attributes:
        vault: The vault's name.
        description: The archive's description.
        part_size: Bytes of a part; ``None`` chooses.
        expected_size: Bytes of the archive, where they are known; a different number is an error.
        keep_unfinished: Keep an unfinished upload at the service for a resume instead of aborting it.
        recorded_source: The file that a stream is made from, for the record of the archive.

    Raises:
        DescriptionError: The service would refuse the description.
    """

    vault: str
    description: str | None = None
    part_size: int | None = None
    expected_size: int | None = None
    keep_unfinished: bool = False
    recorded_source: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        check_description(self.description)

    @property
    def place(self) -> str:
        """See ``SendOptions``."""
        return self.vault

    @property
    def target(self) -> ObjectTarget | None:
        """The facts to record of an upload to a bucket; ``None`` for a vault."""
        return None

    def as_begun(self, part_size: int, target: ObjectTarget | None) -> UploadOptions:
        """Return these options for an upload that goes on, with the facts that are fixed since it began.

        Raises:
            ResumeMismatchError: It was begun as something else.
        """
        del target
        return replace(self, part_size=part_size)

    def naming(self) -> AbstractContextManager[None]:
        """See ``SendOptions``."""
        return naming(vault=self.vault)


class ArchiveWriter(Generic[A_co]):
    """Takes the bytes of one archive in order.

    Made by ``open_writer()`` of a vault or a bucket. For one task at a time. Memory: parts are held until the
    service has acknowledged them, in buffers of the connection's ``memory_limit``; ``write`` waits while none
    is free.
    """

    def __init__(self, engine: UploadEngine[A_co], options: SendOptions, position: int = 0) -> None:
        self._engine = engine
        self._options = options
        self._buffer: PartBuffer | None = None
        self._filled = 0
        self._position = position
        self._file: WriterFile | None = None
        self._busy = False
        self._closed: str | None = None
        self._failure: BaseException | None = None
        self._others_due = time.monotonic() + _OWN_TURN_SECONDS

    def __repr__(self) -> str:
        counters = self._engine.snapshot()
        state = self._closed or f"sent={counters.parts_done} in_flight={counters.parts_in_flight}"
        return (
            f"<ArchiveWriter {self._options.place} part_size={self._engine.part_size >> 20}MiB "
            f"position={self._position} {state}>"
        )

    @property
    def archive(self) -> A_co:
        """The archive; there is one after a clean end of the block, or after ``complete``.

        Raises:
            WriterOpenError: The archive is not complete yet.
            WriterClosedError: There is none: the writer was aborted, or has failed.
        """
        if (archive := self._engine.archive) is not None:
            return archive
        if self._closed is None:
            raise WriterOpenError(
                "the archive is not complete yet; leave the writer's block, or call complete(), first"
            )
        raise WriterClosedError(f"there is no archive: the writer is {self._closed}") from self._failure

    @property
    def upload_id(self) -> UploadId | None:
        """The multipart upload, once there is one: it begins when the stream outgrows its first part."""
        return self._engine.upload_id

    @property
    def destination(self) -> Destination:
        """The place, for other processes that send parts."""
        return self._engine.destination

    @property
    def part_size(self) -> int:
        """Bytes of every part but the last."""
        return self._engine.part_size

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be written: completed, aborted or failed."""
        return self._closed is not None

    @property
    def position(self) -> int:
        """Bytes accepted so far, with those that a resumed upload had before: where the stream goes on."""
        return self._position

    def snapshot(self) -> TransferSnapshot:
        """The counters now, for a progress display to poll."""
        return self._engine.snapshot()

    async def write(self, data: Buffer) -> None:
        """Append bytes to the archive, waiting while every part buffer is in use.

        The bytes are copied before this returns, so the caller may reuse ``data``. If cancelled, exactly
        ``position`` bytes of the stream have been accepted, and writing may go on from there.

        Raises:
            InputTypeError: ``data`` is not bytes-like; nothing of it was accepted.
            WriterBusyError: Another task is writing; nothing was accepted.
            WriterClosedError: The writer was completed or aborted.
            LengthMismatchError: More bytes than ``expected_size``.
            TooManyPartsError: The stream outgrew 10,000 parts.
            GlacierError: A part could not be sent. After this and the two before nothing more can be written
                here, and there will be no archive; leaving the block aborts the upload, or keeps it, with its
                id in the error, if it can be resumed.
        """
        view = as_bytes_view(data)
        self._enter()
        try:
            self._engine.check()
            try:
                check_length(self._options.expected_size, self._position + len(view))
            except LengthMismatchError as error:
                self._engine.fail(error)
            await self._let_others_run()
            task = asyncio.current_task()
            while view:
                buffer = self._buffer
                if buffer is None:
                    buffer = self._buffer = await self._engine.acquire()
                if buffer.holder is not task:
                    buffer.holder = task  # the pool looks for tasks that wait for themselves
                count = min(len(view), buffer.size - self._filled, _COPY_SIZE)
                buffer.view[self._filled : self._filled + count] = view[:count]
                self._filled += count
                self._position += count
                view = view[count:]
                if self._filled == buffer.size:
                    self._submit()
                elif view:
                    await self._let_others_run()
        finally:
            self._busy = False

    async def writelines(self, blocks: Iterable[Buffer]) -> None:
        """Append several blocks of bytes in order; see ``write``. The iterable must not block."""
        for block in blocks:
            await self.write(block)

    def file(self) -> WriterFile:
        """Return a blocking binary file, for code that writes in a thread: pandas, pyarrow, tarfile, zipfile.

        It gathers up to 1 MiB. ``complete`` hands that on where the file was not closed. The thread's code
        may be in one file at a time, and must be over before the block of the writer ends::

            async with vault.open_writer() as writer:
                await asyncio.to_thread(frame.to_parquet, writer.file())

        Raises:
            WriterBusyError: A former file of this writer is still open.
        """
        from aioglacier.transfer.upload.writer_file import WriterFile  # noqa: PLC0415  # few writers need it

        if self._file is not None and not self._file.closed:
            raise WriterBusyError("a former file of this writer is still open; close it first")
        self._file = WriterFile(self.write, self._position)
        return self._file

    async def complete(self) -> A_co:
        """Send what is left, wait for every part, and make the archive.

        Calling it again returns the same archive. If cancelled while the service may already be making the
        archive, it waits up to 10 seconds for the answer first; ``archive`` then tells, and so does the log.

        Raises:
            EmptyArchiveError: Nothing was written to a vault; nothing was sent.
            LengthMismatchError: Fewer bytes than ``expected_size``.
            OutcomeUnknownError: The service's last answer was lost, and asking again did not settle it.
            IntegrityError: The service computed another tree hash.
            WriterClosedError: The writer was aborted, or failed before.
            GlacierError: A part could not be sent, as in ``write``.
        """
        if self._closed == "completed":
            return self.archive
        if self._file is not None:
            await run_in_thread(self._file.close)
        self._enter()
        try:
            self._engine.check()
            check_length(self._options.expected_size, self._position, is_whole=True)
            if self._filled:
                self._submit()
            return await self._engine.finish()
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._closed = "completed" if self._engine.archive is not None else "failed"
            self._busy = False

    def prove(self, parts: Sequence[PartDone]) -> None:
        """Take parts that another process has sent, from the first one on; ``complete`` makes the archive."""
        for index, size, hashes, receipt in parts:
            self._engine.prove(index, size, hashes.tree_hash, receipt)
            self._position += size

    def end_run(self) -> None:
        """Send what is left as the last part. The upload goes on: only who began it may complete it."""
        self._closed = "ended"
        if self._filled:
            self._submit()

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Take nothing more, and let what is being sent arrive, for so many seconds at most.

        ``write`` and ``complete`` raise ``UploadFailedError`` from now on, and leaving the block takes as
        long as the last such part. The upload is kept, and the error's ``upload_id`` resumes it: from the
        start of the stream, of which what has arrived is not sent again. Once ``complete`` is at work, the
        archive may still be made within the time.
        """
        self._engine.drain(seconds)

    async def abort(self) -> None:
        """Give the archive up: leaving the block aborts the upload at the service, even one to be kept.

        May be called twice, and after a failure; once there is an archive it does nothing.
        """
        if self._closed != "completed":
            self._closed = self._closed or "aborted"
            self._engine.abort()

    def release(self) -> None:
        """Give back the buffer that was being filled; nothing can be written afterwards."""
        self._closed = self._closed or "closed"
        if self._file is not None:
            self._file.discard()
        if self._buffer is not None:
            self._engine.discard(self._buffer)
            self._buffer = None

    def _enter(self) -> None:
        if self._failure is not None:
            raise WriterClosedError("the writer has failed; open another one") from self._failure
        if self._closed is not None:
            raise WriterClosedError(f"the writer is {self._closed}; open another one")
        if self._busy:
            raise WriterBusyError("another task is inside this writer; a writer takes one stream, in order")
        self._busy = True

    def _submit(self) -> None:
        assert self._buffer is not None  # noqa: S101  # it was just filled
        self._buffer.holder = None  # the request decides now when it comes back
        self._engine.submit(self._buffer, self._filled)
        self._buffer = None
        self._filled = 0

    async def _let_others_run(self) -> None:
        if time.monotonic() >= self._others_due:
            await anyio.lowlevel.checkpoint()
            self._others_due = time.monotonic() + _OWN_TURN_SECONDS


@asynccontextmanager
async def open_writer(
    store: ArchiveStore[A],
    resources: TransferResources,
    options: SendOptions,
    *,
    resume: tuple[UploadId, Mapping[int, bytes], Sequence[bytes]] | None = None,
) -> AsyncIterator[ArchiveWriter[A]]:
    """Open a writer; a clean end of the block completes the archive, an exception never does.

    ``resume`` is an upload that goes on: its id, the tree hashes of its parts at the service by offset, and
    those of the first ones, which do not come by again.
    """
    with options.naming():
        async with open_engine(store, resources, options, options.expected_size) as engine:
            position = 0
            if resume is not None:
                upload_id, known, there = resume
                engine.resume(upload_id, known)
                for tree_hash in there:
                    engine.skip(engine.part_size, tree_hash)
                    position += engine.part_size
            writer = ArchiveWriter(engine, options, position)
            try:
                yield writer
                if not writer.is_closed:
                    await writer.complete()
            finally:
                writer.release()


def open_engine(
    store: ArchiveStore[A],
    resources: TransferResources,
    options: SendOptions,
    size: int | None,
    *,
    is_file: bool = False,
) -> UploadEngine[A]:
    """Return an engine for an archive of ``size`` bytes (``None``: unknown), to enter with ``async with``.

    The parts of a named file may be larger than all memory that there is for buffers.

    Raises:
        InvalidPlanError: Part size, size and memory do not go together. Nothing was sent.
    """
    is_empty = size == 0 and store.rules.takes_empty
    part_size = choose_part_size(None if is_empty else size, options.part_size, store.rules.limits)
    buffer_size = part_size
    if size is not None and 0 < size < part_size:
        # It goes in one request: claim no more memory than it fills, in few sizes, so that they are reused.
        buffer_size = max(_SMALLEST_BUFFER, 1 << (size - 1).bit_length())
    if buffer_size > resources.buffers.limit and not is_file:
        raise MemoryLimitError(part_size=buffer_size, memory_limit=resources.buffers.limit)
    return UploadEngine(
        store,
        resources,
        part_size=part_size,
        buffer_size=buffer_size,
        size=size,
        keep_unfinished=options.keep_unfinished,
    )


def check_length(expected: int | None, actual: int, *, is_whole: bool = False) -> None:
    """Compare the bytes of a source so far, or all of them, with the number that was declared.

    Raises:
        LengthMismatchError: There are more, or in the end fewer.
    """
    if expected is None or actual == expected or (actual < expected and not is_whole):
        return
    raise LengthMismatchError(
        f"the source was declared to have {expected} bytes but "
        + (f"ended after {actual}" if actual < expected else f"gives more ({actual} so far)")
        + "; no archive was made",
        expected=expected,
        actual=actual,
    )
