"""Sources of an archive, of two kinds: a named file, or a stream that fills buffers.

A stream is a ``ByteSource``: it fills a given buffer and says how far it got, so that bytes are copied once,
into the part they will be sent from. One read is never taken for a part: a buffer is full, or the source
ended. What may block (files, iterators) fills the buffer in a thread; pipes, sockets and everything that is
async are waited for on the loop.

An ``OSError`` of an open file of the system becomes a ``SourceUnreadableError`` with that error as its cause,
which names the file. An error of any other object is raised as it is: its caller knows what it means.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import AsyncIterable, Iterable
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard, TypeVar, runtime_checkable

import anyio
import anyio.lowlevel

from aioglacier.core.errors import InputTypeError, SourceUnreadableError
from aioglacier.files.host import PIPE_SIZE, enlarge_pipe
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.upload.named_file import look_at_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Self

    from typing_extensions import Buffer

    from aioglacier.transfer.upload.named_file import NamedFile

T = TypeVar("T")

#: Bytes copied on the loop at once, about 0.2 ms.
_COPY_SIZE: Final = 1024 * 1024


class ByteSource(Protocol):
    """A stream of bytes that fills buffers."""

    @property
    def size(self) -> int | None:
        """Bytes that it will give, ``None`` where that is uncertain."""
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


async def as_source(source: Source, *, takes_empty: bool = False) -> NamedFile | ByteSource:
    """Open anything that can be archived: a path is a named file, all else a stream.

    Raises:
        InputTypeError: It is of no kind that can be archived.
        SourceUnreadableError: See ``look_at_file``.
        EmptyArchiveError: The file has no bytes, and the place does not take that.
    """
    if isinstance(source, (str, os.PathLike)):
        return await look_at_file(source, takes_empty=takes_empty)
    return as_stream(source)


def as_stream(source: object) -> ByteSource:
    """Open any source but a named file.

    Raises:
        InputTypeError: It is of no kind that can be archived.
    """
    if isinstance(source, str):
        raise InputTypeError("text is not bytes; encode it first", type_name="str")
    try:
        view = memoryview(source).cast("B")  # type: ignore[arg-type]  # checked right here
        return LoopSource(view, size=len(view))
    except TypeError:
        pass
    if isinstance(source, ReadableFile):
        _check_read(source)
        if _is_async(source):
            return LoopSource(memoryview(b""), _AsyncReads(source))
        if (fd := _waitable_fd(source)) is not None:
            return PipeSource(source, fd)
        readinto = getattr(source, "readinto", None)
        return FileSource(source, readinto) if readinto is not None else IterableSource(_reads(source))
    if isinstance(source, AsyncIterable):
        return LoopSource(memoryview(b""), aiter(source))
    if isinstance(source, Iterable):
        return IterableSource(source)
    raise InputTypeError(
        f"a {type(source).__name__} cannot be archived; give a path, a binary file, bytes, an iterable or "
        "async iterable of bytes, or an object with an async read(n)",
        type_name=type(source).__name__,
    )


class FileSource:
    """A binary file object with ``readinto``, read in a thread. Cancelling waits for the read under way."""

    size = None  # the file may grow or end early

    def __init__(self, file: object, readinto: Callable[[memoryview], int | None]) -> None:
        self._file = file
        self._readinto = readinto

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        return await run_in_thread(lambda: self._fill(view))

    def _fill(self, view: memoryview) -> int:
        filled = 0
        while filled < len(view):
            count = _read(self._file, lambda: self._readinto(view[filled:]))  # noqa: B023  # called at once
            if count == 0:
                break
            filled += count
        return filled


class PipeSource:
    """A pipe, socket or terminal by its descriptor: waited for on the loop, so that it can be cancelled."""

    size = None

    def __init__(self, file: ReadableFile, fd: int) -> None:
        self._file = file  # which closes the descriptor when its last reference goes
        self._fd = fd
        enlarge_pipe(fd)

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


class _Blocks:
    """The rest of the last block of a source that gives its bytes in blocks."""

    def __init__(self, left: memoryview, size: int | None = None) -> None:
        self.size = size
        self._left = left
        self._count = 0

    def _take(self, block: object) -> None:
        self._left = as_bytes_view(block, self._count)
        self._count += 1

    def _copy(self, view: memoryview) -> int:
        size = min(len(self._left), len(view), _COPY_SIZE)
        view[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


class IterableSource(_Blocks):
    """An iterable of bytes-like objects, run in a thread because it may block."""

    def __init__(self, blocks: Iterable[Buffer]) -> None:
        super().__init__(memoryview(b""))
        self._blocks = iter(blocks)

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        return await run_in_thread(lambda: self._fill(view))

    def _fill(self, view: memoryview) -> int:
        filled = 0
        while filled < len(view):
            if not self._left:
                try:
                    self._take(next(self._blocks))
                except StopIteration:
                    break
            filled += self._copy(view[filled:])
        return filled


class LoopSource(_Blocks):
    """Bytes in memory, and then the blocks of an async iterable, each copied at once: they may be reused."""

    def __init__(
        self, left: memoryview, blocks: AsyncIterator[Buffer] | None = None, *, size: int | None = None
    ) -> None:
        super().__init__(left, size)
        self._blocks = blocks

    async def fill(self, view: memoryview) -> int:
        """See ``ByteSource.fill``."""
        filled = 0
        while filled < len(view):
            if not self._left:
                if self._blocks is None:
                    break
                try:
                    self._take(await anext(self._blocks))
                except StopAsyncIteration:
                    break
            filled += self._copy(view[filled:])
            await anyio.lowlevel.checkpoint()  # others run after each MiB at the latest
        return filled


def _reads(file: ReadableFile) -> Iterator[bytes]:
    """Yield the blocks that a file object without ``readinto`` gives."""
    while (block := _read(file, lambda: file.read(_COPY_SIZE))) != b"":
        yield block


class _AsyncReads:
    """The blocks that an async ``read(n)`` gives."""

    # Not a generator: of one that is dropped, the loop has to run the end.

    def __init__(self, file: AsyncReadable) -> None:
        self._file = file

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            block = await self._file.read(_COPY_SIZE)
        except OSError as error:
            raise _unreadable(self._file, error) from error
        if block == b"":
            raise StopAsyncIteration
        return block


def _read(file: object, read: Callable[[], T | None]) -> T:
    """Read from a caller's file object."""
    try:
        result = read()
    except OSError as error:
        raise _unreadable(file, error) from error
    if result is None:  # non-blocking and empty; a library could take it for the end
        raise _named(file, BlockingIOError(errno.EAGAIN, "it is in non-blocking mode"))
    return result


def _unreadable(file: object, error: OSError) -> Exception:
    """Return the error to raise for one of a file object; see the module."""
    if type(error).__module__ != "builtins" or not _is_open_file(file):
        return error
    return _named(file, error)


def _named(file: object, error: OSError) -> SourceUnreadableError:
    name = str(getattr(file, "name", file))
    return SourceUnreadableError(
        f"{name!r} cannot be read: {error.strerror or error}", path=name, errno=error.errno
    )


def _is_open_file(file: object) -> bool:
    """Return whether Python's own ``io`` reads a descriptor, with no object of the caller below it."""
    if not isinstance(file, io.IOBase) or type(file).__module__ != "_io":
        return False
    try:
        return file.fileno() >= 0
    except OSError:  # over an object of the caller, or in memory
        return False


def _is_async(source: object) -> TypeGuard[AsyncReadable]:
    return iscoroutinefunction(getattr(source, "read", None))


def _check_read(source: ReadableFile | AsyncReadable) -> None:
    """Refuse an object whose ``read`` takes no size, as that of an aiohttp response."""
    try:
        signature(source.read).bind(1)
    except ValueError:
        return  # a function without a signature, as some written in C
    except TypeError:
        name = type(source).__name__
        hint = "; give its .content" if hasattr(source, "content") else ""
        raise InputTypeError(f"the read() of a {name} takes no size{hint}", type_name=name) from None


def as_bytes_view(item: object, index: int | None = None) -> memoryview:
    """Return the bytes of an object as they lie in memory; ``index`` is its place in an iterable.

    Raises:
        InputTypeError: It is not bytes-like, or not contiguous.
    """
    try:
        return memoryview(item).cast("B")  # type: ignore[arg-type]  # checked right here
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
    """Return the descriptor of an unbuffered pipe, socket or terminal: a buffer may hold bytes already."""
    if not isinstance(file, io.RawIOBase):
        return None
    try:
        fd = file.fileno()
        mode = os.fstat(fd).st_mode
    except (OSError, ValueError):
        return None
    return fd if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd) else None
