"""Tests of the threads that hash and store: the task that waits ends with them, and not before."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import threading
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.treehash import tree_hash
from aioglacier.tasks.threads import wait_until_ended
from aioglacier.transfer.hashing.hash_threads import HashThreads
from tests.transfer.conftest import DATA, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Gate:
    """A function that runs until the test lets it end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.ended = False

    def __call__(self) -> None:
        """Wait."""
        self.begun.set()
        self.go_on.wait()
        self.ended = True


async def test_results_and_errors_come_as_they_are() -> None:
    """A value is returned, an error raised itself."""
    threads = HashThreads(1)
    error = KeyError("mine")

    def fail() -> None:
        raise error

    assert await threads.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(KeyError) as caught:
        await threads.run(fail)
    assert caught.value is error
    threads.close()


@pytest.mark.parametrize("natively", [False, True], ids=["scope", "task"])
async def test_who_is_cancelled_waits_for_the_function(*, natively: bool) -> None:
    """However often and by whatever means: until then the function may touch what it was given."""
    threads, gate, scope = HashThreads(1), Gate(), anyio.CancelScope()

    async def run() -> None:
        with scope:
            await threads.run(gate)

    task = asyncio.ensure_future(run())
    await asyncio.to_thread(gate.begun.wait)
    for _ in range(2):
        if natively:
            task.cancel()
        else:
            scope.cancel()
        await wait_all_tasks_blocked()
        assert not task.done()
    gate.go_on.set()
    await asyncio.wait([task])
    assert gate.ended
    assert task.cancelled() == natively
    threads.close()


async def test_what_waits_for_a_thread_can_be_cancelled_at_once() -> None:
    """A function whose turn has not come is never called."""
    threads, first, second = HashThreads(1), Gate(), Gate()
    running = asyncio.ensure_future(threads.run(first))
    await asyncio.to_thread(first.begun.wait)
    waiting = asyncio.ensure_future(threads.run(second))
    await wait_all_tasks_blocked()
    waiting.cancel()
    await asyncio.wait([waiting])
    first.go_on.set()
    await running
    await threads.run(lambda: None)
    assert not second.begun.is_set()
    threads.close()


async def test_only_so_many_run_at_once_and_their_threads_end() -> None:
    """Two threads never are three, and none is left when they are closed."""
    before = set(threading.enumerate())
    threads, gates = HashThreads(2), [Gate() for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for gate in gates:
            tasks.start_soon(threads.run, gate)
        for gate in gates[:2]:
            await asyncio.to_thread(gate.begun.wait)
        assert not gates[2].begun.is_set()
        ours = {found for found in threading.enumerate() if found.name.startswith("aioglacier-hash")} - before
        assert len(ours) == 2
        for gate in gates:
            gate.go_on.set()
    threads.close()
    for thread in ours:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


async def test_many_jobs_all_end() -> None:
    """More jobs than threads all get their own result."""
    threads = HashThreads(3)
    done = 0

    async def run(number: int) -> None:
        nonlocal done
        for _ in range(200):
            assert await threads.run(lambda: number) == number
            done += 1

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(run, number)
    assert done == 1200
    threads.close()


async def test_threads_end_with_who_forgets_to_close_them() -> None:
    """An event loop that is torn down closes nothing."""
    before = set(threading.enumerate())
    threads = HashThreads(1)
    await threads.run(lambda: None)
    (thread,) = {
        found for found in threading.enumerate() if found.name.startswith("aioglacier-hash")
    } - before
    del threads
    gc.collect()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


# --- bytes that arrive


@pytest.fixture
def threads() -> Iterator[HashThreads]:
    """A single one."""
    threads = HashThreads(1)
    yield threads
    threads.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """An open file."""
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 77])
async def test_bytes_are_written_and_hashed(size: int, threads: HashThreads, file: int) -> None:
    """They go to their place, and no byte beside it changes."""
    storing = threads.store(memoryview(DATA)[:size], file, 10)
    await wait_until_ended(storing)
    assert storing.result() == tree_hash(DATA[:size])
    assert os.pread(file, size + 1, 10) == DATA[:size]


async def test_a_write_may_take_fewer_bytes(
    threads: HashThreads, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a filesystem that is nearly full."""
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:300_007], at))
    await wait_until_ended(threads.store(memoryview(DATA)[: 3 * MIB], file, 0))
    assert os.pread(file, 3 * MIB, 0) == DATA[: 3 * MIB]


async def test_an_error_is_the_slice_s(threads: HashThreads, file: int) -> None:
    """The next one is stored."""
    storing = threads.store(memoryview(DATA)[:5], 1_000_000, 0)
    await wait_until_ended(storing)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        storing.result()
    assert caught.value.errno == errno.EBADF
    after = threads.store(memoryview(DATA)[:5], file, 0)
    await wait_until_ended(after)
    assert after.result() == tree_hash(DATA[:5])
