"""PR-01, DC-03, DC-05: killed at any moment, the catalog is sound and says no more than what happened."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import ArchiveState, Catalog
from tests.catalog.conftest import PHOTOS, ROOT, archive
from tests.catalog.crashes import PARTS, SOURCE, record

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

#: In order; a crash may lose the last step that was under way, and none before it.
STEPS = ["opened", "intent", "open", *(f"part {index}" for index in range(PARTS)), "completing", "completed"]


async def reached(path: Path) -> str:
    """The last step that the catalog has on record."""
    async with Catalog.open(path) as catalog:
        made = await catalog.archives.get(PHOTOS, archive(1).id)
        upload = await catalog.uploads.find_unfinished(PHOTOS, SOURCE)
        if made is not None:
            # The archive and the end of its upload are one transaction.
            assert upload is None
            assert made.state is ArchiveState.STORED
            return "completed"
        if upload is None:
            return "opened"
        if upload.state == "open":
            parts = [part.index async for part in catalog.uploads.list_parts(upload.number)]
            assert parts == list(range(len(parts)))
            return f"part {parts[-1]}" if parts else "open"
        return str(upload.state)


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill loses nothing that only power loss would."""
    memory = Path("/dev/shm")  # noqa: S108
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_every_point(fast: Path, stride: int) -> None:
    """Every record that was reported is there, at most one more is, and the work goes on."""
    command: list[str | Path] = [sys.executable, "-m", "tests.catalog.crashes", fast, str(stride)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    folders = sorted(fast.iterdir(), key=lambda folder: int(folder.name))
    assert len(folders) > 50
    told = {folder: (folder / "told").read_text().splitlines() for folder in folders}

    async def look() -> set[str]:
        ends = set()
        for folder in folders:
            path = folder / "share" / "catalog.db"
            last = await reached(path)
            ends.add(last)
            steps = [line for line in told[folder] if line in STEPS]
            behind = STEPS.index(steps[-1]) if steps else 0
            assert behind <= STEPS.index(last) <= behind + 1, (folder.name, steps, last)
            if last != "completed" and int(folder.name) % 2:
                steps = []
                await record(path, steps.append)
                assert steps[-1] == "merged"
                assert await reached(path) == "completed"
        return ends

    assert asyncio.run(look()) == set(STEPS)
    for folder in folders:
        path = folder / "share" / "catalog.db"
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT count(*) FROM uploads").fetchone() <= (1,)
        assert {one.name for one in path.parent.iterdir()} <= {"catalog.db", "catalog.db.locks"}
