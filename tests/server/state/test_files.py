"""Received files: hashes, folders, and the sweep after a crash."""

from __future__ import annotations

import hashlib
import os
import random
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.treehash import chunk_hashes, tree_hash
from aioglacier.server.state.files import DirectoryInUseError, Files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    """An open directory."""
    files = Files(tmp_path, is_durable=True)
    files.open_directory()
    yield files
    files.close_directory()


@pytest.mark.parametrize("size", [1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB + 17])
def test_hashes_do_not_depend_on_how_bytes_arrive(files: Files, size: int) -> None:
    """Payload hash, tree hash and leaves are those of the whole."""
    data = os.urandom(size)
    chance = random.Random(size)  # noqa: S311  # repeatable
    incoming = files.new_incoming()
    at = 0
    while at < size:
        pieces = []
        for _ in range(chance.randrange(1, 4)):
            length = chance.choice([1, 1000, 262144, MIB])
            pieces.append(data[at : at + length])
            at += length
        incoming.feed(pieces)
    received = incoming.finish()
    assert received.size == size
    assert received.payload_hash == hashlib.sha256(data).digest()
    assert received.tree_hash == tree_hash(data)
    assert received.leaves == b"".join(chunk_hashes(data))
    file = files.open(received.file)
    try:
        assert os.pread(file, size + 1, 0) == data
    finally:
        os.close(file)


def test_a_file_is_found_before_and_after_it_is_shelved(files: Files, tmp_path: Path) -> None:
    """A file is found in both folders; shelving it twice or after its removal does nothing."""
    incoming = files.new_incoming()
    incoming.feed([b"x"])
    name = incoming.finish().file
    os.close(files.open(name))
    files.shelve(name)
    files.shelve(name)
    assert (tmp_path / "data" / name[:2] / name).exists()
    os.close(files.open(name))
    files.remove([name, name])
    files.shelve(name)
    with pytest.raises(FileNotFoundError):
        files.open(name)


def test_discard_may_come_at_any_time(files: Files, tmp_path: Path) -> None:
    """A discard before, between or after blocks, or twice, drops later blocks."""
    for blocks in range(3):
        incoming = files.new_incoming()
        for _ in range(blocks):
            incoming.feed([b"x"])
        incoming.discard()
        incoming.discard()
        incoming.feed([b"y"])
    assert list((tmp_path / "incoming").iterdir()) == []


def test_nothing_received_cannot_be_finished(files: Files) -> None:
    """An empty archive is refused."""
    with pytest.raises(ValueError, match="nothing was received"):
        files.new_incoming().finish()


def test_a_sweep_keeps_what_is_recorded(files: Files, tmp_path: Path) -> None:
    """Files without a record are removed, whatever their name."""
    names = []
    for _ in range(4):
        incoming = files.new_incoming()
        incoming.feed([b"x"])
        names.append(incoming.finish().file)
    (tmp_path / "incoming" / "README").write_text("x")
    files.sweep(lambda name: name in names[:2])
    assert list((tmp_path / "incoming").iterdir()) == []
    assert {path.name for path in (tmp_path / "data").glob("*/*")} == set(names[:2])


def test_a_directory_has_one_owner(files: Files, tmp_path: Path) -> None:
    """A second owner is refused until the first has closed the directory."""
    other = Files(tmp_path, is_durable=True)
    with pytest.raises(DirectoryInUseError):
        other.open_directory()
    files.close_directory()
    other.open_directory()
    other.close_directory()
