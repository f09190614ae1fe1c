"""Every kind of source, whole: short reads, reused buffers, and pipes."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import sys
import threading
from array import array
from typing import TYPE_CHECKING

import anyio
import pytest
from aiobotocore.response import StreamingBody
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from anyio import to_thread, wait_all_tasks_blocked
from hypothesis import given, settings, strategies as st

from aioglacier.core.errors import (
    EmptyArchiveError,
    InputTypeError,
    LengthMismatchError,
    SourceUnreadableError,
)
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from tests.transfer.conftest import DATA, MIB, MemoryStore, options, saved, thread_resources, upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from aioglacier.transfer.resources import TransferResources

SIZE = 2 * MIB + 77
BYTES = DATA[:SIZE]


class MineError(Exception):
    """An error of the caller's own."""


def blocks(data: bytes, size: int = 300_000) -> Iterator[bytes]:
    """Data, piece by piece."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def async_blocks(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    """Data, piece by piece, with an empty one between any two."""
    for block in blocks(data, size):
        yield block
        yield b""
        await anyio.lowlevel.checkpoint()


class OnlyRead:
    """A file that can nothing but read, a different number of bytes each time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._file = io.BytesIO(data)
        self._sizes = sizes
        self._reads = 0

    def read(self, size: int, /) -> bytes:
        """Read, but not too much."""
        self._reads += 1
        return self._file.read(min(size, self._sizes[self._reads % len(self._sizes)]))


class ShortReadinto(OnlyRead):
    """The same for who has a buffer."""

    def readinto(self, view: memoryview) -> int:
        """Fill some of a buffer."""
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


class AsyncRead(OnlyRead):
    """A file with an async read."""

    async def read(self, size: int, /) -> bytes:  # type: ignore[override]  # as async libraries have it
        """Read a little, after a turn of the loop."""
        await anyio.lowlevel.checkpoint()
        return super().read(size)


class UploadedFile:
    """A file as web frameworks hand it out: an async ``read`` with a default, beside a synchronous file."""

    filename = "film.mkv"

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    async def read(self, size: int = -1) -> bytes:
        """Read, in a turn of the loop."""
        await anyio.lowlevel.checkpoint()
        return self.file.read(size)


class AsyncFile(UploadedFile):
    """A file as aiofiles opens it: it is also an async iterable of lines, which would be short blocks."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("its lines are not asked for")


class LibraryError(OSError):
    """An error of a library, as requests has them."""


class FailingRead:
    """A file whose read fails."""

    name = "tape"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, _: int, /) -> bytes:
        """Raise the error."""
        raise self.error


class FailingAsyncRead(FailingRead):
    """The same with an async read."""

    async def read(self, _: int, /) -> bytes:  # type: ignore[override]  # as above
        """Raise the error."""
        raise self.error


def stream_reader(data: bytes) -> asyncio.StreamReader:
    """A stream that has come to its end."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


KINDS: dict[str, Callable[[Path], object]] = {
    "path": lambda path: saved(path, BYTES),
    "str": lambda path: str(saved(path, BYTES)),
    "bytes": lambda _: BYTES,
    "bytearray": lambda _: bytearray(BYTES),
    "memoryview": lambda _: memoryview(BYTES),
    "array": lambda _: array("B", BYTES),
    "list": lambda _: list(blocks(BYTES)),
    "generator": lambda _: blocks(BYTES),
    "views": lambda _: (memoryview(block) for block in blocks(BYTES)),
    "large blocks": lambda _: [BYTES],
    "async generator": lambda _: async_blocks(BYTES),
    "large async blocks": lambda _: async_blocks(BYTES, SIZE),
    "stream reader": lambda _: stream_reader(BYTES),
    "bytes file": lambda _: io.BytesIO(BYTES),
    "async read": lambda _: AsyncRead(BYTES, [50_000]),
    "uploaded file": lambda _: UploadedFile(BYTES),
    "async file with lines": lambda _: AsyncFile(BYTES),
    "only read": lambda _: OnlyRead(BYTES, [50_000]),
    "readinto": lambda _: ShortReadinto(BYTES, [50_000]),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_source_is_archived_whole(
    kind: str, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """The archive holds all bytes of the source, in full parts but the last."""
    await upload(KINDS[kind](tmp_path / "source"), store, resources)
    assert store.archives == [BYTES]
    assert {place for place in store.calls if isinstance(place, int)} == {0, MIB, 2 * MIB}


@pytest.mark.parametrize("buffering", [0, -1])
async def test_open_files_are_archived_from_where_they_are(
    buffering: int, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """A raw or buffered file is read from its position to its end, and left open."""
    with saved(tmp_path / "source", BYTES).open("rb", buffering=buffering) as file:
        file.read(10)
        await upload(file, store, resources)
        assert not file.closed
    assert store.archives == [BYTES[10:]]


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 3 * MIB - 1, 3 * MIB, 3 * MIB + 1])
@pytest.mark.parametrize("kind", ["path", "blocks", "bytes"])
async def test_every_boundary_gives_the_exact_number_of_parts(
    kind: str, size: int, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """One request up to the part size, and no empty part where the source ends at a boundary."""
    sources = {
        "path": saved(tmp_path / "source", DATA[:size]),
        "blocks": blocks(DATA[:size]),
        "bytes": DATA[:size],
    }
    await upload(sources[kind], store, resources)
    assert store.archives == [DATA[:size]]
    parts = [place for place in store.calls if isinstance(place, int)]
    assert sorted(parts) == ([] if size <= MIB else list(range(0, size, MIB)))


@settings(settings.get_profile("transfer"), max_examples=12)
@given(
    size=st.integers(1, 2 * MIB + 1),
    sizes=st.lists(st.integers(700, 64 * 1024), min_size=1, max_size=5),
    kind=st.sampled_from([OnlyRead, ShortReadinto]),
)
async def test_a_short_read_is_never_taken_for_a_part(
    size: int, sizes: list[int], kind: type[OnlyRead]
) -> None:
    """Reads of any length fill the parts; only no bytes at all are the end."""
    store = MemoryStore()
    async with thread_resources() as resources:
        await upload(kind(DATA[:size], sizes), store, resources)
    assert store.archives == [DATA[:size]]


async def test_single_bytes_are_put_together(store: MemoryStore, resources: TransferResources) -> None:
    """One byte a read, and one byte a block, are slow but right."""
    await upload(ShortReadinto(DATA[:5000], [1]), store, resources)
    await upload(async_blocks(DATA[:500], 1), store, resources)
    assert store.archives == [DATA[:5000], DATA[:500]]


async def test_a_source_may_reuse_its_buffer(store: MemoryStore, resources: TransferResources) -> None:
    """The archive holds what the buffer held when it was given, also where it spans parts."""

    def reusing() -> Iterator[memoryview]:
        buffer = bytearray(700_001)
        for block in blocks(BYTES, len(buffer)):
            buffer[: len(block)] = block
            yield memoryview(buffer)[: len(block)]
            buffer[:] = bytes(len(buffer))

    async def reusing_async() -> AsyncIterator[memoryview]:
        for view in reusing():
            yield view
            await anyio.lowlevel.checkpoint()

    await upload(reusing(), store, resources)
    await upload(reusing_async(), store, resources)
    assert store.archives == [BYTES, BYTES]


@pytest.mark.parametrize("bad", ["text", None, 5])
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_is_not_bytes_in_a_stream_is_named(
    bad: object, store: MemoryStore, resources: TransferResources, *, is_async: bool
) -> None:
    """The error has the type and its place in the source, and nothing is left of the upload."""
    items = [DATA[:MIB], DATA[:MIB], bad, b"more"]

    async def each() -> AsyncIterator[object]:
        for item in items:
            yield item

    with pytest.raises(InputTypeError) as caught:
        await upload(each() if is_async else items, store, resources)
    assert (caught.value.type_name, caught.value.chunk_index) == (type(bad).__name__, 2)
    assert (store.archives, store.uploads) == ([], {})


@pytest.mark.parametrize("source", [5, None, object(), io.StringIO("text"), {"a": 1}])
async def test_what_gives_no_bytes_is_refused(
    source: object, store: MemoryStore, resources: TransferResources
) -> None:
    """Nothing is sent of a source that cannot be archived."""
    with pytest.raises(InputTypeError):
        await upload(source, store, resources)
    assert not store.calls


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_sources_own_error_comes_out_unwrapped(
    store: MemoryStore, resources: TransferResources, *, is_async: bool
) -> None:
    """The caller catches the error of the source itself; no archive and no upload is left."""
    error = MineError()

    def failing() -> Iterator[bytes]:
        yield BYTES
        raise error

    async def failing_async() -> AsyncIterator[bytes]:
        yield BYTES
        raise error

    with pytest.raises(MineError) as caught:
        await upload(failing_async() if is_async else failing(), store, resources)
    assert caught.value is error
    assert (store.archives, store.uploads) == ([], {})


@pytest.mark.parametrize(
    "source", [b"", [], [b"", b""], io.BytesIO()], ids=["none", "no items", "empty items", "file"]
)
async def test_an_empty_source_is_no_archive(
    source: object, store: MemoryStore, resources: TransferResources
) -> None:
    """Not one request is sent."""
    with pytest.raises(EmptyArchiveError):
        await upload(source, store, resources)
    assert not store.calls


@pytest.mark.parametrize("kind", ["path", "blocks", "bytes"])
@pytest.mark.parametrize(
    ("actual", "expected"), [(5, 6), (6, 5), (MIB, MIB + 1), (SIZE, MIB), (SIZE, 2 * MIB)]
)
async def test_another_length_than_declared_makes_no_archive(
    kind: str, actual: int, expected: int, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """The error has both numbers; an excess is one as soon as it is seen."""
    data = DATA[:actual]
    sources = {"path": saved(tmp_path / "source", data), "blocks": blocks(data, MIB), "bytes": data}
    with pytest.raises(LengthMismatchError) as caught:
        await upload(sources[kind], store, resources, expected_size=expected)
    assert caught.value.expected == expected
    assert (caught.value.actual - expected) * (actual - expected) > 0
    assert (store.archives, store.uploads) == ([], {})


# --- pipes


async def test_a_pipe_is_read_to_its_end(store: MemoryStore, resources: TransferResources) -> None:
    """However a pipe cuts what is written to it, the archive is all of it."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            for block in blocks(BYTES, 12_345):
                pipe.write(block)

    thread = threading.Thread(target=write)
    thread.start()
    # Only the upload holds the file: it must not be closed early.
    opened = await as_source(os.fdopen(reading, "rb", buffering=0))
    await SourceUpload(store, resources, options(), opened).run()
    thread.join()
    opened._file.close()  # type: ignore[union-attr]  # ours, after all
    assert store.archives == [BYTES]


async def test_a_file_without_bytes_for_now_is_not_at_its_end(
    store: MemoryStore, resources: TransferResources
) -> None:
    """A buffered file in non-blocking mode is refused when it has nothing, rather than cut short."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb", buffering=0) as other:
        other.write(b"first")
        with pytest.raises(SourceUnreadableError, match="non-blocking") as caught:
            await upload(pipe, store, resources)
    assert caught.value.errno == errno.EAGAIN
    assert not store.calls


@pytest.mark.parametrize("kind", ["content", "iter_chunked", "StreamingBody"])
async def test_the_body_of_a_response_is_archived_while_it_arrives(
    kind: str, store: MemoryStore, resources: TransferResources
) -> None:
    """The bodies that aiohttp and aiobotocore give out are sources."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=BYTES)

    application = web.Application()
    application.router.add_get("/", answer)
    async with (
        TestServer(application) as server,
        ClientSession() as session,
        session.get(server.make_url("/")) as response,
    ):
        source = {
            "content": lambda: response.content,
            "iter_chunked": lambda: response.content.iter_chunked(65536),
            "StreamingBody": lambda: StreamingBody(response, SIZE),  # type: ignore[arg-type, no-untyped-call]
        }[kind]()
        await upload(source, store, resources)
    assert store.archives == [BYTES]


async def test_a_file_that_anyio_opened_is_archived(
    tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """It is read as a binary file, not line by line."""
    async with await anyio.open_file(saved(tmp_path / "source", BYTES), "rb") as file:
        await upload(file, store, resources)
    assert store.archives == [BYTES]


async def test_an_object_whose_read_takes_no_size_is_refused(
    store: MemoryStore, resources: TransferResources
) -> None:
    """The error says which attribute to pass instead, if there is one."""

    class Response:
        content = b""

        async def read(self) -> bytes:
            return b""

    with pytest.raises(InputTypeError, match=r"the read\(\) of a Response takes no size; give its .content"):
        await upload(Response(), store, resources)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file of which no byte can be read")
async def test_an_error_of_the_system_in_a_read_names_the_source(
    store: MemoryStore, resources: TransferResources
) -> None:
    """A file of the system that cannot be read is named, with the error as the cause and its number."""
    with (
        open("/proc/self/mem", "rb", buffering=0) as file,  # noqa: ASYNC230, PTH123  # byte 0 is never mapped
        pytest.raises(SourceUnreadableError, match="'/proc/self/mem' cannot be read") as caught,
    ):
        await upload(file, store, resources)
    assert isinstance(caught.value.__cause__, OSError)
    assert (caught.value.path, caught.value.errno) == ("/proc/self/mem", errno.EIO)


@pytest.mark.parametrize("kind", [FailingRead, FailingAsyncRead])
@pytest.mark.parametrize(
    "error", [LibraryError("proxy"), MineError("mine"), OSError(errno.EIO, "tape"), TimeoutError()]
)
async def test_an_error_of_a_callers_object_is_raised_as_it_is(
    error: Exception, kind: type[FailingRead], store: MemoryStore, resources: TransferResources
) -> None:
    """An error of an object that the caller wrote is not wrapped, also an OSError of Python."""
    with pytest.raises(type(error)) as caught:
        await upload(kind(error), store, resources)
    assert caught.value is error


class FailingRaw(io.RawIOBase):
    """A raw file of the caller's own, below a buffer of Python's."""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, _: object) -> int:
        """Fail as a tape does."""
        raise OSError(errno.EIO, "tape")


async def test_an_error_of_a_callers_object_below_a_buffer_is_raised_as_it_is(
    store: MemoryStore, resources: TransferResources
) -> None:
    """A buffer of Python's over an object of the caller is no file of the system."""
    with pytest.raises(OSError, match="tape"):
        await upload(io.BufferedReader(FailingRaw()), store, resources)


class SlowFile:
    """A file whose read lasts until the test lets it end."""

    def __init__(self) -> None:
        self.reading = threading.Event()
        self.go_on = threading.Event()

    def read(self, size: int, /) -> bytes:
        """Wait, then give bytes without end."""
        self.reading.set()
        self.go_on.wait()
        return bytes(size)


@pytest.mark.parametrize("natively", [False, True], ids=["scope", "task"])
async def test_a_buffer_is_not_given_back_while_a_thread_fills_it(
    store: MemoryStore, resources: TransferResources, *, natively: bool
) -> None:
    """However an upload is cancelled, it ends when the read that is under way has ended."""
    file = SlowFile()
    scope = anyio.CancelScope()

    async def upload() -> None:
        with scope:
            await SourceUpload(store, resources, options(), await as_source(file)).run()

    task = asyncio.ensure_future(upload())
    await to_thread.run_sync(file.reading.wait)
    if natively:
        task.cancel()
    else:
        scope.cancel()
    await wait_all_tasks_blocked()
    assert not task.done()
    assert resources.buffers.lent == 1
    file.go_on.set()
    await asyncio.wait([task])
    assert resources.buffers.lent == 0
    assert not store.calls
