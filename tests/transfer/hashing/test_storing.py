"""Tests of the threads that hash and write what arrives."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.treehash import tree_hash
from aioglacier.tasks.threads import wait_until_ended
from aioglacier.transfer.hashing.storing import StoringThreads
from tests.transfer.conftest import DATA, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def threads() -> Iterator[StoringThreads]:
    """A single one."""
    threads = StoringThreads(1)
    yield threads
    threads.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """An open file."""
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 77])
async def test_bytes_are_written_and_hashed(size: int, threads: StoringThreads, file: int) -> None:
    """To their place, and no further."""
    storing = threads.store(memoryview(DATA)[:size], file, 10)
    await wait_until_ended(storing)
    assert storing.result() == tree_hash(DATA[:size])
    assert os.pread(file, size + 1, 10) == DATA[:size]


async def test_a_write_may_take_fewer_bytes(
    threads: StoringThreads, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a filesystem that is nearly full."""
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:300_007], at))
    await wait_until_ended(threads.store(memoryview(DATA)[: 3 * MIB], file, 0))
    assert os.pread(file, 3 * MIB, 0) == DATA[: 3 * MIB]


async def test_an_error_is_the_slice_s(threads: StoringThreads, file: int) -> None:
    """The next one is stored."""
    storing = threads.store(memoryview(DATA)[:5], 1_000_000, 0)
    await wait_until_ended(storing)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        storing.result()
    assert caught.value.errno == errno.EBADF
    after = threads.store(memoryview(DATA)[:5], file, 0)
    await wait_until_ended(after)
    assert after.result() == tree_hash(DATA[:5])
