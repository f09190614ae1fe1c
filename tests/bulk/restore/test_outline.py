"""Folders, links and empty files of a restore."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.bulk.conftest import picture, restore, write

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
    assert done.snapshot().jobs_started == 0
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
