"""A folder of many files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.bulk.sync.sync import FolderSync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

FILES = 6000


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder of more files than are looked at before somebody can stop it."""
    root = tmp_path / "many"
    for folder in range(FILES // 500):
        (root / f"{folder:02}").mkdir(parents=True)
        for number in range(500):
            (root / f"{folder:02}" / f"{number:03}").write_bytes(b"%d %d" % (folder, number) * 20)
    return root


async def drained(place: Place, root: Path, *, seconds: float = 60.0) -> FolderSync:
    """A ``sync`` that is asked to stop once it has written something."""
    async with place.vault() as vault:
        sync = FolderSync(vault, root)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sync.run)
            while not sync.snapshot().archived:
                await anyio.lowlevel.checkpoint()
            sync.drain(seconds)
        return sync
