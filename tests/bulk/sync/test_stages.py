"""The stages of a sync: what is gone is recorded in the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.bulk import FolderSync
from tests.bulk.conftest import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


async def test_most_of_a_folder_is_not_recorded_as_removed_unasked(place: Place, tmp_path: Path) -> None:
    """A disk that is not mounted looks like an empty folder; once confirmed, it is one."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2", "c": b"3"})
    await place.sync(tree)
    for name in ("a", "b"):
        (tree / name).unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        assert (await sync.run()).removed == 0
        assert sync.held_back == 2
    await place.restore(tmp_path / "all")
    assert len(list((tmp_path / "all").iterdir())) == 3
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        await sync.run()
        await sync.accept_removals()
        assert (sync.held_back, sync.snapshot().removed) == (0, 2)
    await place.restore(tmp_path / "rest")
    assert [path.name for path in (tmp_path / "rest").iterdir()] == ["c"]


async def test_removed_files_are_compared_with_those_that_were_and_are_there(
    place: Place, tmp_path: Path
) -> None:
    """A changed file is still there; a new one was not there before, and a folder is no file."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2", "c": b"3", "d/e": b"4", "d/f": b"5"})
    await place.sync(tree)
    write(tree, dict.fromkeys("abc", b"changed"))
    for name in ("e", "f"):
        (tree / "d" / name).unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        done = await sync.run()
        assert (done.removed, sync.held_back) == (2, 0)
        assert (done.changed, done.changed_size) == (4, 3 * len(b"changed"))  # the folder has another date
    write(tree, dict.fromkeys("ghijk", b"new"))
    for name in "ab":
        (tree / name).unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        assert ((await sync.run()).removed, sync.held_back) == (0, 2)


async def test_removals_are_accepted_only_of_paths_that_are_still_gone(place: Place, tmp_path: Path) -> None:
    """The disk was mounted while someone was asked: what is there again is not recorded as removed."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2", "c": b"3"})
    await place.sync(tree)
    (tree / "a").rename(tmp_path / "a")
    (tree / "b").unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        await sync.run()
        assert sync.held_back == 2
        (tmp_path / "a").rename(tree / "a")
        await sync.accept_removals()
        assert sync.snapshot().removed == 1
    await place.restore(tmp_path / "back")
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["a", "c"]


async def test_removals_of_all_batches_are_counted(place: Place, tmp_path: Path) -> None:
    """A batch of changes has eight paths at first, so twenty removals come in more than one."""
    tree = write(tmp_path / "tree", {f"f{number:02}": b"content" for number in range(60)})
    await place.sync(tree)
    for number in range(0, 60, 3):
        (tree / f"f{number:02}").unlink()
    assert (await place.sync(tree)).removed == 20
