"""Fixtures and helpers for the tests of the catalog."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
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


#: Empties the tables and ends what an earlier test has left connected.
_EMPTY = """
DO $$ DECLARE found RECORD; BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;  -- tables may refer to each other
    FOR found IN SELECT tablename AS name FROM pg_tables
        WHERE schemaname = 'aioglacier' AND tablename <> 'catalog_version'
    LOOP
        EXECUTE format('DELETE FROM aioglacier.%I', found.name);
    END LOOP;
    FOR found IN SELECT sequencename AS name FROM pg_sequences WHERE schemaname = 'aioglacier' LOOP
        EXECUTE format('ALTER SEQUENCE aioglacier.%I RESTART', found.name);
    END LOOP;
END $$
"""


def ask(url: str, statement: str) -> None:
    """Run a statement on a loop of its own: the test may run in another, or in none."""
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(servers.ask, url, statement)


@cache
def kept_database(server: str) -> str:
    """Make a database with the tables of a catalog, which one test uses after the other."""
    ask(f"{server}/postgres", "CREATE DATABASE kept")

    async def make_tables() -> None:
        async with Catalog.open(f"{server}/kept"):
            pass

    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(make_tables)
    return f"{server}/kept"


@pytest.fixture(scope="session")
def server() -> str:
    """The URL of a PostgreSQL server."""
    shared = servers.shared()
    if shared is None:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    return shared.url


@pytest.fixture
def database(server: str) -> str:
    """The URL of an empty PostgreSQL database of its own."""
    name = f"test_{secrets.token_hex(6)}"
    ask(f"{server}/postgres", f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture
def emptied_database(server: str) -> str:
    """The URL of a PostgreSQL database with empty tables: making tables takes longer than most tests."""
    database = kept_database(server)
    ask(database, _EMPTY)
    return database


@pytest.fixture(params=["sqlite", "postgresql"])
def new_location(request: pytest.FixtureRequest) -> str:
    """The location of a new catalog, in either database."""
    return str(request.getfixturevalue("path" if request.param == "sqlite" else "database"))


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest) -> str:
    """The location of a catalog without records, in either database."""
    return str(request.getfixturevalue("path" if request.param == "sqlite" else "emptied_database"))


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


async def ids(records: AsyncIterator[ArchiveRecord]) -> list[str]:
    """Return the ids of listed archives."""
    return [record.archive.id async for record in records]


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
