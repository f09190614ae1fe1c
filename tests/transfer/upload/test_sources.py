"""Every kind of source is archived whole: short reads, reused buffers, and pipes."""

from __future__ import annotations

import asyncio
import io
import os
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

from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from tests.transfer.conftest import DATA, MIB, MemoryStore, blocks, options, saved, thread_resources, upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from aioglacier.transfer.resources import TransferResources

SIZE = 2 * MIB + 77
BYTES = DATA[:SIZE]


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
