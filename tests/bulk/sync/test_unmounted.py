"""A disk below a folder that is not mounted."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from aioglacier.bulk import FolderSync
from tests.bulk.conftest import write
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


async def test_a_disk_that_is_not_mounted_in_a_folder_removes_nothing(place: Place, tmp_path: Path) -> None:
    """Its mount point is empty and on the folder's own device; an empty folder of that device is empty."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2", "c": b"3", "disk/d/e": b"4", "plain/f": b"5"})
    await place.sync(tree)

    def note_device(device: int) -> None:
        with closing(sqlite3.connect(place.catalog)) as connection:
            is_within = "substr(path, 1, 5) = CAST('disk/' AS BLOB)"
            connection.execute(f"UPDATE entries SET device = ? WHERE {is_within}", (device,))  # noqa: S608
            connection.commit()

    device = os.stat(tree).st_dev  # noqa: PTH116
    note_device(device + 1)
    shutil.rmtree(tree / "disk" / "d")
    (tree / "plain" / "f").unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        assert (await sync.run()).removed == 1
        assert (sync.held_back, sync.unmounted) == (2, [b"disk"])
    assert run(place, "sync", tree, "folders") == 3
    note_device(device)  # or it would look damaged
    await place.restore(tmp_path / "back")
    assert (tmp_path / "back" / "disk" / "d" / "e").read_bytes() == b"4"
    assert not (tmp_path / "back" / "plain" / "f").exists()
    assert (await place.sync(tree, accepts_removals=True)).removed == 2
