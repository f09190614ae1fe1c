"""Restored paths get their names without anything being lost."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.restore.placer import Placer

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
