"""Restored paths get their names without anything being lost."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.formats.attributes import encode_extra
from aioglacier.bulk.restore import placer as placing
from aioglacier.bulk.restore.placer import Placer
from aioglacier.catalog.folders.entry_records import Entry
from aioglacier.core.errors import IntegrityError, TargetError, UnsafePathError
from aioglacier.core.treehash import tree_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any


@pytest.fixture
def placer(tmp_path: Path) -> Placer:
    """Overwrites in a folder with the files a and b."""
    (tmp_path / "a").write_text("restored")
    (tmp_path / "b").write_text("local, the only copy")
    return Placer(os.fsencode(tmp_path), overwrite=True)


def test_a_hard_link_replaces_a_file_in_one_step(placer: Placer, tmp_path: Path) -> None:
    """The new name leads to the same file, also a second time, and no hidden file is left."""
    for _ in range(2):
        placer.make_hardlink(b"a", b"b")
        assert os.path.samestat((tmp_path / "a").stat(), (tmp_path / "b").stat())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    placer.close()


def test_a_hard_link_that_cannot_be_made_leaves_the_file(
    placer: Placer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or a file with too many names, costs nothing that was there."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="No space"):
        placer.make_hardlink(b"a", b"b")
    assert (tmp_path / "b").read_text() == "local, the only copy"
    placer.close()


def test_a_folder_is_never_replaced_by_a_file(placer: Placer, tmp_path: Path) -> None:
    """It may hold what is nowhere else, so the error does not advise --overwrite."""
    (tmp_path / "c").mkdir()
    with pytest.raises(TargetError, match="'c' is a folder and is never replaced; move it away"):
        placer.is_there(file_entry(b"c", b"x"))
    placer.close()


@pytest.mark.parametrize("content", [b"", b"content" * 300_000])
def test_a_file_whose_date_was_not_kept_is_there_by_its_content(tmp_path: Path, content: bytes) -> None:
    """File systems keep dates to 2 s, or from 1901 on; other content of the same size is another file."""
    placer = Placer(os.fsencode(tmp_path), overwrite=False)
    entry = file_entry(b"a", content)
    placer.write_file(entry, b"a", content)
    placer.land()
    os.utime(tmp_path / "a", ns=(-2_000_000_000, -2_000_000_000))
    assert placer.is_there(entry)
    with pytest.raises(TargetError, match="is not what would be restored"):
        placer.is_there(file_entry(b"a", content + b"more"))
    if content:
        with pytest.raises(TargetError, match="is not what would be restored"):
            placer.is_there(file_entry(b"a", b"C" + content[1:]))
    placer.close()


def test_what_the_system_refuses_is_noted_once_for_each_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Owners that cannot be set cost no content, and no program of another owner becomes one of ours."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    notices: dict[str, str] = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", refuse)
    placer = Placer(os.fsencode(tmp_path), overwrite=False, notices=notices)
    for name in (b"a", b"b"):
        placer.write_file(file_entry(name, b"x", mode=0o4755), name, b"x")
        assert placer.land() == [(name, 1, None)]
    placer.close()
    assert notices == {"owners": "Invalid argument"}
    assert (tmp_path / "a").read_bytes() == b"x"
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o755


def test_a_folder_of_a_former_run_is_opened_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no permission to read already, and more comes into it."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(0o311)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    placer = Placer(os.fsencode(tmp_path), overwrite=False)
    placer.make_folder(b"d/")
    assert (tmp_path / "d").stat().st_mode & 0o7777 == 0o711
    placer.close()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that put files on disk and give them names, in their order; each is carried out."""
    taken: list[str] = []

    def recording(step: Callable[[Any], str], function: Callable[..., Any]) -> Callable[..., Any]:
        def take(*arguments: Any, **options: Any) -> Any:
            taken.append(step(arguments[0]))
            return function(*arguments, **options)

        return take

    def find(name: str) -> Any:
        function = real_find(name)
        return function if function is None else recording(lambda _: name, function)

    real_find = vars(placing)["find_function"]
    kind = recording(
        lambda fd: f"fsync {'folder' if stat.S_ISDIR(os.fstat(fd).st_mode) else 'file'}", os.fsync
    )
    monkeypatch.setattr(os, "fsync", kind)
    monkeypatch.setattr(placing, "find_function", find)
    monkeypatch.setattr(placing, "rename", recording(lambda _: "rename", vars(placing)["rename"]))
    monkeypatch.setattr(placing, "name_files", recording(lambda _: "rename", vars(placing)["name_files"]))
    return taken


def test_small_files_are_on_disk_before_and_after_they_get_their_names(
    tmp_path: Path, steps: list[str]
) -> None:
    """A power failure leaves no name with a missing content, and no report of a name that is lost."""
    placer = Placer(os.fsencode(tmp_path), overwrite=False)
    for name in (b"a", b"b"):
        placer.write_file(file_entry(name, b"x"), name, b"x")
    assert steps == []
    placer.land()
    placer.close()
    assert steps == ["syncfs", "rename", "syncfs"]


def test_a_big_file_is_on_disk_before_and_its_folder_after_it_gets_its_name(
    tmp_path: Path, steps: list[str]
) -> None:
    """Content first, then the name, then the folder that holds the name."""
    placer = Placer(os.fsencode(tmp_path), overwrite=False)
    folder, _, name = placer.open_big(b"big")
    (tmp_path / os.fsdecode(name)).write_bytes(b"content")
    placer.place_big(file_entry(b"big", b"content"), b"big", folder)
    os.close(folder)
    placer.close()
    assert steps == ["fsync file", "rename", "fsync folder"]
    assert (tmp_path / "big").read_bytes() == b"content"


def test_a_damaged_file_gets_no_name(tmp_path: Path) -> None:
    """Its content is compared with the hash on record, and the other files of the bundle are placed."""
    placer = Placer(os.fsencode(tmp_path), overwrite=True)
    with pytest.raises(IntegrityError):
        placer.write_file(file_entry(b"a", b"right"), b"a", b"wrong")
    placer.write_file(file_entry(b"b", b"right"), b"b", b"right")
    assert placer.land() == [(b"b", 5, None)]
    placer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_files_of_several_folders_are_written_together(tmp_path: Path) -> None:
    """Batches end where a folder does; a damaged file and one whose way is blocked cost no other."""
    (tmp_path / "link").symlink_to("..")
    placer = Placer(os.fsencode(tmp_path), overwrite=False)
    paths = [b"a", b"d/1", b"d/2", b"d/e/1", b"link/x", b"../x", b"d/3", b"z"]
    contents = [placing.Content(file_entry(path, path), path, path) for path in paths]
    contents.append(placing.Content(file_entry(b"bad", b"right"), b"bad", b"wrong"))
    failed = placer.write_files(iter(contents))
    assert [(path, type(error)) for path, error in failed] == [
        (b"bad", IntegrityError),  # all contents are compared before the first is written
        (b"link/x", UnsafePathError),
        (b"../x", UnsafePathError),
    ]
    left = [path for path in paths if path not in {b"link/x", b"../x"}]
    assert placer.land() == [(path, len(path), None) for path in left]
    placer.close()
    found = {os.fsencode(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found - {b"link"} == set(left)


def test_a_file_with_holes_is_written_by_itself(tmp_path: Path) -> None:
    """Its blocks of zeros take no room; the files beside it are written in one call."""
    content = bytes(1 << 20) + b"x"
    entries = [
        file_entry(name, content)._replace(extra=encode_extra({}, has_holes=name == b"holes"))
        for name in (b"a", b"holes")
    ]
    placer = Placer(os.fsencode(tmp_path), overwrite=False)
    assert placer.write_files(placing.Content(entry, entry.path, content) for entry in entries) == []
    assert [placed.error for placed in placer.land()] == [None, None]
    placer.close()
    assert (tmp_path / "holes").read_bytes() == (tmp_path / "a").read_bytes() == content
    assert (tmp_path / "holes").stat().st_blocks < (tmp_path / "a").stat().st_blocks


def test_files_that_a_call_left_undone_are_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attribute that the system refuses is noted once, and every file is there."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    notices: dict[str, str] = {}
    monkeypatch.setattr(placing, "write_files", lambda _, files: list(range(len(files))))
    monkeypatch.setattr(os, "fchmod", refuse)
    placer = Placer(os.fsencode(tmp_path), overwrite=False, notices=notices)
    contents = [placing.Content(file_entry(name, b"x"), name, b"x") for name in (b"a", b"b")]
    assert placer.write_files(contents) == []
    assert placer.land() == [(b"a", 1, None), (b"b", 1, None)]
    placer.close()
    assert notices == {"permissions": "Operation not permitted"}


def test_what_a_killed_run_left_is_written_anew(tmp_path: Path) -> None:
    """The hidden file of a run that ended before its names were given does not stop the next run."""
    for content in (b"cut off", b"right"):
        placer = Placer(os.fsencode(tmp_path), overwrite=False)
        placer.write_file(file_entry(b"a", content), b"a", content)
        placer.close()
    placer = Placer(os.fsencode(tmp_path), overwrite=False)
    placer.write_file(file_entry(b"a", b"right"), b"a", b"right")
    assert placer.land() == [(b"a", 5, None)]
    placer.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"right"}


def test_an_empty_folder_is_empty_until_a_file_comes(tmp_path: Path) -> None:
    """So that no file need be looked for in its place."""
    with closing(Placer(os.fsencode(tmp_path), overwrite=False)) as placer:
        assert placer.is_empty()
        placer.write_file(file_entry(b"a", b"x"), b"a", b"x")
        assert not placer.is_empty()


def test_a_file_that_appears_before_the_rename_is_kept(tmp_path: Path) -> None:
    """Without ``overwrite`` the rename itself replaces nothing, whatever was seen before."""
    placer = Placer(os.fsencode(tmp_path), overwrite=False)
    (tmp_path / "a").write_text("local, the only copy")
    placer.write_file(file_entry(b"a", b"restored"), b"a", b"restored")
    (placed,) = placer.land()
    folder, _, name = placer.open_big(b"a")
    (tmp_path / os.fsdecode(name)).write_bytes(b"restored")
    with pytest.raises(TargetError, match="appeared meanwhile"):
        placer.place_big(file_entry(b"a", b"restored"), b"a", folder)
    os.close(folder)
    placer.close()
    assert isinstance(placed.error, TargetError)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "local, the only copy"}


def file_entry(path: bytes, content: bytes, mode: int = 0o644) -> Entry:
    """The record of a small file."""
    size, sum_ = len(content), tree_hash(content)
    return Entry(1, path, 1, "file", size, 0, 0, 0, 0, mode, 0, 0, None, None, sum_, 1, 0, 1024, None, None)


def test_many_hidden_names_are_those_of_each_path() -> None:
    """A run after a kill uses up what either way has left."""
    paths = [b"a", b"folder/name", b"\xff" * 4000]
    assert placing.temporary_names(paths) == [placing.temporary_name(path) for path in paths]
