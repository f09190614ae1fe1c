"""Restored paths get their names without anything being lost."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.restore.placer import Placer
from aioglacier.catalog.folders.entries import Entry
from aioglacier.core.treehash import tree_hash

if TYPE_CHECKING:
    from pathlib import Path


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
        entry = file_entry(name, b"x", mode=0o4755)
        assert placer.place_files([(entry, name, b"x")]) == [(name, 1, None)]
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


def file_entry(path: bytes, content: bytes, mode: int = 0o644) -> Entry:
    """The record of a small file."""
    size, sum_ = len(content), tree_hash(content)
    return Entry(1, path, 1, "file", size, 0, 0, 0, 0, mode, 0, 0, None, None, sum_, 1, 0, 1024, None, None)
