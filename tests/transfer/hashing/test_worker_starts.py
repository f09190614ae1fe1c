"""When workers start: not for little, in the background for more, never more of them than were asked for."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest

from aioglacier.core.crc import crc64nvme
from aioglacier.core.treehash import hash_part
from aioglacier.transfer.hashing import workers
from aioglacier.transfer.hashing.part_job import CRC, PartJob
from aioglacier.transfer.hashing.workers import LARGEST_IN_THREAD, WORTH_WORKERS, open_hasher
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from tests.transfer.conftest import DATA, MIB, MemoryStore, options, thread_resources

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.transfer.hashing.workers import Hasher

SIZE = MIB + 1


@pytest.fixture(autouse=True)
def _as_for_users(_workers_for_all: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LARGEST_IN_THREAD", LARGEST_IN_THREAD)


def children() -> set[int]:
    """The processes that this one has started."""
    return {child.pid for child in psutil.Process().children()}


async def hash_some(hasher: Hasher, jobs: int = 1) -> None:
    """Have bytes hashed in so many jobs at once, and compare."""

    async def run() -> None:
        buffer = hasher.make_memory(SIZE)
        buffer.view[:] = DATA[:SIZE]
        try:
            assert await hasher.run(PartJob(SIZE), buffer) == hash_part(DATA[:SIZE])
        finally:
            buffer.close()

    async with anyio.create_task_group() as tasks:
        for _ in range(jobs):
            tasks.start_soon(run)


async def test_little_is_hashed_without_workers() -> None:
    """All that an upload has, or all the parts that came so far."""
    before = children()
    async with open_hasher("auto", 2) as hasher:
        hasher.expect(WORTH_WORKERS, SIZE)
        await hash_some(hasher, 8)
        assert children() == before
        hasher.expect(1, SIZE)
        await hash_some(hasher)
        assert len(children() - before) == 1
    assert children() == before


async def test_what_is_worth_workers_is_hashed_in_threads_until_they_are_there() -> None:
    """Nothing waits for their start, and there are never more than were asked for."""
    before = children()
    async with open_hasher("auto", 2) as hasher:
        hasher.expect(WORTH_WORKERS + 1, SIZE)
        most = 0
        with anyio.fail_after(60):
            while len(hasher._idle) < 2:
                await hash_some(hasher, 4)
                most = max(most, len(children() - before))
        await hash_some(hasher, 4)
        assert most == 2
        assert not hasher._launched
    assert children() == before


async def test_workers_on_their_way_go_with_the_hasher() -> None:
    """Workers that had no job end, too."""
    before = children()
    async with open_hasher("auto", 2) as hasher:
        hasher.expect(WORTH_WORKERS + 1, SIZE)
        await hash_some(hasher)
        assert len(children() - before) == 1
    assert children() == before


async def test_an_upload_says_what_it_will_hash(
    tmp_path: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, so that the workers of a large one start with its first part, or as a stream goes on."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    async with thread_resources() as resources:
        told: list[tuple[int, int]] = []
        monkeypatch.setattr(resources.hasher, "expect", lambda *what: told.append(what))
        await SourceUpload(store, resources, options(2 * MIB), await as_source(path)).run()
        assert told == [(len(DATA), 2 * MIB)]
        await SourceUpload(store, resources, options(2 * MIB), await as_source(iter([DATA, b"!"]))).run()
    assert told[1:] == [(2 * MIB, 2 * MIB)] * (len(DATA) // MIB // 2) + [(1, 2 * MIB)]


async def test_parts_that_no_worker_hashes_do_not_count() -> None:
    """However many of a MiB there were, the next few larger ones start none."""
    before = children()
    async with open_hasher("auto", 1) as hasher:
        hasher.expect(2 * WORTH_WORKERS, MIB)
        await hash_some(hasher)
        assert children() == before


async def test_a_fast_checksum_starts_no_worker() -> None:
    """A thread has made a CRC before a worker could have been asked."""
    before = children()
    async with open_hasher("auto", 1) as hasher:
        hasher.expect(2 * WORTH_WORKERS, SIZE)
        buffer = hasher.make_memory(SIZE)
        buffer.view[:] = DATA[:SIZE]
        hashes = await hasher.run(PartJob(SIZE, hashes=CRC), buffer)
        assert hashes.crc64nvme == crc64nvme(DATA[:SIZE]).to_bytes(8, "big")
        buffer.close()
        assert children() == before


async def test_an_interpreter_that_is_none_costs_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is noticed when the first word is looked for, and threads go on."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with open_hasher("auto", 2) as hasher:
        hasher.expect(WORTH_WORKERS + 1, SIZE)
        with anyio.fail_after(60):
            while not caplog.records:
                await hash_some(hasher, 2)
        await hash_some(hasher, 4)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "hashing in threads instead" in caplog.text
