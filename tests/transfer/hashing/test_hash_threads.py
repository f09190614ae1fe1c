"""Tests of the threads that hash: the task that waits ends with them, and not before."""

from __future__ import annotations

import asyncio
import gc
import threading
from functools import partial

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.transfer.hashing.hash_threads import HashThreads


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


@pytest.mark.parametrize(("is_brief", "expected"), [(True, [1, 1, 2]), (False, [1, 2, 2])])
async def test_a_brief_job_waits_for_the_thread_that_is_at_work(
    *, is_brief: bool, expected: list[int]
) -> None:
    """A second one is started when another job waits already, or when one is not brief."""
    before = set(threading.enumerate())
    threads, gates = HashThreads(2), [Gate() for _ in range(3)]
    counts = []
    async with anyio.create_task_group() as tasks:
        for gate in gates:
            tasks.start_soon(partial(threads.run, gate, is_brief=is_brief))
            await wait_all_tasks_blocked()
            started = set(threading.enumerate()) - before
            counts.append(len([one for one in started if one.name.startswith("aioglacier-hash")]))
        for gate in gates:
            gate.go_on.set()
    assert counts == expected
    assert all(gate.ended for gate in gates)
    threads.close()


async def test_many_jobs_all_end_whoever_sleeps() -> None:
    """Jobs that come while threads fall asleep are not forgotten."""
    threads = HashThreads(3)
    done = 0

    async def run(number: int) -> None:
        nonlocal done
        for _ in range(200):
            assert await threads.run(lambda: number, is_brief=number % 3 > 0) == number
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
