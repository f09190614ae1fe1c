"""Folders, links and empty files of a restore."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import FolderRestore, FolderSync, RestoreOptions
from aioglacier.core.spending import Budget
from tests.bulk.conftest import PRICES, picture, restore, write
from tests.bulk.restore.conftest import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


async def test_what_has_no_content_comes_back_without_a_job(place: Place, tmp_path: Path) -> None:
    """Folders, empty files and links to them cost nothing, and a second run leaves them as they are."""
    tree = write(tmp_path / "tree", {"a/empty": b"", "b/c/none": b""})
    (tree / "a" / "link").symlink_to("empty")
    (tree / "b" / "same").hardlink_to(tree / "a" / "empty")
    (tree / "b" / "c").chmod(0o500)
    os.utime(tree / "b", ns=(5, 5))
    await place.sync(tree)
    back = tmp_path / "back"
    done = await restore(place, back)
    assert done.failures == []
    assert (done.snapshot().jobs_started, done.snapshot().restored) == (0, 7)
    assert picture(back) == picture(tree)
    again = await restore(place, back)
    assert again.failures == []
    assert again.snapshot().restored == 0
    assert picture(back) == picture(tree)


async def test_a_hard_link_waits_for_its_file(place: Place, tmp_path: Path) -> None:
    """A link fails by itself if something else has the name of its file."""
    tree = write(tmp_path / "tree", {"a": b"content"})
    (tree / "b").hardlink_to(tree / "a")
    await place.sync(tree)
    back = write(tmp_path / "back", {"a": b"something else"})
    done = await restore(place, back)
    assert {failure.path for failure in done.failures} == {b"a", b"b"}
    (link,) = [failure.error for failure in done.failures if failure.path == b"b"]
    assert "restore that first" in str(link)
    assert (back / "a").read_bytes() == b"something else"


@pytest.mark.slow
async def test_a_link_of_a_file_that_is_waited_for_is_left_with_it(tmp_path: Path) -> None:
    """Without waiting, neither has failed: two jobs are left, and the next run brings both."""
    tree = write(tmp_path / "tree", {"a": b"content"})
    (tree / "b").hardlink_to(tree / "a")
    async with serving(tmp_path, job_delay=60) as (server, vault):
        await FolderSync(vault, tree).run()
        write(tree, {"c": b"in another archive"})
        await FolderSync(vault, tree).run()
        for left, seconds in ((2, 61), (0, 0)):
            options = RestoreOptions(waits=False)
            restore = FolderRestore(vault, tmp_path / "back", Budget(PRICES), options)
            done = await restore.run()
            assert (restore.failures, done.jobs_left) == ([], left)
            await server.advance(seconds)
    assert picture(tmp_path / "back") == picture(tree)
