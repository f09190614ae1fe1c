"""Part jobs: the hashes of memory and of a file, in blocks that are reported."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.treehash import PartHashes, hash_part
from aioglacier.files.reading import FileChangedError
from aioglacier.transfer.hashing.part_job import CRC, TREE, PartJob, perform
from tests.transfer.conftest import DATA, MIB, count_descriptors, saved
from tests.transfer.hashing.conftest import place_of

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 2 * MIB + 77


def test_a_file_is_read_into_the_memory_that_is_given(tmp_path: Path) -> None:
    """Memory and file have the same hashes, with memory or without, and no descriptor is left."""
    place = place_of(saved(tmp_path / "file"), 5)
    view = memoryview(bytearray(LENGTH))
    expected = hash_part(DATA[5 : 5 + LENGTH])
    before = count_descriptors()
    assert perform(PartJob(LENGTH, place), view) == expected
    assert bytes(view) == DATA[5 : 5 + LENGTH]
    assert perform(PartJob(LENGTH, place), None) == expected
    assert perform(PartJob(LENGTH), view) == expected
    assert perform(PartJob(LENGTH, hashes=TREE), view) == expected._replace(payload_hash=b"")
    assert count_descriptors() == before


def test_a_file_may_be_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hashes are the same from any offset, and on a filesystem that maps no files."""
    path = saved(tmp_path / "file")
    before = count_descriptors()
    for offset, length in ((0, 9 * MIB + 77), (4096, LENGTH), (5, LENGTH)):
        job = PartJob(length, place_of(path, offset), may_map=True)
        assert perform(job, None) == hash_part(DATA[offset : offset + length])
    assert count_descriptors() == before

    def refuse(*_: object, **options: object) -> None:
        del options
        raise OSError(errno.ENODEV, "no such device")

    perform(PartJob(MIB, place_of(path)), None)  # this thread has its block
    monkeypatch.setattr(mmap, "mmap", refuse)
    assert perform(PartJob(LENGTH, place_of(path), may_map=True), None) == hash_part(DATA[:LENGTH])


@pytest.mark.parametrize("left", [4 * MIB, 4 * MIB + 5])
def test_a_mapped_file_that_becomes_shorter_is_not_hashed(tmp_path: Path, left: int) -> None:
    """Also where its last page stays, in which zeros would follow."""
    length = 4 * MIB + 77  # a window and a bit
    path = saved(tmp_path / "file", DATA[:length])

    def shorten(done: int) -> None:
        if done in {left, length}:
            os.truncate(path, left)

    with pytest.raises(FileChangedError, match="size"):
        perform(PartJob(length, place_of(path), may_map=True), None, shorten)


_TRUNCATED = """
import os, sys
from aioglacier.files.reading import FileIdentity
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom, perform
path = sys.argv[1]
place = ReadFrom(path, 0, FileIdentity.of(os.stat(path)))
job = PartJob(4 * 2**20, place, may_map=sys.argv[2] == "mapped")
perform(job, None, lambda done: os.truncate(path, 2**20))
"""


@pytest.mark.parametrize("way", ["mapped", "read"])
def test_a_file_that_is_truncated_kills_a_process_that_maps_it(tmp_path: Path, way: str) -> None:
    """So only a worker process may map one, and the worker after it reads: reading ends with an error."""
    path = saved(tmp_path / "file", DATA[: 4 * MIB])
    command = [sys.executable, "-c", _TRUNCATED, str(path), way]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if way == "mapped":
        assert done.returncode == -signal.SIGBUS
    else:
        assert done.returncode == 1
        assert "FileChangedError" in done.stderr


@pytest.mark.parametrize("in_memory", [False, True])
def test_progress_is_reported_for_each_mib_at_least(tmp_path: Path, *, in_memory: bool) -> None:
    """The last report is the length."""
    place = place_of(saved(tmp_path / "file"))
    view = memoryview(bytearray(LENGTH)) if in_memory else None
    reports: list[int] = []
    perform(PartJob(LENGTH, place), view, reports.append)
    steps = [after - before for before, after in zip([0, *reports], reports, strict=False)]
    assert 0 < min(steps) <= max(steps) <= MIB
    assert reports[-1] == LENGTH


def test_a_file_that_has_changed_is_not_hashed(tmp_path: Path) -> None:
    """The fact that differs is named, and the file is closed."""
    path = saved(tmp_path / "file")
    place = place_of(path)
    saved(path, DATA[:MIB])
    before = count_descriptors()
    with pytest.raises(FileChangedError, match="size"):
        perform(PartJob(MIB, place), None)
    assert count_descriptors() == before


def test_a_job_may_make_the_fast_checksum_alone() -> None:
    """S3's CRC-64/NVME takes the place of all other hashes."""
    hashes = perform(PartJob(9, hashes=CRC), memoryview(b"123456789"))
    assert hashes == PartHashes(b"", b"", b"", bytes.fromhex("ae8b14860a799888"))
