"""Files that several machines share: which facts tell two apart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.files.reading import FileChangedError, FileIdentity
from aioglacier.files.shared import SharedFile, SharedTarget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 300_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file."""
    made = tmp_path / "a"
    made.write_bytes(bytes(range(250)) * (SIZE // 250))
    return made


def look(path: Path) -> SharedFile:
    """Look at a file as the coordinator does."""
    return SharedFile.of(str(path), FileIdentity.of(path.stat()))


def change_quietly(path: Path, offset: int) -> None:
    """Change a byte of a file, and set the time back."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replace(path: Path) -> None:
    """Put a copy with the same times in the file's place."""
    times, copy = path.stat(), path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    copy.rename(path)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda _: None, None),
        (os.unlink, "path"),
        (replace, "inode"),
        (lambda path: os.truncate(path, SIZE - 1), "size"),
        (lambda path: os.utime(path, ns=(0, 0)), "mtime"),
        (lambda path: change_quietly(path, 0), "content"),
        (lambda path: change_quietly(path, SIZE // 2), "content"),
        (lambda path: change_quietly(path, SIZE - 1), "content"),
    ],
)
def test_the_first_fact_that_differs_is_named(
    change: Callable[[Path], None], field: str | None, path: Path
) -> None:
    """A machine names the first fact in which its file is another one."""
    shared = look(path)
    change(path)
    assert shared.difference_here() == field


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1])
def test_files_of_every_size_have_a_sample(size: int, tmp_path: Path) -> None:
    """Small files are sampled whole."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * size)
    assert look(path).difference_here() is None


def test_the_device_is_no_fact(path: Path) -> None:
    """Two machines give the same file system different device numbers."""
    assert not any(field == path.stat().st_dev for field in look(path))


def test_a_file_that_was_replaced_is_no_longer_looked_at(path: Path) -> None:
    """The coordinator looks at the file that it has opened, or at none."""
    identity = FileIdentity.of(path.stat())
    replace(path)
    with pytest.raises(FileChangedError):
        SharedFile.of(str(path), identity)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda _: None, None),
        (os.unlink, "path"),
        (replace, "inode"),
        (lambda path: os.truncate(path, SIZE - 1), "size"),
        (lambda path: change_quietly(path, 0), None),
    ],
)
def test_a_target_may_grow_into_its_bytes(
    change: Callable[[Path], None], field: str | None, path: Path
) -> None:
    """A file that is written to is known by its inode and its size, not by its content or times."""
    status = path.stat()
    target = SharedTarget(str(path), status.st_ino, status.st_size)
    change(path)
    assert target.difference_here() == field


def test_a_target_that_is_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    """A link under the hidden name does not lead the workers to another file."""
    link = tmp_path / "link"
    link.symlink_to(path)
    status = path.stat()
    assert SharedTarget(str(link), status.st_ino, status.st_size).difference_here() == "path"
