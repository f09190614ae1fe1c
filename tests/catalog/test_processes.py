"""Several processes, and several tasks, with one catalog."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.catalog import Catalog
from aioglacier.core.errors import CatalogBusyError, CatalogError, UploadLockedError
from tests.catalog.conftest import FILMS, PHOTOS, archive, child, outcome

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

WRITER = """
async def work(catalog):
    name = sys.argv[2]
    upload = await catalog.uploads.record_intent(PHOTOS, part_size=1, source="/" + name)
    upload = await catalog.uploads.record_initiated(upload, UploadId(name))
    for index in range(40):
        await catalog.uploads.record_part(upload, index, size=1, tree_hash=TREE_HASH)
    upload = await catalog.uploads.record_completing(upload, size=40, tree_hash=TREE_HASH)
    await catalog.uploads.record_completed(
        upload, archive(int(name), size=40, tree_hash=TREE_HASH)
    )
sys.stdin.readline()
run(work)
"""

HOLDER = """
async def work(catalog):
    async with catalog.lock_source(PHOTOS, "/film"):
        print(os.getpid(), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
run(work)
"""


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


async def test_another_task_cannot_lock_the_same_source(catalog: Catalog) -> None:
    """DC-07, in one process; another source or another vault is free, and it is free afterwards."""
    async with catalog.lock_source(PHOTOS, "/film"):
        with pytest.raises(UploadLockedError) as raised:
            async with catalog.lock_source(PHOTOS, "/film"):
                pass
        assert (raised.value.pid, raised.value.host) == (os.getpid(), socket.gethostname())
        async with catalog.lock_source(FILMS, "/film"), catalog.lock_source(PHOTOS, "/\udcff"):
            pass
    async with catalog.lock_source(PHOTOS, "/film"):
        pass


async def test_another_process_cannot_lock_the_same_source(catalog: Catalog, location: str) -> None:
    """DC-07, DC-08: the error names the holder at once, and the lock is free when that process is killed."""
    with child(HOLDER, location) as process:
        assert process.stdout
        pid = int(await anyio.to_thread.run_sync(process.stdout.readline))
        with pytest.raises(UploadLockedError, match=f"by process {pid} on {socket.gethostname()}") as raised:
            async with catalog.lock_source(PHOTOS, "/film"):
                pass
        assert (raised.value.source, raised.value.pid) == ("/film", pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        await until_free(catalog)


async def until_free(catalog: Catalog) -> None:
    """Lock the source within a minute: PostgreSQL frees a lock when it notices the death of a client."""
    with anyio.fail_after(60):
        while True:
            try:
                async with catalog.lock_source(PHOTOS, "/film"):
                    return
            except UploadLockedError:
                await anyio.sleep(0.01)


async def test_a_lock_leaves_nothing_behind(file_catalog: Catalog, path: Path) -> None:
    """Its file goes with it; "in-use" is what the open catalog itself has."""
    async with file_catalog.lock_source(PHOTOS, "/film"):
        pass
    assert [one.name for one in path.with_name("catalog.db.locks").iterdir()] == ["in-use"]


async def test_a_lock_that_cannot_be_taken(file_catalog: Catalog, path: Path) -> None:
    """The error says that its folder is gone."""
    shutil.rmtree(path.with_name("catalog.db.locks"))
    with pytest.raises(CatalogError, match="cannot be taken: No such file"):
        async with file_catalog.lock_source(PHOTOS, "/film"):
            pass


def test_a_program_that_forgets_to_close_ends_all_the_same(path: Path) -> None:
    """PR-16: within two seconds of its last line."""
    program = """
import time
async def main():
    opened = Catalog.open(sys.argv[1])
    catalog = await opened.__aenter__()
    await catalog.archives.record(PHOTOS, archive(1))
    print(time.time(), flush=True)
asyncio.run(main())
"""
    with child(program, path) as process:
        output, _ = process.communicate(timeout=60)
        assert time.time() - float(output) < 5
