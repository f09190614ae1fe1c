"""Folder, catalog and vault held against each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import Trouble
from aioglacier.core.errors import ConfigurationError
from tests.bulk.conftest import verify, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


@pytest.mark.parametrize("reads_files", [True, False])
async def test_a_folder_that_was_just_archived_has_no_findings(
    place: Place, tree: Path, reads_files: bool
) -> None:
    """Everything is where it should be."""
    await place.sync(tree)
    found = await verify(place, tree, reads_files=reads_files)
    assert found.findings == []
    assert found.snapshot().unarchived == 0
    assert found.snapshot().archives == 1


async def test_what_was_changed_lost_or_added_is_told(place: Place, tree: Path) -> None:
    """Each by its name and kind."""
    await place.sync(tree)
    (tree / "private").write_bytes(b"other secret")
    (tree / "old").unlink()
    (tree / "new").touch()
    found = await verify(place, tree)
    assert set(found.findings) == {
        (Trouble.CHANGED, "private"),
        (Trouble.MISSING, "old"),
        (Trouble.UNARCHIVED, "new"),
    }
    assert (found.snapshot().unarchived, found.snapshot().troubles) == (1, 3)


async def test_a_file_that_has_rotted_is_told_from_one_that_was_changed(place: Place, tree: Path) -> None:
    """Its size and time are those on record, and its content is not."""
    await place.sync(tree)
    file = tree / "private"
    times = file.stat().st_mtime_ns
    file.write_bytes(b"secreT")
    os.utime(file, ns=(times, times))
    found = await verify(place, tree)
    assert found.findings == [(Trouble.ROTTEN, "private")]
    assert (await verify(place, tree, reads_files=False)).findings == []


async def test_a_path_that_sync_cannot_archive_is_a_finding(place: Place, tmp_path: Path) -> None:
    """No findings means that every path of the folder has a proven archive; a FIFO has none."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(b"content")
    await place.sync(tree)
    os.mkfifo(tree / "pipe")
    (finding,) = [each for each in (await verify(place, tree)).findings if each.what != "."]
    assert (finding.trouble, finding.what) == (Trouble.UNARCHIVED, "pipe (FIFO)")


async def test_a_folder_that_was_never_archived_is_an_error(place: Place, tmp_path: Path) -> None:
    """It says what takes it there."""
    with pytest.raises(ConfigurationError, match="sync"):
        await verify(place, tmp_path)


async def test_a_path_that_became_something_else_has_changed(place: Place, tree: Path) -> None:
    """A hard link that is another file now, a folder that is a link, a file that is a folder."""
    await place.sync(tree)
    (tree / "z-linked").unlink()
    (tree / "z-linked").write_bytes((tree / "d0" / "e0" / "f0").read_bytes() + b", and not a link")
    (tree / "empty").rmdir()
    (tree / "empty").symlink_to("d0")
    (tree / "old").unlink()
    (tree / "old").mkdir()
    changed = {finding.what for finding in (await verify(place, tree)).findings}
    assert {"z-linked", "empty/", "old"} <= changed


async def test_a_hard_link_whose_file_moved_is_not_missing(place: Place, tmp_path: Path) -> None:
    """Only the path that is gone is missing; the other name of the file has changed."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "first").write_bytes(b"content")
    (tree / "second").hardlink_to(tree / "first")
    await place.sync(tree)
    (tree / "first").rename(tree / "third")
    findings = {each for each in (await verify(place, tree)).findings if each.what != "."}
    assert findings == {
        (Trouble.MISSING, "first"),
        (Trouble.CHANGED, "second"),
        (Trouble.UNARCHIVED, "third"),
    }


async def test_what_was_in_a_folder_that_became_a_file_is_missing(place: Place, tmp_path: Path) -> None:
    """The path is gone from the folder; nothing there was unreadable."""
    tree = tmp_path / "tree"
    (tree / "was").mkdir(parents=True)
    (tree / "was" / "inner").write_bytes(b"content")
    await place.sync(tree)
    (tree / "was" / "inner").unlink()
    (tree / "was").rmdir()
    (tree / "was").write_bytes(b"a file now")
    findings = {each for each in (await verify(place, tree)).findings if each.what != "."}
    assert (Trouble.MISSING, "was/inner") in findings


async def test_a_hard_link_that_was_not_archived_with_its_file_has_changed(
    place: Place, tmp_path: Path
) -> None:
    """A sync of one path records the new content for it alone; the link still stands for the old one."""
    tree = write(tmp_path / "tree", {"file": b"old"})
    (tree / "link").hardlink_to(tree / "file")
    await place.sync(tree)
    (tree / "file").write_bytes(b"newer")
    await place.sync(tree, only=[b"file"])
    assert (await verify(place, tree)).findings == [(Trouble.CHANGED, "link")]
