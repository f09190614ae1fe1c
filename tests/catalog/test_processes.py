"""Several processes, and several tasks, with one catalog."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.catalog import Catalog
from aioglacier.core.errors import CatalogBusyError
from tests.catalog.conftest import PHOTOS, archive, child, outcome

if TYPE_CHECKING:
    from pathlib import Path


WRITER = """
async def work(catalog):
    name = sys.argv[2]
    upload = await catalog.uploads.record_intent(PHOTOS, part_size=1, source="/" + name)
    upload = await catalog.uploads.record_initiated(upload, UploadId(name))
    for index in range(40):
        await catalog.uploads.record_parts(upload, [PartRecord(index, 1, TREE_HASH, b"")])
    upload = await catalog.uploads.record_completing(upload, size=40, tree_hash=TREE_HASH)
    await catalog.uploads.record_completed(
        upload, archive(int(name), size=40, tree_hash=TREE_HASH)
    )
sys.stdin.readline()
run(work)
"""


@pytest.mark.slow
def test_processes_that_begin_together_all_get_their_records(new_location: str) -> None:
    """DC-06: with a catalog that none of them has made before; each archive is there, with its parts."""
    with ExitStack() as stack:
        children = [stack.enter_context(child(WRITER, new_location, str(number))) for number in range(4)]
        for process in children:
            assert process.stdin
            process.stdin.write(b"\n")
            process.stdin.flush()
        for process in children:
            outcome(process)

    async def look() -> None:
        async with Catalog.open(new_location) as catalog:
            records = [record async for record in catalog.archives.list_vault(PHOTOS)]
            assert {record.source for record in records} == {"/0", "/1", "/2", "/3"}
            for record in records:
                assert record.upload
                assert len([part async for part in catalog.uploads.list_parts(record.upload)]) == 40

    asyncio.run(look())


async def test_a_catalog_that_another_keeps_to_itself(path: Path) -> None:
    """DC-06: waited for, but not for ever, and afterwards it goes on as if nothing had been."""
    async with Catalog.open(path, busy_timeout_seconds=0.5) as catalog:
        await catalog.archives.record(PHOTOS, archive(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(CatalogBusyError, match="to itself for") as raised:
                await catalog.archives.record(PHOTOS, archive(2))
            assert 0.5 <= raised.value.waited_seconds < 60
            # Reading waits for no lock.
            assert (await catalog.archives.totals(PHOTOS)).archives == 1
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(catalog.archives.record, PHOTOS, archive(3))
                await anyio.sleep(0.1)
                other.execute("COMMIT")
        assert (await catalog.archives.totals(PHOTOS)).archives == 2
