"""Fixtures and helpers for the tests of the catalog."""

from __future__ import annotations

import hashlib
import secrets
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.from_thread
import pytest

from aioglacier.catalog import Catalog, VaultKey
from aioglacier.core.models import Archive, ArchiveId
from tests.catalog import servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).parents[2]
PHOTOS = VaultKey("photos", "eu-west-1")
FILMS = VaultKey("films", "eu-west-1")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

TREE_HASH = bytes(range(32))
OTHER_HASH = bytes(range(1, 33))


def archive(number: int, *, size: int = 5, tree_hash: bytes | None = None, vault: str = "photos") -> Archive:
    """Return one of any number of archives."""
    return Archive(
        id=ArchiveId(hashlib.sha512(b"%d" % number).hexdigest()),
        vault=vault,
        size=size,
        tree_hash=tree_hash or hashlib.sha256(b"%d" % number).digest(),
        description=f"archive {number}",
        created=NOON + timedelta(seconds=number),
    )


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
_PREAMBLE = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from aioglacier.catalog import *
from aioglacier.core.errors import *
from aioglacier.core.models import *
from tests.catalog.conftest import *

def run(work, **options):
    async def main():
        async with Catalog.open(sys.argv[1], **options) as catalog:
            await work(catalog)
    asyncio.run(main())
"""


@contextmanager
def child(program: str, *arguments: str | Path, may_mount: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a program with the names above; stopped at the end if it has not ended.

    Mounts of the child, if it may make them, are invisible to other processes.
    """
    command = ["unshare", "--mount", "--propagation", "private"] if may_mount else []
    command += [sys.executable, "-W", "error", "-c", _PREAMBLE + program, *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def outcome(process: subprocess.Popen[str]) -> str:
    """Return the output of a child that ended well."""
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output
