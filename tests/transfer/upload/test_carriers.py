"""Tests of the tasks that carry one part after the other."""

from __future__ import annotations

import anyio
import anyio.abc
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.transfer.hashing.part_job import PartJob
from aioglacier.transfer.upload.carriers import Carriers
from aioglacier.transfer.upload.part import Part


class Engine:
    """Carries parts by waiting for ``go_on``."""

    def __init__(self, tasks: anyio.abc.TaskGroup) -> None:
        self.go_on = anyio.Event()
        self.carried: list[int] = []
        self.ended: list[int] = []
        self.cancelled: list[int] = []
        self.carriers = Carriers(tasks, carry=self.carry, end=self.end)

    async def carry(self, part: Part) -> None:
        """Carry a part."""
        await self.go_on.wait()
        self.carried.append(part.index)

    def end(self, part: Part, was_cancelled: bool) -> None:  # called by position
        """Note the end of a part."""
        self.ended.append(part.index)
        if was_cancelled:
            self.cancelled.append(part.index)


def part(index: int) -> Part:
    """Return a part of one byte."""
    return Part(index, PartJob(1), None)


async def test_a_task_that_has_carried_a_part_carries_the_next() -> None:
    """There are as many tasks as parts at once, and stopping ends those that rest, too."""
    async with anyio.create_task_group() as tasks:
        engine = Engine(tasks)
        for index in range(2):
            engine.carriers.start(part(index))
        assert len(engine.carriers.parts) == 2
        engine.go_on.set()
        await engine.carriers.wait_until_all_ended()
        await wait_all_tasks_blocked()
        first = set(engine.carriers.scopes)
        for index in range(2, 4):
            engine.carriers.start(part(index))
        await wait_all_tasks_blocked()
        assert engine.carriers.scopes == first
        assert len(first) == 2
        engine.carriers.stop()
    assert engine.carried == engine.ended == [0, 1, 2, 3]
    assert (engine.cancelled, engine.carriers.scopes, engine.carriers.parts) == ([], set(), set())


async def test_a_part_that_is_stopped_before_it_is_carried_ends_once() -> None:
    """The end of the part says that its scope was cancelled."""
    async with anyio.create_task_group() as tasks:
        engine = Engine(tasks)
        engine.carriers.start(part(0))
        engine.carriers.stop()
        await engine.carriers.wait_until_all_ended()
    assert (engine.carried, engine.ended, engine.cancelled) == ([], [0], [0])


async def test_a_task_that_is_being_cancelled_gets_no_part() -> None:
    """A task that still looks as if it rested would end without carrying the part."""
    async with anyio.create_task_group() as tasks:
        engine = Engine(tasks)
        engine.carriers.start(part(0))
        engine.go_on.set()
        await wait_all_tasks_blocked()
        (resting,) = engine.carriers.scopes
        resting.cancel()
        engine.carriers.start(part(1))
        await wait_all_tasks_blocked()
        assert engine.carried == [0, 1]
        tasks.cancel_scope.cancel()
        engine.carriers.start(part(2))  # the resting task was cancelled from outside
        with anyio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
    assert engine.ended == [0, 1, 2]


@pytest.mark.parametrize("may_finish", [True, False])
async def test_draining_cancels_at_once_what_is_not_being_sent(*, may_finish: bool) -> None:
    """A part that is being sent has until the deadline; so have all if they may finish."""
    async with anyio.create_task_group() as tasks:
        engine, sent, ahead = Engine(tasks), part(0), part(1)
        sent.is_ahead = False
        engine.carriers.start(sent)
        engine.carriers.start(ahead)
        engine.carriers.run_beside(anyio.sleep_forever)
        await wait_all_tasks_blocked()
        engine.carriers.drain(anyio.current_time() + 60, may_finish=may_finish)
        await wait_all_tasks_blocked()
        assert engine.cancelled == ([] if may_finish else [1])
        engine.carriers.drain(anyio.current_time() - 1, may_finish=may_finish)
        await engine.carriers.wait_until_all_ended()
        engine.carriers.drain(anyio.current_time() + 60, may_finish=may_finish)
        assert engine.carriers.drain_until is not None
        assert engine.carriers.drain_until < anyio.current_time()
    assert sorted(engine.cancelled) == [0, 1]
