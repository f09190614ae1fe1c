"""Fixtures and helpers for the tests of the catalog."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.from_thread
import pytest

from aioglacier.catalog import Catalog
from tests.catalog import servers
from tests.catalog.samples import FILMS, NOON, OTHER_HASH, PHOTOS, TREE_HASH, archive
from tests.forking import Running, forks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aioglacier.catalog import ArchiveRecord

__all__ = ["FILMS", "NOON", "OTHER_HASH", "PHOTOS", "TREE_HASH", "archive"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A path for a catalog; neither the file nor its folder exists yet."""
    return tmp_path / "share" / "catalog.db"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    bin_ = servers.programs()
    if bin_ is None:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    with servers.running(bin_) as running:
        yield running.url


@pytest.fixture
def database(server: str) -> str:
    """The URL of an empty PostgreSQL database of its own."""
    name = f"test_{secrets.token_hex(6)}"

    # A loop of its own: the test may run in another, or in none.
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(servers.ask, f"{server}/postgres", f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest) -> str:
    """The location of a new catalog, in either database."""
    name = "path" if request.param == "sqlite" else "database"
    return str(request.getfixturevalue(name))


@pytest.fixture
async def catalog(location: str) -> AsyncIterator[Catalog]:
    """An open catalog, in either database."""
    async with Catalog.open(location) as opened:
        yield opened


@pytest.fixture
async def file_catalog(path: Path) -> AsyncIterator[Catalog]:
    """An open catalog in a file."""
    async with Catalog.open(path) as opened:
        yield opened


#: What a child starts with: ``run`` opens the catalog named first on its command line and calls ``work``.
_PREAMBLE = f"""
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from aioglacier.catalog import *
from aioglacier.core.errors import *
from aioglacier.core.models import *
from tests.catalog.samples import *

def run(work, **options):
    async def main():
        async with Catalog.open(sys.argv[1], **options) as catalog:
            await work(catalog)
    asyncio.run(main())
"""


@contextmanager
def child(program: str, *arguments: str | Path) -> Iterator[Running]:
    """Another process that runs a program with the names above; stopped at the end if it has not ended."""
    words = ["-c", _PREAMBLE + program, *map(str, arguments)]
    with forks().start(words, cwd=ROOT, env=os.environ, stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def mounting_child(program: str, *arguments: str | Path) -> Iterator[Running]:
    """Another process that may mount; other processes do not see its mounts."""
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-W", "error"]
    with subprocess.Popen(
        [*command, "-c", _PREAMBLE + program, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def outcome(process: Running) -> str:
    """Return the output of a child that ended well."""
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output.decode()


def fill(path: Path, count: int = 100) -> None:
    """Make a catalog with some archives, or add them."""

    async def work() -> None:
        async with Catalog.open(path, begins_new=True) as catalog:
            await catalog.archives.merge_inventory(PHOTOS, map(archive, range(count)), inventoried=NOON)

    asyncio.run(work())


def read_records(path: Path) -> list[ArchiveRecord]:
    """Open it, and list its archives."""

    async def work() -> list[ArchiveRecord]:
        async with Catalog.open(path) as catalog:
            return [record async for record in catalog.archives.list_vault(PHOTOS)]

    return asyncio.run(work())


def count(path: Path) -> int:
    """Open it, and count its archives."""
    return len(read_records(path))
