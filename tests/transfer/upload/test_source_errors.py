"""Sources that are refused or that fail: the error names what is wrong, and nothing is left of the upload."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import (
    EmptyArchiveError,
    InputTypeError,
    LengthMismatchError,
    SourceUnreadableError,
)
from tests.transfer.conftest import DATA, MIB, MemoryStore, blocks, saved, upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from aioglacier.transfer.resources import TransferResources

SIZE = 2 * MIB + 77
BYTES = DATA[:SIZE]


class MineError(Exception):
    """An error of the caller's own."""


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
