"""A version counts only while its archive is proven: what sync, restore and verify say when one is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioglacier.bulk import Trouble
from aioglacier.core.errors import NotStoredError
from tests.bulk.conftest import MIB, picture, restore, troubles, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


async def test_files_of_a_deleted_archive_are_missed_and_sent_again(place: Place, tmp_path: Path) -> None:
    """Restore and verify name them, and the next sync stores them, big and small, links and folders."""
    tree = write(tmp_path / "tree", {"d/a": b"small", "big": os.urandom(17 * MIB)})
    (tree / "link").symlink_to("d/a")
    (tree / "other").hardlink_to(tree / "d" / "a")
    await place.sync(tree)
    archives = await place.archives()
    async with place.vault() as vault:
        for archive in archives:
            await vault.delete_archive(archive.id)
    missed = await restore(place, tmp_path / "empty")
    assert {failure.path for failure in missed.failures} >= {b"d/a", b"big", b"link"}
    assert all(isinstance(failure.error, NotStoredError) for failure in missed.failures)
    assert str(next(each.error for each in missed.failures if not each.path)).startswith("'.' cannot")
    assert {(Trouble.LOST, "d/a"), (Trouble.LOST, "big")} <= await troubles(place, tree)
    again = await place.sync(tree)
    assert (again.unchanged, again.archives) == (0, 2)
    assert await troubles(place, tree) == set()
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)
