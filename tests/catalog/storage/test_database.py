"""Transactions of many tasks with one database."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.catalog import Catalog, PartRecord, UploadState
from aioglacier.core.errors import CatalogBusyError, CatalogError
from aioglacier.core.models import UploadId
from tests.catalog.conftest import NOON, OTHER_HASH, PHOTOS, TREE_HASH, archive

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.catalog import ArchiveRecord


@pytest.mark.slow
async def test_the_loop_runs_on_while_the_catalog_waits(path: Path) -> None:
    """DC-15: neither a lock of another process nor a long merge keeps anything else waiting."""
    async with Catalog.open(path, busy_timeout_seconds=0.5) as catalog:
        gaps: list[float] = []

        async def tick() -> None:
            last = time.perf_counter()
            while True:
                await anyio.sleep(0.001)
                now = time.perf_counter()
                gaps.append(now - last)
                last = now

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(CatalogBusyError):
                    await catalog.archives.record(PHOTOS, archive(1))
            blocked = max(gaps)
            gaps.clear()
            archives = [archive(number) for number in range(20_000)]
            gaps.clear()
            await catalog.archives.merge_inventory(PHOTOS, archives, inventoried=NOON)
            gaps.sort()
            tasks.cancel_scope.cancel()
        # Other work on the machine makes single gaps; a call that blocks would make them all.
        assert blocked < 0.2
        assert gaps[-len(gaps) // 20] < 0.05


async def test_many_tasks_share_one_catalog(catalog: Catalog) -> None:
    """They wait for each other, none for ever."""

    async def work(number: int) -> None:
        upload = await catalog.uploads.record_intent(PHOTOS, part_size=1, source=f"/{number}")
        await catalog.uploads.record_initiated(upload, UploadId(f"u{number}"))
        assert await catalog.uploads.find_unfinished(PHOTOS, f"/{number}")
        await catalog.uploads.record_parts(upload, [PartRecord(0, 1, TREE_HASH, b"")])

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(work, number)
    found = [upload async for upload in catalog.uploads.list_unfinished()]
    assert {upload.state for upload in found} == {UploadState.OPEN}
    assert len(found) == 30


def workers() -> list[threading.Thread]:
    """Return the threads that the event loop keeps, which end with it."""
    return [thread for thread in threading.enumerate() if "AnyIO worker" in thread.name]


async def test_a_change_that_fails_harms_no_other_that_was_made_with_it(catalog: Catalog) -> None:
    """Changes that wait are made together; one that is refused is refused alone."""
    uploads = []
    for number in range(6):
        upload = await catalog.uploads.record_intent(PHOTOS, part_size=1, source=f"/{number}")
        uploads.append(await catalog.uploads.record_initiated(upload, UploadId(f"upload {number}")))
    await catalog.uploads.record_aborted(uploads[3])
    refused: list[int] = []

    async def work(number: int) -> None:
        try:
            await catalog.uploads.record_parts(
                uploads[number], [PartRecord(0, 1, TREE_HASH, hash_) for hash_ in (OTHER_HASH, TREE_HASH)]
            )
        except CatalogError:
            refused.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(work, number)
    assert refused == [3]
    for number in (0, 1, 2, 4, 5):
        (part,) = [each async for each in catalog.uploads.list_parts(uploads[number].number)]
        assert part.leaves == TREE_HASH


async def test_records_made_together_are_those_made_alone(catalog: Catalog) -> None:
    """Each task gets its own record back, also for an archive that two tasks record."""
    made: dict[int, list[ArchiveRecord]] = {}

    async def work(number: int) -> None:
        made.setdefault(number, []).append(await catalog.archives.record(PHOTOS, archive(number)))

    async with anyio.create_task_group() as tasks:
        for number in (*range(40), 7):
            tasks.start_soon(work, number)
    for number, records in made.items():
        for record in records:
            assert record.archive == archive(number)
            assert record == await catalog.archives.get(PHOTOS, archive(number).id)


@pytest.mark.slow
async def test_cancelled_at_any_moment(catalog: Catalog) -> None:
    """CC-01: the record is made or not, the catalog works on, and no connection is lost with its thread."""
    await catalog.archives.record(PHOTOS, archive(0))
    made = 0
    for moment in range(60):
        task = asyncio.ensure_future(catalog.archives.record(PHOTOS, archive(1000 + moment)))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        record = await catalog.archives.get(PHOTOS, archive(1000 + moment).id)
        if not isinstance(result, asyncio.CancelledError):
            assert record is not None
        made += record is not None
    assert (await catalog.archives.totals(PHOTOS)).archives == 1 + made
    assert 0 < made < 60
    assert len(workers()) <= 10  # a catalog that was cancelled may close while the next one opens


async def test_nothing_is_left_behind(path: Path) -> None:
    """CC-01: no thread, no open file and no temporary file of a catalog that was closed."""
    async with Catalog.open(path) as catalog:
        await catalog.archives.record(PHOTOS, archive(0))
    before = len(os.listdir("/proc/self/fd")), threading.active_count() - len(workers())  # noqa: PTH208
    for number in range(5):
        with anyio.move_on_after(0.02 * number):
            async with Catalog.open(path) as catalog, anyio.create_task_group() as tasks:
                for one in range(10):
                    tasks.start_soon(catalog.archives.record, PHOTOS, archive(one))
                    tasks.start_soon(catalog.archives.totals, PHOTOS)
    async with Catalog.open(path) as catalog:
        await catalog.archives.totals(PHOTOS)
    after = len(os.listdir("/proc/self/fd")), threading.active_count() - len(workers())  # noqa: PTH208
    assert after == before
    assert len(workers()) <= 10  # a catalog that was cancelled may close while the next one opens
    assert {one.name for one in path.parent.iterdir()} == {"catalog.db", "catalog.db.locks"}
