"""Storing threads: right bytes and hashes, and nobody who still reads memory that is somebody else's."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.treehash import tree_hash
from aioglacier.transfer.hashing.storing import StoringThreads, ended, settled
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


class Gate:
    """Writes that wait until they may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._write = os.pwrite
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.offsets: list[int] = []
        monkeypatch.setattr(os, "pwrite", self._wait)

    def _wait(self, file: int, data: memoryview, offset: int) -> int:
        self.offsets.append(offset)
        self.reached.set()
        assert self.opened.wait(10)
        return self._write(file, data, offset)


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 77])
async def test_bytes_are_written_and_hashed(size: int, threads: StoringThreads, file: int) -> None:
    """To their place, and no further."""
    storing = threads.store(memoryview(DATA)[:size], file, 10)
    await ended(storing)
    assert storing.result() == tree_hash(DATA[:size])
    assert os.pread(file, size + 1, 10) == DATA[:size]


async def test_a_write_may_take_fewer_bytes(
    threads: StoringThreads, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a filesystem that is nearly full."""
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:300_007], at))
    await ended(threads.store(memoryview(DATA)[: 3 * MIB], file, 0))
    assert os.pread(file, 3 * MIB, 0) == DATA[: 3 * MIB]


async def test_an_error_is_the_slice_s(threads: StoringThreads, file: int) -> None:
    """The next one is stored."""
    storing = threads.store(memoryview(DATA)[:5], 1_000_000, 0)
    await ended(storing)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        storing.result()
    assert caught.value.errno == errno.EBADF
    after = threads.store(memoryview(DATA)[:5], file, 0)
    await ended(after)
    assert after.result() == tree_hash(DATA[:5])


@pytest.mark.parametrize("way", ["task", "scope"])
async def test_a_cancellation_waits_for_the_slice_in_a_thread_alone(
    way: str, threads: StoringThreads, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is being written is written to its end, and those behind it never begin."""
    gate = Gate(monkeypatch)
    begun = [threads.store(memoryview(DATA)[at : at + 9], file, at) for at in (0, 9, 18)]
    scope = anyio.CancelScope()

    async def leave() -> None:
        with scope:
            try:
                await ended(begun[0])
            finally:
                await settled(begun)

    task = asyncio.ensure_future(leave())
    await asyncio.to_thread(gate.reached.wait, 10)
    for _ in range(2):  # the second comes while it waits for the end
        task.cancel() if way == "task" else scope.cancel()
        await wait_all_tasks_blocked()
    assert not task.done()
    gate.opened.set()
    await asyncio.wait([task])
    assert task.cancelled() if way == "task" else scope.cancelled_caught
    assert begun[0].result() == tree_hash(DATA[:9])
    assert gate.offsets == [0]
    for storing in begun[1:]:
        with pytest.raises(CancelledError):
            storing.result()
