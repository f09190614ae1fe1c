"""Folders whose large files go through workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.bulk import FolderSync, SyncOptions
from aioglacier.catalog import Catalog
from aioglacier.client.glacier import connect
from aioglacier.cluster.dask_runner import DaskRunner
from aioglacier.core.treehash import tree_hash
from aioglacier.transfer.upload.part_run import PartRun
from tests.transfer.conftest import DATA, MIB, Served, saved

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import pytest

    from aioglacier.transfer.upload.part_run import RunDone


async def test_a_large_file_of_a_folder_goes_through_the_workers(
    monkeypatch: pytest.MonkeyPatch, house: Served, scheduler: str, tmp_path: Path
) -> None:
    """A file that gets an archive of its own is sent by workers, and recorded as one that was sent here."""
    runs: list[object] = []
    run = DaskRunner.run

    async def noting(self: DaskRunner, task: PartRun, take: Callable[[RunDone], Awaitable[None]]) -> None:
        runs.append(task)
        await run(self, task, take)

    monkeypatch.setattr(DaskRunner, "run", noting)
    monkeypatch.setattr("aioglacier.cluster.dask_runner._SMALLEST", 0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    folder = tmp_path / "folder"
    folder.mkdir()  # a test's own
    saved(folder / "film", DATA[: 3 * MIB])
    saved(folder / "note", b"small")
    async with (
        Catalog.open(tmp_path / "catalog.db") as catalog,
        connect(
            region_name="us-east-1", endpoint_url=house.server.url, cluster=scheduler, catalog=catalog
        ) as glacier,
    ):
        vault = await glacier.create_vault("folders")
        options = SyncOptions(largest_member=MIB)
        await FolderSync(vault, folder, options).run()
        await FolderSync(vault, folder, options).run()  # finds nothing to send
        assert vault.records is not None
        records = vault.records
        stored = [each async for each in catalog.archives.list_vault(records.key)]
    sent = [(task.file.path, task.parts) for task in runs if isinstance(task, PartRun)]
    assert sent == [(str(folder / "film"), 1)]
    assert tree_hash(DATA[: 3 * MIB]) in {each.archive.tree_hash for each in stored}
    assert len(stored) == 2
