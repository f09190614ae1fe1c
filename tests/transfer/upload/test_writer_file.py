# ruff: noqa: PT012  # a block that must raise is the whole of it
"""The file of a writer: what code in a thread writes is the archive, and what fails is none."""

from __future__ import annotations

import asyncio
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import GlacierError, WriterBusyError, WriterClosedError
from aioglacier.transfer.upload.writer import open_writer
from tests.transfer.conftest import DATA, MIB, MemoryStore, options

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from aioglacier.transfer.resources import TransferResources


async def test_blocks_of_any_size_arrive_in_order(store: MemoryStore, resources: TransferResources) -> None:
    """A thread writes small and large blocks; the task writes before and after it."""

    def write(file: IO[bytes]) -> None:
        with file:
            for start in range(0, 9_000, 100):
                file.write(DATA[1000 + start : 1100 + start])
            assert file.tell() == 10_000
            file.write(memoryview(DATA)[10_000 : 3 * MIB])

    async with open_writer(store, resources, options()) as writer:
        await writer.write(DATA[:1000])
        await asyncio.to_thread(write, writer.file())
        assert writer.position == 3 * MIB
        await writer.write(DATA[3 * MIB :])
    assert store.archives == [DATA]


async def test_a_file_that_was_left_open_is_handed_on(
    store: MemoryStore, resources: TransferResources
) -> None:
    """The end of the block hands on what was gathered, so no byte is missing."""
    async with open_writer(store, resources, options()) as writer:
        file = writer.file()
        await asyncio.to_thread(file.write, DATA[:500])
        assert writer.position == 0
    assert store.archives == [DATA[:500]]
    assert file.closed


async def test_tar_and_zip_are_written_through_it(
    tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """Both modules write to a file that cannot seek, and read the archive."""
    (tmp_path / "a").write_bytes(DATA[: 2 * MIB])

    def pack_tar(file: IO[bytes]) -> None:
        with file, tarfile.open(fileobj=file, mode="w|") as tar:
            tar.add(tmp_path / "a", "a")

    def pack_zip(file: IO[bytes]) -> None:
        with file, zipfile.ZipFile(file, "w") as archive:
            archive.write(tmp_path / "a", "a")

    for pack in (pack_tar, pack_zip):
        async with open_writer(store, resources, options()) as writer:
            await asyncio.to_thread(pack, writer.file())
    packed = [io.BytesIO(archive) for archive in store.archives]
    with tarfile.open(fileobj=packed[0]) as tar, zipfile.ZipFile(packed[1]) as archive:
        member = tar.extractfile("a")
        assert member is not None
        assert member.read() == archive.read("a") == DATA[: 2 * MIB]


async def test_a_block_that_fails_makes_no_archive(store: MemoryStore, resources: TransferResources) -> None:
    """The file forgets what it gathered, and closing it does no harm."""
    file = None
    with pytest.raises(ZeroDivisionError):
        async with open_writer(store, resources, options()) as writer:
            file = writer.file()
            await asyncio.to_thread(file.write, DATA[:500])
            raise ZeroDivisionError
    assert not store.archives
    assert file is not None
    file.close()


async def test_the_event_loop_is_refused(store: MemoryStore, resources: TransferResources) -> None:
    """A blocking write on the loop would wait for itself, so it is an error at once, and nothing is lost."""
    async with open_writer(store, resources, options()) as writer:
        with pytest.raises(WriterBusyError, match="in a thread"):
            writer.file().write(b"x")
        with pytest.raises(WriterBusyError, match="still open"):
            writer.file()
        await writer.write(b"y")
    assert store.archives == [b"y"]


async def test_a_failed_part_is_raised_in_the_thread(
    store: MemoryStore, resources: TransferResources
) -> None:
    """The thread gets the error of ``write``; a writer that has ended refuses."""

    async def fail(place: int | str) -> None:
        if place == MIB:
            raise GlacierError("refused")

    store.before = fail

    def write(file: IO[bytes]) -> None:
        for _ in range(50):
            file.write(DATA[:MIB])

    with pytest.raises(GlacierError, match="refused"):
        async with open_writer(store, resources, options()) as writer:
            await asyncio.to_thread(write, writer.file())
    assert not store.archives
    with pytest.raises(WriterClosedError):
        await writer.write(b"x")
