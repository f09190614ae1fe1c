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
