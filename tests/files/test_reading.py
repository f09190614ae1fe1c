"""Reading a file that is archived: a change is found, and a disk's error is tried again."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.files import reading
from aioglacier.files.reading import FileChangedError, FileIdentity, fill, make_block, open_unchanged

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = FileIdentity(1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("field", "named"),
    [("device", "inode"), ("inode", "inode"), ("size", "size"), ("mtime_ns", "mtime"), ("ctime_ns", "ctime")],
)
def test_the_first_fact_that_differs_is_named(field: str, named: str) -> None:
    """A file of another device or inode is another file, whatever else it has in common."""
    assert IDENTITY.difference(IDENTITY) is None
    assert IDENTITY.difference(IDENTITY._replace(**{field: 9})) == named
    assert IDENTITY.difference(IDENTITY._replace(**{field: 9, "ctime_ns": 8})) == named


def test_only_the_same_file_is_opened(tmp_path: Path) -> None:
    """A file that was replaced by another one is refused, and no descriptor is left."""
    path = tmp_path / "file"
    path.write_bytes(b"bytes")
    identity = FileIdentity.of(path.stat())
    os.close(open_unchanged(str(path), identity))
    path.write_bytes(b"more bytes")
    with pytest.raises(FileChangedError, match="size"):
        open_unchanged(str(path), identity)


def test_a_fifo_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """Opening one for reading would wait for its writer."""
    path = tmp_path / "file"
    path.write_bytes(b"bytes")
    identity = FileIdentity.of(path.stat())
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileChangedError):
        open_unchanged(str(path), identity)


def test_a_file_that_ends_early_has_changed(tmp_path: Path) -> None:
    """Reading past the end is a change of size and not an end."""
    path = tmp_path / "file"
    path.write_bytes(b"bytes")
    view = memoryview(bytearray(3))
    with path.open("rb", buffering=0) as file:
        fill(view, file.fileno(), 1)
        assert bytes(view) == b"yte"
        with pytest.raises(FileChangedError, match=r"^size$"):
            fill(view, file.fileno(), 3)


@pytest.mark.parametrize("failures", [reading._READS - 1, reading._READS])
def test_a_disk_gets_more_than_one_try(
    failures: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two errors of a disk cost nothing; the third is raised."""
    path = tmp_path / "file"
    path.write_bytes(b"bytes")
    preadv, left = os.preadv, failures

    def read(*arguments: Any) -> int:
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return preadv(*arguments)

    monkeypatch.setattr(os, "preadv", read)
    view = memoryview(bytearray(5))
    with path.open("rb", buffering=0) as file:
        if failures < reading._READS:
            fill(view, file.fileno(), 0)
            assert bytes(view) == b"bytes"
        else:
            with pytest.raises(OSError, match="Input/output"):
                fill(view, file.fileno(), 0)


@pytest.mark.parametrize("size", [1, 5000, 1024 * 1024])
def test_a_block_is_whole_pages(size: int) -> None:
    """It begins where a page does, as the pages of a file do."""
    block = make_block(size)
    assert len(block) == size
    assert ctypes.addressof(ctypes.c_char.from_buffer(block)) % mmap.PAGESIZE == 0


@pytest.mark.parametrize("copy", [reading.copy_bytes, reading._copy_bytes])
def test_bytes_are_copied_to_the_start_of_other_memory(copy: Any) -> None:
    """The rest stays, and more than there is room for raises."""
    room = bytearray(b"12345")
    with memoryview(room) as view:
        copy(view[1:4], memoryview(b"ab"))
        with pytest.raises(ValueError, match=r"more than|different structures"):
            copy(view[:1], memoryview(b"ab"))
    assert room == b"1ab45"
