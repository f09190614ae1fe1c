"""Folders whose large files come back through runners of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.bulk import FolderRestore, FolderSync, RestoreOptions, SyncOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.core.models import Tier
from aioglacier.core.spending import Budget
from aioglacier.transfer.download import download
from tests.cluster.conftest import HereRunner, folder_vault
from tests.transfer.conftest import DATA, MIB, saved

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from aioglacier.transfer.resources import Runner
    from tests.transfer.conftest import Served


async def test_a_large_file_of_a_folder_comes_back_by_the_workers(
    runner: Runner, house: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task names the file by a path that every machine has, and the folder is as it was."""
    monkeypatch.setattr(download, "choose_piece_size", lambda _: MIB)
    folder = tmp_path / "folder"
    folder.mkdir()  # a test's own
    film = saved(folder / "film", DATA[: 5 * MIB + 3])
    saved(folder / "note", b"small")
    async with folder_vault(house, runner, tmp_path) as vault:
        await FolderSync(vault, folder, SyncOptions(largest_member=MIB)).run()
        back = tmp_path / "back"
        if isinstance(runner, HereRunner):
            runner.tasks.clear()
        options = RestoreOptions(tier=Tier.EXPEDITED)
        done = await FolderRestore(vault, back, Budget(load_prices("us-east-1"), None), options).run()
    assert (done.restored, done.failed) == (2, 0)
    assert (back / "film").read_bytes() == film.read_bytes()
    if isinstance(runner, HereRunner):
        paths = {task.shared.path for task in runner.tasks if task.shared is not None}
        assert {path.rpartition("/")[0] for path in paths} == {str(back)}
