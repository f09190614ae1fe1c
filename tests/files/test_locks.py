"""Locks between processes: held by one, named, and gone with it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import CatalogError
from aioglacier.files.locks import FileLock, LockOwner

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lock_has_one_owner_who_is_named(tmp_path: Path) -> None:
    """The second asker is refused and reads who holds it; after the release it is free again."""
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.owner() is None
    assert first.acquire()
    assert not second.acquire()
    assert second.owner() == LockOwner(os.getpid(), socket.gethostname())
    first.release()
    first.release()
    assert not first.path.exists()
    assert second.acquire()
    second.release()


def test_a_file_that_was_left_behind_is_no_lock(tmp_path: Path) -> None:
    """A killed process leaves the file, and nothing else."""
    path = tmp_path / "lock"
    path.write_text("1 elsewhere\n")
    lock = FileLock(path)
    assert lock.owner() == LockOwner(1, "elsewhere")
    assert lock.acquire()
    lock.release()


def test_a_lock_in_no_folder_cannot_be_taken(tmp_path: Path) -> None:
    """The error names the lock."""
    with pytest.raises(CatalogError, match="none/lock"):
        FileLock(tmp_path / "none" / "lock").acquire()


def test_a_lock_is_for_its_user_alone_and_names_its_owner_whole(tmp_path: Path) -> None:
    """A longer name that a killed process left is gone, and a file that somebody removed is no error."""
    path = tmp_path / "lock"
    path.write_text("1234567 " + "x" * 300)
    path.chmod(0o666)
    lock = FileLock(path)
    assert lock.acquire()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == f"{os.getpid()} {socket.gethostname()}\n"
    path.unlink()
    lock.release()


def test_a_lock_that_cannot_be_taken_names_its_file(tmp_path: Path) -> None:
    """The error has the path as an attribute."""
    with pytest.raises(CatalogError) as caught:
        FileLock(tmp_path / "none" / "lock").acquire()
    assert caught.value.path == str(tmp_path / "none" / "lock")
