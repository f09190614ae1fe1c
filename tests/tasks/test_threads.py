"""Tests of calls in threads that have ended when the awaiting ends."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.tasks.threads import run_in_thread, wait_until_ended, withdraw


class Gate:
    """A function that runs until ``go_on`` is set."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.has_ended = False

    def __call__(self) -> str:
        """Wait for ``go_on``."""
        self.begun.set()
        assert self.go_on.wait(10)
        self.has_ended = True
        return "ended"


async def test_results_and_errors_come_as_they_are() -> None:
    """A value is returned; an error is raised itself, not in a group."""
    error = KeyError("mine")

    def fail() -> None:
        raise error

    assert await run_in_thread(threading.get_ident) != threading.get_ident()
    with pytest.raises(KeyError) as caught:
        await run_in_thread(fail)
    assert caught.value is error


@pytest.mark.parametrize("way", ["task", "scope"])
async def test_a_cancelled_caller_waits_for_the_function(way: str) -> None:
    """The caller goes on only when the function has ended, however often it is cancelled."""
    gate, scope = Gate(), anyio.CancelScope()

    async def run() -> None:
        with scope:
            await run_in_thread(gate)
            pytest.fail("a cancelled caller goes on")

    task = asyncio.ensure_future(run())
    await asyncio.to_thread(gate.begun.wait, 10)
    for _ in range(2):
        task.cancel() if way == "task" else scope.cancel()
        await wait_all_tasks_blocked()
        assert not task.done()
    gate.go_on.set()
    await asyncio.wait([task])
    assert gate.has_ended
    assert task.cancelled() if way == "task" else scope.cancelled_caught


async def test_a_function_that_waits_for_its_turn_is_never_called_after_a_cancellation() -> None:
    """A caller that is cancelled while the limiter is full leaves at once."""
    first, second, limiter = Gate(), Gate(), anyio.CapacityLimiter(1)
    running = asyncio.ensure_future(run_in_thread(first, limiter=limiter))
    await asyncio.to_thread(first.begun.wait, 10)
    waiting = asyncio.ensure_future(run_in_thread(second, limiter=limiter))
    await wait_all_tasks_blocked()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    first.go_on.set()
    assert await running == "ended"
    assert not second.begun.is_set()


@pytest.mark.parametrize("way", ["task", "scope"])
async def test_withdrawn_calls_end_or_never_begin(way: str) -> None:
    """The calls that threads have begun are waited for, all of them; those in the queue never begin."""
    scope = anyio.CancelScope()
    with ThreadPoolExecutor(2) as threads:
        gates = [Gate() for _ in range(4)]
        calls = [threads.submit(gate) for gate in gates]
        for gate in gates[:2]:
            await asyncio.to_thread(gate.begun.wait, 10)

        async def leave() -> None:
            with scope:
                try:
                    await wait_until_ended(calls[0])
                finally:
                    await withdraw(calls)

        task = asyncio.ensure_future(leave())
        await wait_all_tasks_blocked()
        for gate in gates[:2]:
            for _ in range(2):
                task.cancel() if way == "task" else scope.cancel()
                await wait_all_tasks_blocked()
            assert not task.done()
            gate.go_on.set()
        await asyncio.wait([task])
    assert [gate.has_ended for gate in gates] == [True, True, False, False]
    assert [call.cancelled() for call in calls] == [False, False, True, True]
    assert task.cancelled() if way == "task" else scope.cancelled_caught
