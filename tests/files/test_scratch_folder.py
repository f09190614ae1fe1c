"""Parts that do not fit the memory wait in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.core.errors import TargetError
from aioglacier.files.scratch_folder import ScratchFolder

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return [path.name for path in folder.iterdir()]


async def test_two_files_are_there_at_most_and_a_later_run_removes_them(tmp_path: Path) -> None:
    """The third waits until one is forgotten; files of another archive stay."""
    folder = ScratchFolder(tmp_path, "t")
    first = await folder.add(0)
    await folder.add(8)
    await folder.write(0, 3, memoryview(b"abc"))
    assert first.read_bytes() == b"\0\0\0abc"
    with anyio.move_on_after(0.01) as scope:
        await folder.add(16)
    assert scope.cancelled_caught
    await folder.forget(0)
    await folder.add(16)
    (tmp_path / ".aioglacier-other-0").touch()
    ScratchFolder(tmp_path, "other").clear()
    assert len(names(tmp_path)) == 2
    (tmp_path / ".aioglacier-other-0").touch()
    ScratchFolder(tmp_path, "t").clear()
    assert names(tmp_path) == [".aioglacier-other-0"]


async def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """The error names it."""
    with pytest.raises(TargetError, match=r"missing' cannot be used: No such") as caught:
        await ScratchFolder(tmp_path / "missing", "t").add(0)
    assert caught.value.path == str(tmp_path / "missing")


async def test_a_file_that_somebody_removed_is_forgotten(tmp_path: Path) -> None:
    """Its place is free again."""
    folder = ScratchFolder(tmp_path, "t")
    for start in (0, 8, 16):
        (await folder.add(start)).unlink()
        await folder.forget(start)
    folder.clear()
    assert names(tmp_path) == []
