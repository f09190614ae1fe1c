"""Locks of sources, and the end of a catalog."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.core.errors import CatalogError, UploadLockedError
from tests.catalog.conftest import FILMS, PHOTOS, child

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.catalog import Catalog

HOLDER = """
async def work(catalog):
    async with catalog.lock_source(PHOTOS, "/film"):
        print(os.getpid(), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
run(work)
"""


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
