"""Tests of calls that end properly although their caller is cancelled."""

from __future__ import annotations

import asyncio
import logging

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.tasks.see_through import see_through, wait_although_cancelled


class Call:
    """A call that returns 7 once ``go_on`` is set, or raises ``error``."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.begun = anyio.Event()
        self.go_on = anyio.Event()
        self.has_returned = False

    async def __call__(self) -> int:
        """Wait for ``go_on``."""
        self.begun.set()
        await self.go_on.wait()
        self.has_returned = True
        if self.error is not None:
            raise self.error
        return 7


async def cancel(task: asyncio.Task[None], scope: anyio.CancelScope, way: str) -> None:
    """Cancel a task by one of the two ways, and let it run until it waits again."""
    task.cancel() if way == "task" else scope.cancel()
    await wait_all_tasks_blocked()


async def test_the_result_or_the_error_of_the_call_is_its_own() -> None:
    """Without a cancellation the call's result is returned, and its error is raised as it is."""
    call, failing = Call(), Call(KeyError("mine"))
    call.go_on.set()
    failing.go_on.set()
    async with anyio.create_task_group() as tasks:
        assert await see_through(tasks, call, grace_seconds=lambda: 0) == 7
        with pytest.raises(KeyError) as caught:
            await see_through(tasks, failing, grace_seconds=lambda: 0)
        assert caught.value is failing.error


@pytest.mark.parametrize("way", ["task", "scope"])
@pytest.mark.parametrize("error", [None, KeyError("mine")])
async def test_a_cancelled_caller_waits_for_the_end_of_the_call(
    error: Exception | None, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The call ends within its grace, even if the caller is cancelled twice; an error of it is logged."""
    call, scope = Call(error), anyio.CancelScope()

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            with scope:
                await see_through(tasks, call, grace_seconds=lambda: 60)

    with caplog.at_level(logging.WARNING):
        task = asyncio.ensure_future(run())
        await call.begun.wait()
        for _ in range(2):
            await cancel(task, scope, way)
            assert not task.done()
        call.go_on.set()
        await asyncio.wait([task])
    assert call.has_returned
    assert task.cancelled() if way == "task" else scope.cancelled_caught
    assert ("a call failed after its caller had been cancelled: 'mine'" in caplog.text) == (error is not None)


async def test_after_its_grace_the_call_is_cancelled_as_well() -> None:
    """A call without grace is cancelled with its caller."""
    call = Call()
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await see_through(tasks, call, grace_seconds=lambda: 0)
        assert scope.cancelled_caught
    assert not call.has_returned


@pytest.mark.parametrize("way", ["task", "scope"])
async def test_a_wait_outlasts_every_cancellation(way: str) -> None:
    """The wait ends when its condition holds, and the cancellation is raised then."""
    event, scope, ended = anyio.Event(), anyio.CancelScope(), []

    async def run() -> None:
        with scope:
            await wait_although_cancelled(event.is_set, event.wait)
            ended.append("wait")
            await anyio.lowlevel.checkpoint()
            ended.append("checkpoint")

    task = asyncio.ensure_future(run())
    await wait_all_tasks_blocked()
    for _ in range(3):
        await cancel(task, scope, way)
        assert not task.done()
    event.set()
    await asyncio.wait([task])
    assert ended == ([] if way == "task" else ["wait"])
    assert task.cancelled() if way == "task" else scope.cancelled_caught
