"""A ``sync`` that is asked to stop makes an archive of what it has; one into no vault leaves no record."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.bulk.sync.sync import FolderSync
from tests.bulk.conftest import MIB, picture
from tests.bulk.sync.conftest import drained
from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

pytestmark = pytest.mark.slow

FILES = 6000


async def test_what_was_packed_becomes_an_archive(place: Place, many: Path, tmp_path: Path) -> None:
    """Nothing of it goes again, the stopped run is not recorded as ended, and the next run does the rest."""
    sync = await drained(place, many)
    stopped = sync.snapshot()
    assert 0 < stopped.archived < FILES
    assert (stopped.archives, sync.given_up) == (1, 0)
    assert len(await place.archives()) == 1
    async with place.vault() as vault:
        assert vault.records is not None
        catalog = vault.records.catalog
        (tree,) = await catalog.trees.list(vault.records.key)
        # Otherwise the paths that it has not looked at would be recorded as removed.
        assert tree.last_run is None
        assert await catalog.runs.last_state(tree) == "failed"
    rest = await place.sync(many)
    assert rest.archived == FILES + FILES // 500 + 1 - stopped.archived
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(many)


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
        for number in range(100):
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
    """The run is stopped as the command line stops it."""
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
