"""Prepared work runs beside a loop over its snapshots."""

from __future__ import annotations

import anyio
import pytest

from aioglacier.tasks.running import open_run


class Count:
    """Counts to three, one step each time it is let go on."""

    def __init__(self, *, fails: bool = False) -> None:
        self.count = 0
        self.steps, self._take = anyio.create_memory_object_stream[None](9)
        self._fails = fails
        self.was_cancelled = False

    def snapshot(self) -> int:
        """Return how far it is."""
        return self.count

    async def run(self) -> str:
        """Count."""
        try:
            with self._take:
                for _ in range(3):
                    await self._take.receive()
                    self.count += 1
        except anyio.get_cancelled_exc_class():
            self.was_cancelled = True
            raise
        if self._fails:
            raise ZeroDivisionError
        return "done"


async def test_snapshots_end_with_the_last_state() -> None:
    """The loop ends by itself, its last snapshot is that of the end, and the result is there."""
    work = Count()
    seen = []
    with work.steps:
        async with open_run(work, every_seconds=0.001) as run:
            with pytest.raises(RuntimeError, match="not ended"):
                _ = run.result
            async for now in run:
                seen.append(now)
                if now < 3:
                    work.steps.send_nowait(None)
    assert (seen[0], seen[-1], run.result) == (0, 3, "done")
    assert [now async for now in run] == [3]


async def test_the_end_of_the_block_waits_for_the_work() -> None:
    """A block that looks at no snapshot has the result after its end, too."""
    work = Count()
    with work.steps:
        async with open_run(work) as run:
            for _ in range(3):
                work.steps.send_nowait(None)
    assert run.result == "done"


async def test_a_failure_of_the_work_ends_the_loop_and_is_raised() -> None:
    """It reaches the caller as it is, not in a group."""
    work = Count(fails=True)

    async def loop() -> None:
        async with open_run(work, every_seconds=0.001) as run:
            async for now in run:
                if now < 3:
                    work.steps.send_nowait(None)

    with work.steps, pytest.raises(ZeroDivisionError):
        await loop()


async def test_a_failure_of_the_block_cancels_the_work() -> None:
    """Nothing goes on in the background."""
    work = Count()

    async def fail() -> None:
        async with open_run(work):
            await anyio.lowlevel.checkpoint()
            raise KeyError

    with work.steps, pytest.raises(KeyError):
        await fail()
    assert work.was_cancelled
