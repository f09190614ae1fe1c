"""Run prepared work beside a loop over its snapshots."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import anyio

from aioglacier.tasks.groups import first_cause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

S_co = TypeVar("S_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)


class Prepared(Protocol[S_co, R_co]):
    """Work that ``run`` does, and whose progress ``snapshot`` tells at any time."""

    def snapshot(self) -> S_co:
        """Return the progress."""

    async def run(self) -> R_co:
        """Do the work."""


class Run(Generic[S_co, R_co]):
    """Work under way; iterate over it for its snapshots.

    Each loop begins with the state of that moment and ends with the last one, when the work is done.
    """

    def __init__(self, work: Prepared[S_co, R_co], every_seconds: float) -> None:
        self._work = work
        self._every = every_seconds
        self._ended = anyio.Event()
        self._results: list[R_co] = []

    @property
    def result(self) -> R_co:
        """The result of the work.

        Raises:
            RuntimeError: It has not ended. The end of the block waits for it.
        """
        if not self._results:
            raise RuntimeError("the work has not ended; the result is there after the block of open_run()")
        return self._results[0]

    async def work(self) -> None:
        """Do the work; ``open_run`` calls this once."""
        self._results.append(await self._work.run())
        self._ended.set()

    def __aiter__(self) -> AsyncIterator[S_co]:
        return _Snapshots(self._work, self._ended, self._every)


class _Snapshots(Generic[S_co]):
    def __init__(self, work: Prepared[S_co, object], ended: anyio.Event, every_seconds: float) -> None:
        self._work = work
        self._ended = ended
        self._every = every_seconds
        self._is_first = True
        self._is_last = False

    def __aiter__(self) -> AsyncIterator[S_co]:
        return self

    async def __anext__(self) -> S_co:
        if self._is_last:
            raise StopAsyncIteration
        if not self._is_first:
            with anyio.move_on_after(self._every):
                await self._ended.wait()
        self._is_first = False
        self._is_last = self._ended.is_set()
        return self._work.snapshot()


@asynccontextmanager
async def open_run(
    work: Prepared[S_co, R_co], *, every_seconds: float = 0.5
) -> AsyncIterator[Run[S_co, R_co]]:
    """Run prepared work while the block shows its progress.

    For example::

        async with aioglacier.open_run(await vault.prepare_upload("film.mkv")) as run:
            async for now in run:
                print(now.done, "of", now.size)
        archive = run.result

    The end of the block waits for the work. An exception in the block cancels the work, and an error of the
    work cancels the block and is raised at its end.

    Args:
        work: What a ``prepare_*`` method returns, or another object with ``run()`` and ``snapshot()``, as a
            ``FolderSync``.
        every_seconds: The longest time between two snapshots.
    """
    run = Run(work, every_seconds)
    with first_cause():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.work)
            yield run
