"""Folders that are verified through runners of every kind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import FolderSync, FolderVerify, SyncOptions, Trouble, VerifyOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.core.errors import NotSharedError, WorkerDiedError
from aioglacier.core.spending import Budget
from aioglacier.files.shared import SharedFolder
from tests.cluster.conftest import HereRunner, ScriptedRunner, folder_vault
from tests.transfer.conftest import DATA, MIB, saved

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.client.vault import Vault
    from aioglacier.transfer.resources import Runner
    from tests.transfer.conftest import Served

SIZES = {"empty": 0, "note": 5, "a/leaf": MIB, "a/odd": 3 * MIB + 1, "b/large": 7 * MIB - 1}


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of 2 MiB, so that some files are several, and runs of 4 MiB at first."""
    monkeypatch.setattr("aioglacier.bulk.file_hashes._BYTES_AT_ONCE", 2 * MIB)
    monkeypatch.setattr("aioglacier.transfer.spreading._FIRST_SIZE", 4 * MIB)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files of all sizes."""
    top = tmp_path / "folder"
    for name, size in SIZES.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        saved(top / name, DATA[MIB : MIB + size])
    return top


async def verify(vault: Vault, folder: Path) -> FolderVerify:
    """Compare a folder."""
    found = FolderVerify(vault, folder, Budget(load_prices("us-east-1"), None), VerifyOptions())
    await found.run()
    return found


def rot(path: Path) -> None:
    """Flip a byte of a file without a sign in its times."""
    status = path.stat()
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), b"?", status.st_size - 1)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


@pytest.mark.slow
async def test_a_folder_is_read_by_the_workers(
    runner: Runner, house: Served, tmp_path: Path, folder: Path
) -> None:
    """Every file is compared, and what has rotted or changed is found, wherever it was read."""
    async with folder_vault(house, runner, tmp_path) as vault:
        await FolderSync(vault, folder, SyncOptions(largest_member=2 * MIB)).run()
        found = await verify(vault, folder)
        assert found.findings == []
        assert (found.snapshot().size, found.snapshot().workers) == (sum(SIZES.values()), 2)
        rot(folder / "b" / "large")
        rot(folder / "note")
        saved(folder / "a" / "odd", DATA[: 3 * MIB])
        (folder / "empty").unlink()
        found = await verify(vault, folder)
    assert set(found.findings) >= {
        (Trouble.ROTTEN, "b/large"),
        (Trouble.ROTTEN, "note"),
        (Trouble.CHANGED, "a/odd"),
        (Trouble.MISSING, "empty"),
    }
    assert {each.what for each in found.findings if each.trouble is Trouble.ROTTEN} == {"b/large", "note"}


async def test_a_worker_that_sees_other_bytes_causes_no_finding(
    house: Served, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose hash differs on a worker is read here before anything is said of it."""
    async with folder_vault(house, HereRunner(house), tmp_path) as vault:
        await FolderSync(vault, folder).run()
        monkeypatch.setattr("aioglacier.bulk.file_hashes._hash", lambda *_: b"\0" * 32)
        assert (await verify(vault, folder)).findings == []


async def test_lost_processes_end_the_comparison(house: Served, tmp_path: Path, folder: Path) -> None:
    """The error says that the workers were lost, and the next run compares everything."""
    runner = ScriptedRunner(house)
    async with folder_vault(house, runner, tmp_path) as vault:
        await FolderSync(vault, folder).run()
        runner.dies_after = 1
        with pytest.raises(WorkerDiedError):
            await verify(vault, folder)
        runner.dies_after = 1 << 30
        assert (await verify(vault, folder)).findings == []


async def test_another_folder_is_refused(runner: Runner, tmp_path: Path) -> None:
    """A worker that sees another folder under the path, or other names in it, is named."""
    here = SharedFolder.of(str(tmp_path))
    await runner.open()
    await runner.check_shared(here)
    for other, field in (
        (here._replace(inode=1), "inode"),
        (here._replace(sample=b"?"), "content"),
        (here._replace(path=f"{tmp_path}/nowhere"), "path"),
    ):
        with pytest.raises(NotSharedError) as caught:
            await runner.check_shared(other)
        assert caught.value.field == field
