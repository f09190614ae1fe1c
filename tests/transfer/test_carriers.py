"""Tasks that carry one part after the other lose none."""

from __future__ import annotations

import anyio
import anyio.abc
from anyio import wait_all_tasks_blocked

from aioglacier.transfer.hashing.part_job import PartJob
from aioglacier.transfer.upload.carriers import Carriers
from aioglacier.transfer.upload.part import Part


class Engine:
    """Carries parts by waiting until told to go on."""

    def __init__(self, tasks: anyio.abc.TaskGroup) -> None:
        self.stoppable: set[anyio.CancelScope] = set()
        self.go_on = anyio.Event()
        self.carried: list[int] = []
        self.ended: list[int] = []
        self.stopped = 0
        self.carriers = Carriers(tasks, self.stoppable, carry=self.carry, stopped=self.stop, end=self.end)

    async def carry(self, part: Part) -> None:
        """Carry a part."""
        await self.go_on.wait()
        self.carried.append(part.index)

    def stop(self) -> None:
        """Count."""
        self.stopped += 1

    def end(self, part: Part) -> None:
        """Note the end of a part."""
        self.ended.append(part.index)


def part(index: int) -> Part:
    """A part of one byte."""
    return Part(index, PartJob(1), None)


async def test_who_has_carried_a_part_carries_the_next() -> None:
    """There are as many tasks as parts at once, and stopping ends those that rest, too."""
    async with anyio.create_task_group() as tasks:
        engine = Engine(tasks)
        for index in range(2):
            engine.carriers.start(part(index))
        engine.go_on.set()
        await wait_all_tasks_blocked()
        first = set(engine.stoppable)
        for index in range(2, 4):
            engine.carriers.start(part(index))
        await wait_all_tasks_blocked()
        assert engine.stoppable == first
        assert len(first) == 2
        for scope in first:
            scope.cancel()
    assert engine.carried == engine.ended == [0, 1, 2, 3]
    assert (engine.stopped, engine.stoppable) == (0, set())


async def test_a_part_that_is_stopped_ends_once() -> None:
    """By its scope: who gave it is told."""
    async with anyio.create_task_group() as tasks:
        engine, given = Engine(tasks), part(0)
        engine.carriers.start(given)
        assert given.scope is not None
        given.scope.cancel()  # before it is carried
        await wait_all_tasks_blocked()
    assert (engine.carried, engine.ended, engine.stopped) == ([], [0], 1)


async def test_who_is_being_cancelled_is_given_no_part() -> None:
    """A task that still looks as if it rested would end with the part uncarried."""
    async with anyio.create_task_group() as tasks:
        engine = Engine(tasks)
        engine.carriers.start(part(0))
        engine.go_on.set()
        await wait_all_tasks_blocked()
        (resting,) = engine.stoppable
        resting.cancel()
        engine.carriers.start(part(1))
        await wait_all_tasks_blocked()
        assert engine.carried == [0, 1]
        tasks.cancel_scope.cancel()
        engine.carriers.start(part(2))  # the one that rests was cancelled from outside
        with anyio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
    assert engine.ended == [0, 1, 2]
