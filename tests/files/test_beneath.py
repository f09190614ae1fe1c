"""Paths below a folder: they lead there, or to an error."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import UnsafePathError
from aioglacier.files.beneath import Beneath, check_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "path", [b"", b"/etc/x", b"../x", b"a/../../x", b"a//b", b"a/./b", b"a\0b", b"/", b".."]
)
def test_a_path_that_is_none_below_a_folder_is_refused(path: bytes) -> None:
    """No path leads out of the folder, or nowhere."""
    with pytest.raises(UnsafePathError):
        check_path(path)


def test_folders_are_made_beneath_and_never_through_links(tmp_path: Path) -> None:
    """A link on the way ends it, before anything is made behind it."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    with closing(Beneath(os.fsencode(inside))) as beneath:
        fd, name = beneath.parent(b"a/b/c", makes_folders=True)
        assert os.path.samestat(os.fstat(fd), (inside / "a" / "b").stat())
        assert name == b"c"
        with pytest.raises(UnsafePathError):
            beneath.parent(b"link/x/y", makes_folders=True)
    assert list(outside.iterdir()) == []


def test_a_folder_is_made_only_where_that_is_asked_for(tmp_path: Path) -> None:
    """A look at a path below a missing folder makes nothing."""
    with closing(Beneath(os.fsencode(tmp_path))) as beneath, pytest.raises(FileNotFoundError):
        beneath.parent(b"missing/name")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_must_be_one_and_may_be_opened_through_a_link(tmp_path: Path) -> None:
    """A file is no folder, and the error of an unsafe path names the path."""
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        Beneath(os.fsencode(tmp_path / "file"))
    with pytest.raises(UnsafePathError) as caught:
        check_path(b"../x")
    assert caught.value.path == "../x"


@pytest.mark.parametrize("name", [b"..", b".", b"a\0b"])
def test_a_name_in_the_folder_that_is_open_is_checked_too(tmp_path: Path, name: bytes) -> None:
    """The path before has reached the folder. Folders that were made are for their owner alone."""
    with closing(Beneath(os.fsencode(tmp_path))) as beneath:
        fd, _ = beneath.parent(b"d/x", makes_folders=True)
        with pytest.raises(UnsafePathError):
            beneath.parent(b"d/" + name)
        assert beneath.parent(b"d/y/") == (fd, b"y")
        assert beneath.parent(b"z") == (beneath.fd, b"z")
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="nothing tells the open descriptors")  # noqa: PTH110
def test_a_path_that_cannot_be_opened_leaves_no_descriptor(tmp_path: Path) -> None:
    """The folders on the way are closed, and the error names the step and the path."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "link").symlink_to("elsewhere")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with closing(Beneath(os.fsencode(tmp_path))) as beneath:
        for _ in range(3):
            with pytest.raises(UnsafePathError, match="'link' in the path 'a/b/link/c'") as caught:
                beneath.parent(b"a/b/link/c/d")
            assert caught.value.path == "a/b/link/c"
        beneath.parent(b"a/b/file")
        beneath.parent(b"a/file")
        assert len(os.listdir("/proc/self/fd")) == before + 2  # noqa: PTH208  # the top, and the last folder
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
