"""The comparison of a scan with the catalog."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from aioglacier.bulk import FolderSync
from aioglacier.bulk.filters import make_filter
from aioglacier.bulk.sync.compare import Comparison, Known
from aioglacier.bulk.sync.scan import Scan, ScanFailure
from aioglacier.catalog.folders.entry_records import Standing
from tests.bulk.conftest import write
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


def test_comparison_tells_new_changed_gone_and_same_apart(tmp_path: Path) -> None:
    """Each change once, in order; the same costs nothing."""
    for name in ("a", "b", "d"):
        (tmp_path / name).write_text(name)
    before = [
        Known(*found[:10], number, None, None, Standing.PROVEN)
        for number, found in enumerate(Scan(os.fsencode(tmp_path)))
    ]
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_text("longer")
    (tmp_path / "c").touch()
    comparison = Comparison(Scan(os.fsencode(tmp_path)), iter(before))
    changes = [
        ((change.found or change.known or before[0]).path, change.found is None, change.known is None)
        for change in comparison
    ]
    assert changes == [(b"", False, False), (b"a", True, False), (b"b", False, False), (b"c", False, True)]
    assert comparison.unchanged == 1


def test_a_thorough_comparison_yields_every_file_with_bytes(tmp_path: Path) -> None:
    """Its content is to be compared; everything that was looked at is counted, folders apart from files."""
    write(tmp_path, {"a": b"1", "d/b": b"22", "empty": b""})
    before = [Known(*found[:10], 0, None, None, Standing.PROVEN) for found in Scan(os.fsencode(tmp_path))]
    thorough = Comparison(Scan(os.fsencode(tmp_path)), iter(before), is_thorough=True)
    assert [change.found.path for change in thorough if change.found] == [b"a", b"d/b"]
    assert (thorough.looked_at, thorough.unchanged, thorough.unchanged_folders) == (5, 3, 2)
    quick = Comparison(Scan(os.fsencode(tmp_path)), iter(before))
    assert (quick.looked_at, quick.size) == (0, 0)
    assert list(quick) == []
    assert (quick.looked_at, quick.size, quick.unchanged, quick.unchanged_folders) == (5, 3, 5, 2)


def test_lost_files_are_new_with_their_links_and_special_files_take_places_away(tmp_path: Path) -> None:
    """A link stands for the content that its file had, so it is recorded again with its file."""
    write(tmp_path, {"file": b"1", "other": b"2", "pipe": b"3"})
    os.link(tmp_path / "file", tmp_path / "link")
    before = [Known(*found[:10], 0, 1, None, Standing.PROVEN) for found in Scan(os.fsencode(tmp_path))]
    assert list(Comparison(Scan(os.fsencode(tmp_path)), iter(before))) == []
    (tmp_path / "pipe").unlink()
    os.mkfifo(tmp_path / "pipe")
    lost = [each._replace(standing=Standing.LOST) if each.path == b"file" else each for each in before]
    comparison = Comparison(Scan(os.fsencode(tmp_path)), iter(lost))
    changes = {(each.found or each.known or before[0]).path: each for each in comparison}
    del changes[b""]  # the folder has another date
    assert list(changes) == [b"file", b"link", b"pipe"]
    assert (changes[b"file"].known, changes[b"file"].is_lost) == (None, True)
    assert (changes[b"link"].known is not None, changes[b"link"].is_lost) == (True, False)
    assert (changes[b"pipe"].found, changes[b"pipe"].known) == (None, before[-1])
    assert comparison.skipped == [(b"pipe", "fifo")]


def test_what_is_excluded_now_is_not_gone(tmp_path: Path) -> None:
    """The scan leaves it out, and its record stays."""
    (tmp_path / "kept").touch()
    before = [Known(*found[:10], 0, None, None, Standing.PROVEN) for found in Scan(os.fsencode(tmp_path))]
    path_filter = make_filter(["kept"])
    comparison = Comparison(Scan(os.fsencode(tmp_path), path_filter), iter(before), path_filter=path_filter)
    assert list(comparison) == []


def test_what_could_not_be_looked_at_or_is_left_out_is_not_gone(tmp_path: Path) -> None:
    """Nor is anything below such a folder, while another path that is not there is gone."""
    paths = (
        "big",
        "cache/x/y",
        "deep/er/cache/z",
        "deep/er/gone",
        "gone",
        "shut/d/e",
        "shut-up",
        "odd",
        "odder",
    )
    write(tmp_path, dict.fromkeys(paths, b"1"))
    before = [Known(*found[:10], 0, None, None, Standing.PROVEN) for found in Scan(os.fsencode(tmp_path))]
    for path in ("big", "deep/er/cache/z", "deep/er/gone", "gone", "odd", "odder", "shut-up"):
        (tmp_path / path).unlink()
    shutil.rmtree(tmp_path / "cache" / "x")
    shutil.rmtree(tmp_path / "shut" / "d")
    (tmp_path / "z").touch()  # the scan goes on after the last path on record
    scan = Scan(os.fsencode(tmp_path))
    scan.left_out |= {b"big", b"cache/", b"deep/er/cache/"}
    scan.failures += [ScanFailure(path, 13, "Permission denied") for path in (b"shut/", b"odd")]
    gone = [
        change.known.path
        for change in Comparison(scan, iter(before))
        if change.found is None and change.known
    ]
    assert gone == [b"deep/er/gone", b"gone", b"odder", b"shut-up"]
    scan = Scan(os.fsencode(tmp_path))
    scan.failures.append(ScanFailure(b"", 5, "Input/output error"))  # the folder itself
    assert [change for change in Comparison(scan, iter(before)) if change.found is None] == []


async def test_a_disk_whose_number_has_changed_is_mounted(place: Place, tmp_path: Path) -> None:
    """A device gets another number at a start of the machine; an empty folder of it has lost its files."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2", "c": b"3", "d/e/f": b"4"})
    await place.sync(tree)
    with closing(sqlite3.connect(place.catalog)) as connection:
        connection.execute("UPDATE entries SET device = device + 1")
        connection.commit()
    (tree / "d" / "e" / "f").unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        assert (await sync.run()).removed == 1
        assert (sync.held_back, sync.unmounted) == (0, [])


async def test_a_disk_that_has_files_is_mounted(place: Place, tmp_path: Path) -> None:
    """Only an empty folder can be a mount point without its disk, also if the disk has another number."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2", "disk/c": b"3", "disk/d": b"4"})
    await place.sync(tree)
    with closing(sqlite3.connect(place.catalog)) as connection:
        connection.execute("UPDATE entries SET device = device + 1 WHERE length(path) > 4")
        connection.commit()
    (tree / "disk" / "d").unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        assert (await sync.run()).removed == 1
        assert sync.unmounted == []


async def test_a_disk_that_is_not_mounted_in_a_folder_removes_nothing(place: Place, tmp_path: Path) -> None:
    """Its mount point is empty and on the folder's own device; an empty folder of that device is empty."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2", "c": b"3", "mnt/disk/d/e": b"4", "plain/f": b"5"})
    await place.sync(tree)

    def note_device(device: int) -> None:
        with closing(sqlite3.connect(place.catalog)) as connection:
            is_within = "substr(path, 1, 9) = CAST('mnt/disk/' AS BLOB)"
            connection.execute(f"UPDATE entries SET device = ? WHERE {is_within}", (device,))  # noqa: S608
            connection.commit()

    device = os.stat(tree).st_dev  # noqa: PTH116
    note_device(device + 1)
    shutil.rmtree(tree / "mnt" / "disk" / "d")
    (tree / "plain" / "f").unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        assert (await sync.run()).removed == 1
        assert (sync.held_back, sync.unmounted) == (2, [b"mnt/disk"])
    assert run(place, "sync", tree, "folders") == 3
    note_device(device)  # or it would look damaged
    await place.restore(tmp_path / "back")
    assert (tmp_path / "back" / "mnt" / "disk" / "d" / "e").read_bytes() == b"4"
    assert not (tmp_path / "back" / "plain" / "f").exists()
    assert (await place.sync(tree, accepts_removals=True)).removed == 2
