"""A ``sync`` that is asked to stop makes an archive of what it has; one into no vault leaves no record."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import anyio
import pytest

import aioglacier
from aioglacier.bulk.sync.plan import SyncOptions
from aioglacier.bulk.sync.scan import Scan
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.catalog import Catalog
from aioglacier.core.errors import VaultNotFoundError
from aioglacier.server import LocalGlacier
from tests.bulk.conftest import MIB, picture
from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aioglacier.bulk.sync.scan import Found
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


async def test_what_was_packed_becomes_an_archive(place: Place, many: Path, tmp_path: Path) -> None:
    """Nothing of it goes again, and the next run does the rest."""
    sync = await drained(place, many)
    stopped = sync.snapshot()
    assert 0 < stopped.archived < FILES
    assert (stopped.archives, sync.given_up) == (1, 0)
    assert len(await place.archives()) == 1
    rest = await place.sync(many)
    assert rest.archived == FILES + FILES // 500 + 1 - stopped.archived
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(many)


async def test_a_stopped_run_is_none_that_came_to_its_end(place: Place, many: Path) -> None:
    """Paths that it has not looked at are not recorded as removed, and no time refers to the run."""
    await drained(place, many)
    async with place.vault() as vault:
        assert vault.records is not None
        catalog = vault.records.catalog
        (tree,) = await catalog.trees.list(vault.records.key)
        assert tree.last_run is None
        assert await catalog.runs.last_state(tree) == "failed"


async def test_what_is_not_done_in_time_is_aborted(place: Place, many: Path) -> None:
    """No upload is left open, and it is known how many files go again."""
    sync = await drained(place, many, seconds=0.0)
    assert sync.given_up > 0
    assert await place.archives() == []
    again = await place.sync(many)
    assert again.archived == FILES + FILES // 500 + 1


async def test_a_big_file_is_kept_where_it_was_stopped(place: Place, tmp_path: Path) -> None:
    """The parts that have arrived are not sent again."""
    root = tmp_path / "big"
    root.mkdir()
    with (root / "file").open("wb") as file:
        for number in range(300):
            file.write(number.to_bytes(4) * (MIB // 4))
    async with place.vault() as vault:
        sync = FolderSync(vault, root)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sync.run)
            while not sync.snapshot().current:
                await anyio.lowlevel.checkpoint()
            sync.drain(30)
        assert sync.failures == []
        assert sync.snapshot().archived <= 2
    done = await place.sync(root)
    assert done.archived >= 1
    async with place.vault() as vault:
        assert [upload async for upload in vault.uploads()] == []


def test_a_signal_loses_nothing(place: Place, many: Path) -> None:
    """As the command line does it."""
    home = place.glacier.parent
    program = Cli(home, (f"--local={place.glacier}", f"--catalog={place.catalog}", "--json"))
    program("vault", "create", "folders")
    with program.started("sync", str(many), "folders") as child:
        files = place.glacier / "uploads"
        until = time.monotonic() + 60
        while time.monotonic() < until and child.poll() is None and not list(files.glob("*")):
            time.sleep(0.01)  # another process's folder can only be looked at again
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=60)
    assert child.returncode in {0, 130}, told
    done = program("sync", str(many), "folders")
    assert '"archived": 0' in done.text or child.returncode == 130
    assert b"go again" not in told


async def test_a_vault_that_does_not_exist_leaves_no_record(place: Place, many: Path) -> None:
    """Or a restore from it would find a folder that has nothing in it."""
    async with (
        Catalog.open(place.catalog) as catalog,
        aioglacier.connect(endpoint_url=f"local:{place.glacier}", catalog=catalog) as glacier,
    ):
        vault = glacier.vault("nowhere")
        with pytest.raises(VaultNotFoundError):
            await FolderSync(vault, many).run()
        assert vault.records is not None
        assert await catalog.trees.list(vault.records.key) == []


async def test_a_vault_that_is_gone_keeps_its_record(place: Place, many: Path) -> None:
    """The records from before the vault was deleted stay."""
    await drained(place, many)
    async with place.vault() as vault:
        async for archive in (await _inventory(vault)).inventory():
            await vault.delete_archive(archive.id)
        await vault.delete()
        with pytest.raises(VaultNotFoundError):
            await FolderSync(vault, many).run()
        assert vault.records is not None
        assert len(await vault.records.catalog.trees.list(vault.records.key)) == 1


async def _inventory(vault: aioglacier.Vault) -> aioglacier.Job:
    job = await vault.retrieve_inventory()
    await job.wait_until_done()
    return job


async def test_a_catalog_without_the_archives_of_a_vault_is_said_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    """After a loss of the catalog the user learns how to recover it before everything is billed again."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_bytes(b"1")
    async with LocalGlacier(tmp_path / "glacier", inventory_lag=0, is_durable=False) as server:

        async def prepared(catalog: Path, *, runs: bool) -> list[str]:
            async with (
                Catalog.open(catalog) as opened,
                aioglacier.connect(
                    endpoint_url=server.url,
                    region_name="us-east-1",
                    aws_access_key_id="AKIDEXAMPLE",
                    aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                    catalog=opened,
                    hash_in="threads",
                ) as glacier,
            ):
                sync = FolderSync(await glacier.create_vault("folders"), tree)
                await sync.prepare()
                if runs:
                    await sync.run()
                return sync.notices

        assert await prepared(tmp_path / "first.db", runs=True) == []
        assert await prepared(tmp_path / "first.db", runs=False) == []
        (notice,) = await prepared(tmp_path / "second.db", runs=False)
        assert "catalog recover" in notice


async def test_a_file_that_is_there_and_not_stored_counts_as_kept(place: Place, tmp_path: Path) -> None:
    """A vault was emptied and one file removed: that is no folder whose disk is not mounted."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("a", "b", "c"):
        (tree / name).write_bytes(name.encode())
    await place.sync(tree)
    (archive,) = await place.archives()
    async with place.vault() as vault:
        await vault.delete_archive(archive.id)
        (tree / "a").unlink()
        sync = FolderSync(vault, tree)
        assert (await sync.run()).removed == 1
        assert sync.held_back == 0


async def test_what_is_not_archived_is_named_by_its_kind(place: Place, tmp_path: Path) -> None:
    """A FIFO is reported as one, and the other files are archived."""
    tree = tmp_path / "tree"
    tree.mkdir()
    os.mkfifo(tree / "pipe")
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        await sync.run()
    (failure,) = sync.failures
    assert "'pipe' is a FIFO and is not archived" in str(failure.error)


@pytest.mark.parametrize("size", [100, 5000])
async def test_a_folder_that_is_swapped_for_a_link_as_a_whole_leads_nowhere(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The run reads the folder that it scanned, and nothing of what takes its place."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for folder, content in ((tree, b"i" * size), (outside, b"o" * size)):
        folder.mkdir()
        (folder / "f").write_bytes(content)
    (tree / "f").touch()
    scanned = Scan.__iter__

    def swap(scan: Scan) -> Iterator[Found]:
        yield from scanned(scan)
        tree.rename(tmp_path / "was")
        tree.symlink_to(outside)

    monkeypatch.setattr(Scan, "__iter__", swap)
    async with place.vault() as vault:
        sync = FolderSync(vault, tree, SyncOptions(largest_member=1000))
        await sync.run()
    await place.restore(tmp_path / "back")
    back = tmp_path / "back" / "f"
    assert not back.exists() or back.read_bytes() == b"i" * size
