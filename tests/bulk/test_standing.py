"""A version counts only while its archive is proven: what sync, restore and verify say when one is not."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import Trouble
from aioglacier.bulk.pricing import load_prices
from aioglacier.core.errors import NotStoredError
from tests.bulk.conftest import MIB, picture, restore, troubles, write
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

pytestmark = pytest.mark.slow

PRICES = load_prices("us-east-1")


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
    assert {(Trouble.LOST, "d/a"), (Trouble.LOST, "big")} <= await troubles(place, tree)
    again = await place.sync(tree)
    assert (again.unchanged, again.archives) == (0, 2)
    assert await troubles(place, tree) == set()
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)


async def test_a_rename_that_is_killed_keeps_the_old_names(place: Place, tmp_path: Path) -> None:
    """Until the new ones count, whatever the moment."""
    tree = write(tmp_path / "tree", {f"old/f{number}": os.urandom(3000) for number in range(20)})
    await place.sync(tree)
    (tree / "old").rename(tree / "new")
    write(tree, {"more": os.urandom(3000)})
    assert run(place, "sync", tree, "folders", crash_at="part sent") == -signal.SIGKILL
    back = await restore(place, tmp_path / "back")
    assert back.failures == []
    assert len(list((tmp_path / "back" / "old").iterdir())) == 20
