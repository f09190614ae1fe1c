"""Everything that can be archived, seen one of two ways: a named file, or a stream that fills buffers.

A named file is read by those who hash and send, who need its path and what must not change in it. Anything
else is a ``ByteSource``: it fills a given buffer and says how far it got, so that bytes are copied once, into
the part they will be sent from. One read is never taken for a part: a buffer is full, or the source ended.

What may block (files, iterators) fills the buffer in a thread; pipes and sockets are waited for on the loop.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import stat
import time
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, runtime_checkable

import anyio
import anyio.lowlevel

from aioglacier.core.errors import (
    EmptyArchiveError,
    InputTypeError,
    SourceUnreadableError,
)
from aioglacier.files.pipes import PIPE_SIZE, enlarge
from aioglacier.files.reading import FileIdentity
from aioglacier.files.unreadable import source_changed
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from typing_extensions import Buffer

#: Linux stamps files with a clock that ticks every 1 to 10 ms; twice the slowest is on the safe side.
_TICK_NS: Final = 20_000_000

#: Bytes copied on the loop at once, about 0.2 ms.
_COPY_SIZE: Final = 1024 * 1024


class ByteSource(Protocol):
    """A stream of bytes that fills buffers."""

    @property
    def size(self) -> int | None:
        """Bytes it will give, where that is certain."""
        ...

    async def fill(self, view: memoryview) -> int:
        """Fill ``view`` from its start, and return how many bytes there are: fewer only at the end.

        After a cancellation the source has lost what it had read; it cannot be continued.
        """
        ...


@runtime_checkable
class ReadableFile(Protocol):
    """A binary file object: a real file, a ``BytesIO``, a response of some library."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...


if TYPE_CHECKING:
    #: What can be archived.
    Source = (
        str
        | os.PathLike[str]
        | ReadableFile
        | Buffer
        | Iterable[Buffer]
        | AsyncIterable[Buffer]
        | asyncio.StreamReader
    )


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A regular file, read by whoever hashes it, and by whoever sends it.

    Attributes:
        path: Absolute; may hold surrogates for bytes that are not UTF-8.
        identity: What it was when it was opened.
    """

    path: str
    identity: FileIdentity

    @property
    def size(self) -> int:
        """Bytes, when it was opened."""
        return self.identity.size

    def check_unchanged(self) -> None:
        """Look at the file once more.

        Raises:
            SourceChangedError: It is not what it was.
        """
        try:
            difference = self.identity.difference(FileIdentity.of(Path(self.path).stat()))
        except OSError:
            difference = "inode"
        if difference is not None:
            raise source_changed(self.path, difference)


async def open_file(path: str | os.PathLike[str]) -> NamedFile:
    """Look at a file to archive, in a thread.

    Raises:
        SourceUnreadableError: It is not there, not readable, or not a regular file.
        EmptyArchiveError: It has no bytes.
    """
    return await run_in_thread(lambda: _look_at(os.fsdecode(path)))


def _look_at(path: str) -> NamedFile:
    path = os.path.abspath(path)  # noqa: PTH100  # for the workers; resolving links would rename the file
    try:
        # Looked at before it is opened: opening a FIFO would wait for a writer or, worse, end the one that
        # waits there, and opening a device may move it.
        _check_regular(path, Path(path).stat())
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
        try:
            status = _settled(fd)
            has_bytes = status.st_size > 0 or not stat.S_ISREG(status.st_mode) or bool(os.read(fd, 1))
        finally:
            os.close(fd)
    except (OSError, ValueError) as error:
        raise SourceUnreadableError(
            f"{path!r} cannot be read: {getattr(error, 'strerror', None) or error}",
            path=path,
            errno=getattr(error, "errno", None),
        ) from error
    _check_regular(path, status)
    if status.st_size == 0:
        _refuse_empty(path, has_bytes=has_bytes)
    return NamedFile(path, FileIdentity.of(status))


def _refuse_empty(path: str, *, has_bytes: bool) -> NoReturn:
    if has_bytes:
        raise SourceUnreadableError(
            f"{path!r} has bytes but no size, as the files of /proc do; to archive what it gives now, pipe "
            "it to standard input",
            path=path,
        )
    raise EmptyArchiveError(f"{path!r} has no bytes")


def _check_regular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnreadableError(
            f"{path!r} is {_kind(status.st_mode)}, not a regular file; to archive what it gives, open it and "
            "hand over the open file, or pipe it to standard input",
            path=path,
        )


def _settled(fd: int) -> os.stat_result:
    """The status of a file, taken when its times have ticked on since the last change.

    A change within the same tick of the filesystem's clock would not show in its times later. A file that
    never rests is left to show that by itself.
    """
    status = os.fstat(fd)
    if 0 <= time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _TICK_NS:
        time.sleep(_TICK_NS / 1e9)
        status = os.fstat(fd)
    return status


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
    }
    return kinds.get(stat.S_IFMT(mode), "a special file")


async def open_source(source: Source) -> NamedFile | ByteSource:
    """Open anything that can be archived: a path is a named file, all else a stream.

    Raises:
        InputTypeError: It is of no kind that can be archived.
        SourceUnreadableError: See ``open_file``.
        EmptyArchiveError: The file has no bytes.
    """
    return await open_file(source) if isinstance(source, (str, os.PathLike)) else open_stream(source)


def open_stream(source: object) -> ByteSource:
    """The way to read any source but a named file.

    Raises:
        InputTypeError: It is of no kind that can be archived.
    """
    if isinstance(source, asyncio.StreamReader):
        return StreamReaderSource(source)
    if isinstance(source, str):
        raise InputTypeError("text is not bytes; encode it first", type_name="str")
    try:
        return BytesSource(memoryview(source).cast("B"))  # type: ignore[arg-type]  # that is the question
    except TypeError:
        pass
    if isinstance(source, ReadableFile):
        fd = _waitable_fd(source)
        return PipeSource(source, fd) if fd is not None else FileObjectSource(source)
    if isinstance(source, AsyncIterable):
        return AsyncIterableSource(source)
    if isinstance(source, Iterable):
        return IterableSource(source)
    raise InputTypeError(
        f"a {type(source).__name__} cannot be archived; give a path, a binary file, bytes, an iterable or "
        "async iterable of bytes, or a StreamReader",
        type_name=type(source).__name__,
    )


class BytesSource:
    """Bytes in memory."""

    def __init__(self, view: memoryview) -> None:
        self._view = view

    @property
    def size(self) -> int:
        """All of them."""
        return len(self._view)

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        count = await copy_on_loop(self._view, view)
        self._view = self._view[count:]
        return count


class FileObjectSource:
    """A binary file object, read in a thread. Cancelling waits for the read that is under way."""

    def __init__(self, file: ReadableFile) -> None:
        self._file = file
        self._reads = 0

    @property
    def size(self) -> None:
        """Unknown: the file may grow or end early."""

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        return await run_in_thread(lambda: self._fill(view))

    def _fill(self, view: memoryview) -> int:
        filled = 0
        readinto = getattr(self._file, "readinto", None)
        while filled < len(view):
            try:
                count = self._copy_read(view[filled:]) if readinto is None else readinto(view[filled:])
            except OSError as error:
                raise _unreadable(self._file, error) from error
            if count is None:
                # Of all ways to say "nothing now" this one looks most like an end.
                raise _unreadable(self._file, BlockingIOError(errno.EAGAIN, "it is in non-blocking mode"))
            if count == 0:
                break
            filled += count
        return filled

    def _copy_read(self, view: memoryview) -> int:
        data = as_bytes_view(self._file.read(len(view)), self._reads)
        self._reads += 1
        view[: len(data)] = data
        return len(data)


class PipeSource:
    """A pipe, socket or terminal by its descriptor: waited for on the loop, so that it can be cancelled."""

    def __init__(self, file: ReadableFile, fd: int) -> None:
        self._file = file  # which would close the descriptor if nobody held it
        self._fd = fd
        enlarge(fd)

    @property
    def size(self) -> None:
        """Unknown."""

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        filled = 0
        while filled < len(view):
            await anyio.wait_readable(self._fd)
            try:
                count = os.readv(self._fd, [view[filled : filled + PIPE_SIZE]])
            except BlockingIOError:
                continue  # another reader was quicker
            except OSError as error:
                raise _unreadable(self._file, error) from error
            if count == 0:
                break
            filled += count
        return filled


class IterableSource:
    """An iterable of bytes-like objects, run in a thread because it may block."""

    def __init__(self, items: Iterable[Buffer]) -> None:
        self._items: Iterator[Buffer] = iter(items)
        self._left = memoryview(b"")
        self._index = 0

    @property
    def size(self) -> None:
        """Unknown."""

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        return await run_in_thread(lambda: self._fill(view))

    def _fill(self, view: memoryview) -> int:
        filled = 0
        while filled < len(view):
            if not self._left:
                try:
                    item = next(self._items)
                except StopIteration:
                    break
                self._left = as_bytes_view(item, self._index)
                self._index += 1
            count = min(len(self._left), len(view) - filled)
            view[filled : filled + count] = self._left[:count]
            self._left = self._left[count:]
            filled += count
        return filled


class AsyncIterableSource:
    """An async iterable of bytes-like objects. An empty one is not the end, and each is copied at once."""

    def __init__(self, items: AsyncIterable[Buffer]) -> None:
        self._items: AsyncIterator[Buffer] = aiter(items)
        self._left = memoryview(b"")
        self._index = 0

    @property
    def size(self) -> None:
        """Unknown."""

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        filled = 0
        while filled < len(view):
            if not self._left:
                try:
                    item = await anext(self._items)
                except StopAsyncIteration:
                    break
                self._left = as_bytes_view(item, self._index)
                self._index += 1
            count = await copy_on_loop(self._left, view[filled:])
            self._left = self._left[count:]
            filled += count
        return filled


class StreamReaderSource:
    """An ``asyncio.StreamReader``."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    @property
    def size(self) -> None:
        """Unknown."""

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        filled = 0
        while filled < len(view):
            data = await self._reader.read(len(view) - filled)
            if not data:
                break
            view[filled : filled + len(data)] = data
            filled += len(data)
        return filled


def _unreadable(file: ReadableFile, error: OSError) -> SourceUnreadableError:
    name = str(getattr(file, "name", file))
    return SourceUnreadableError(
        f"{name!r} cannot be read: {error.strerror or error}", path=name, errno=error.errno
    )


async def copy_on_loop(data: memoryview, view: memoryview) -> int:
    """Copy as much of ``data`` as fits, letting others run after each MiB; returns how much that was."""
    total = min(len(data), len(view))
    for at in range(0, total, _COPY_SIZE):
        stop = min(at + _COPY_SIZE, total)
        view[at:stop] = data[at:stop]
        await anyio.lowlevel.checkpoint()
    return total


def as_bytes_view(item: object, index: int | None = None) -> memoryview:
    """The bytes of an object as they lie in memory; ``index`` is its place in an iterable.

    Raises:
        InputTypeError: It is not bytes-like, or not contiguous.
    """
    try:
        return memoryview(item).cast("B")  # type: ignore[arg-type]  # that is the question
    except TypeError:
        pass
    where = "" if index is None else f" (item {index} of the source)"
    hint = "; encode text first" if isinstance(item, str) else ""
    raise InputTypeError(
        f"an archive is made of bytes-like objects, not {type(item).__name__}{where}{hint}",
        type_name=type(item).__name__,
        chunk_index=index,
    )


def _waitable_fd(file: ReadableFile) -> int | None:
    """The descriptor of an unbuffered pipe, socket or terminal: with a buffer, some may be read already."""
    if not isinstance(file, io.RawIOBase):
        return None
    try:
        fd = file.fileno()
        mode = os.fstat(fd).st_mode
    except (OSError, ValueError):
        return None
    return fd if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd) else None
