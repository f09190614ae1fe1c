"""Everything that can be archived, seen one of two ways: a named file, or a stream that fills buffers.

A stream is a ``ByteSource``: it fills a given buffer and says how far it got, so that bytes are copied once,
into the part they will be sent from. One read is never taken for a part: a buffer is full, or the source
ended. What may block (files, iterators) fills the buffer in a thread; pipes, sockets and everything that is
async are waited for on the loop.

An ``OSError`` that Python itself raises in a read becomes a ``SourceUnreadableError`` with that error as its
cause. Errors that a library or the caller defines are raised as they are, so that the caller recognises them.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import AsyncIterable, Iterable
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard, runtime_checkable

import anyio
import anyio.lowlevel

from aioglacier.core.errors import InputTypeError, SourceUnreadableError
from aioglacier.files.pipes import PIPE_SIZE, enlarge
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.upload.named_file import look_at_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from typing_extensions import Buffer

    from aioglacier.transfer.upload.named_file import NamedFile

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


class AsyncReadable(Protocol):
    """An async binary file: aiohttp's ``response.content``, ``anyio.open_file()``, aiofiles and the like."""

    async def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...


if TYPE_CHECKING:
    #: What can be archived.
    Source = (
        str
        | os.PathLike[str]
        | ReadableFile
        | AsyncReadable
        | Buffer
        | Iterable[Buffer]
        | AsyncIterable[Buffer]
    )


async def as_source(source: Source) -> NamedFile | ByteSource:
    """Open anything that can be archived: a path is a named file, all else a stream.

    Raises:
        InputTypeError: It is of no kind that can be archived.
        SourceUnreadableError: See ``look_at_file``.
        EmptyArchiveError: The file has no bytes.
    """
    return await look_at_file(source) if isinstance(source, (str, os.PathLike)) else as_stream(source)


def as_stream(source: object) -> ByteSource:
    """The way to read any source but a named file.

    Raises:
        InputTypeError: It is of no kind that can be archived.
    """
    if isinstance(source, str):
        raise InputTypeError("text is not bytes; encode it first", type_name="str")
    try:
        return BytesSource(memoryview(source).cast("B"))  # type: ignore[arg-type]  # that is the question
    except TypeError:
        pass
    if isinstance(source, ReadableFile):
        _check_read(source)
        if _is_async(source):
            return AsyncFileSource(source)
        fd = _waitable_fd(source)
        return PipeSource(source, fd) if fd is not None else FileObjectSource(source)
    if isinstance(source, AsyncIterable):
        return AsyncIterableSource(source)
    if isinstance(source, Iterable):
        return IterableSource(source)
    raise InputTypeError(
        f"a {type(source).__name__} cannot be archived; give a path, a binary file, bytes, an iterable or "
        "async iterable of bytes, or an object with an async read(n)",
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
        self._file = file  # which closes the descriptor when its last reference goes
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


class AsyncFileSource:
    """An object with an async ``read(n)``."""

    def __init__(self, file: AsyncReadable) -> None:
        self._file = file
        self._reads = 0

    @property
    def size(self) -> None:
        """Unknown."""

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        filled = 0
        while filled < len(view):
            wanted = min(len(view) - filled, _COPY_SIZE)
            try:
                data = as_bytes_view(await self._file.read(wanted), self._reads)
            except OSError as error:
                raise _unreadable(self._file, error) from error
            self._reads += 1
            if not data:
                break
            view[filled : filled + len(data)] = data
            filled += len(data)
        return filled


def _unreadable(file: object, error: OSError) -> Exception:
    """Return the error to raise for one of a caller's file object; see the module."""
    if type(error).__module__ != "builtins":
        return error
    name = str(getattr(file, "name", file))
    return SourceUnreadableError(
        f"{name!r} cannot be read: {error.strerror or error}", path=name, errno=error.errno
    )


def _is_async(source: object) -> TypeGuard[AsyncReadable]:
    return iscoroutinefunction(getattr(source, "read", None))


def _check_read(source: ReadableFile | AsyncReadable) -> None:
    """Refuse an object whose ``read`` takes no size, as that of an aiohttp response.

    Raises:
        InputTypeError: It gives all its bytes at once.
    """
    try:
        signature(source.read).bind(1)
    except ValueError:
        return  # a function without a signature, as some written in C
    except TypeError:
        name = type(source).__name__
        hint = "; give its .content" if hasattr(source, "content") else ""
        raise InputTypeError(f"the read() of a {name} takes no size{hint}", type_name=name) from None


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
