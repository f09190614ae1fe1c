"""Cutting work into runs, and giving them to other processes.

A run takes some seconds, so that giving it out costs little beside it. Towards the end runs become short, so
that all processes end at about the same time.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

import anyio

from aioglacier.core.limits import MIB
from aioglacier.files.shared import SharedFolder
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aioglacier.transfer.resources import Runner

#: A task of some 10 s costs a scheduler of 200 tasks a second nothing, and a worker's death little.
_RUN_SECONDS: Final = 10.0

_LEAST_SECONDS: Final = 1.0

#: The first runs, of which nothing is known, are short.
_FIRST_SIZE: Final = 128 * MIB

#: Items in memory that wait to be given out. A run of more would be a message of megabytes.
_WINDOW: Final = 4096

#: More than any run has: what is behind the window is not known.
_UNKNOWN: Final = 1 << 62

#: A process that ends a run finds another one waiting.
_RUNS_PER_SLOT: Final = 2


class Span(NamedTuple):
    """Parts in a row: the index of the first one, and their number."""

    first: int
    parts: int

    def size_in(self, total: int, part_size: int) -> int:
        """Return the bytes of these parts in so many bytes."""
        return min(self.parts * part_size, total - self.first * part_size)

    def title(self, what: str, path: str) -> str:
        """Return the name of a task about these parts."""
        return f"{what}-parts-{self.first}-to-{self.first + self.parts - 1}-of-{path.rpartition('/')[2]}"


class RunLength:
    """Chooses the bytes of the next run.

    A run is as long as one process needs for ``_RUN_SECONDS`` at the rate of the last runs, and at most its
    share of half of what is left; but never shorter than ``_LEAST_SECONDS``, or opening its connection would
    take longer than its bytes.
    """

    def __init__(self) -> None:
        self._rate = _FIRST_SIZE / _RUN_SECONDS
        self._is_measured = False

    def next(self, left: int, slots: int) -> int:
        """Return the bytes of the next run where so many are left, and so many runs are done at once."""
        least = self._rate * _LEAST_SECONDS if self._is_measured else 0
        return int(min(self._rate * _RUN_SECONDS, max(least, left / (2 * slots))))

    def note(self, size: int, seconds: float) -> None:
        """Note how long a run took; one that says much more than the last counts in part."""
        self._is_measured = True
        rate = size / max(seconds, 0.001)
        self._rate = min((self._rate + rate) / 2 if rate < self._rate else rate, 4 * self._rate)


class RunSizes:
    """Cuts the parts that are to be done into runs."""

    def __init__(self, indexes: Sequence[int], part_size: int) -> None:
        self._spans = _spans(indexes)
        self._left = len(indexes)
        self._part_size = part_size
        self._length = RunLength()
        self.note = self._length.note

    def next(self, slots: int) -> Span | None:
        """Return the next run where so many are done at once, ``None`` if all are given out."""
        if not self._spans:
            return None
        count = max(1, self._length.next(self._left * self._part_size, slots) // self._part_size)
        span = self._spans[-1]
        taken = Span(span.first, min(count, span.parts))
        self._left -= taken.parts
        if taken.parts == span.parts:
            self._spans.pop()
        else:
            self._spans[-1] = Span(span.first + taken.parts, span.parts - taken.parts)
        return taken


def _spans(indexes: Sequence[int]) -> list[Span]:
    """Return the rows of neighbours among ascending indexes, the first one at the end."""
    spans: list[Span] = []
    first = end = -1
    for index in indexes:
        if index != end:
            if end > first:
                spans.append(Span(first, end - first))
            first = index
        end = index + 1
    if end > first:
        spans.append(Span(first, end - first))
    return spans[::-1]


class Sized(Protocol):
    """Something with a number of bytes."""

    @property
    def size(self) -> int:
        """Its bytes."""
        ...


I = TypeVar("I", bound=Sized)  # noqa: E741  # an item
T = TypeVar("T")


class Spreader:
    """Gives out runs, as many as processes do at once and some more.

    Attributes:
        runner: The processes.
        workers: Runs that are done at once; 0 before the processes are there.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.workers = 0

    async def give_out(
        self, indexes: Sequence[int], part_size: int, do: Callable[[Span], Awaitable[float]]
    ) -> None:
        """Call ``do`` for every run of the parts with these indexes; it returns the seconds that it took."""
        sizes = RunSizes(indexes, part_size)

        async def cut(slots: int) -> Span | None:
            return sizes.next(slots)

        async def do_one(span: Span) -> None:
            sizes.note(span.parts * part_size, await do(span))

        await self._give(cut, do_one)

    async def check_folder(self, root: str) -> SharedFolder:
        """Return a folder that every process has seen to be the same one; its files may come and go.

        Raises:
            NotSharedError: It is another one in one of them.
        """
        folder = await run_in_thread(partial(SharedFolder.of, root))
        await self.runner.open()
        await self.runner.check_shared(folder)
        return folder._replace(sample=None)

    async def give_items(
        self,
        items: AsyncIterator[I],
        do: Callable[[Sequence[I]], Awaitable[float]],
        *,
        least: int = 0,
        most: int = _UNKNOWN,
        window_items: int = _WINDOW,
    ) -> None:
        """Call ``do`` for runs of items in the order in which they come; see ``give_out``.

        A run has ``least`` to ``most`` bytes, if there are so many, and at most ``window_items`` items.
        """
        window = _Window(items, window_items)
        length = RunLength()
        await window.fill()
        if window.is_empty:  # no process is started for nothing
            return

        async def cut(slots: int) -> Sequence[I] | None:
            await window.fill()
            return window.take(min(most, max(least, length.next(window.left, slots))))

        async def do_one(run: Sequence[I]) -> None:
            length.note(sum(item.size for item in run), await do(run))

        await self._give(cut, do_one)

    async def _give(
        self, cut: Callable[[int], Awaitable[T | None]], do: Callable[[T], Awaitable[None]]
    ) -> None:
        limiter = anyio.CapacityLimiter(1)

        async def do_one(run: T, place: object) -> None:
            try:
                await do(run)
            finally:
                limiter.release_on_behalf_of(place)

        with first_cause():
            async with anyio.create_task_group() as tasks:
                while True:
                    self.workers = await self.runner.open()  # they come and go
                    limiter.total_tokens = _RUNS_PER_SLOT * self.workers
                    place = object()
                    await limiter.acquire_on_behalf_of(place)
                    # Cut only now, when the last run has shown how fast it goes.
                    if (run := await cut(self.workers)) is None:
                        break
                    tasks.start_soon(do_one, run, place)


class _Window(Generic[I]):
    """The next items of an iterator, so many at most."""

    def __init__(self, items: AsyncIterator[I], limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._items: AsyncIterator[I] | None = items
        self._next: deque[I] = deque()

    @property
    def is_empty(self) -> bool:
        return not self._next

    @property
    def left(self) -> int:
        """The bytes that are left, as far as that is known."""
        return self.size if self._items is None else _UNKNOWN

    async def fill(self) -> None:
        while self._items is not None and len(self._next) < self._limit:
            try:
                item = await anext(self._items)
            except StopAsyncIteration:
                self._items = None
            else:
                self._next.append(item)
                self.size += item.size

    def take(self, size: int) -> Sequence[I] | None:
        """Return the next items, of so many bytes together and one at least; ``None`` after the last one."""
        taken: list[I] = []
        while self._next and (not taken or size >= self._next[0].size):
            item = self._next.popleft()
            size -= item.size
            self.size -= item.size
            taken.append(item)
        return taken or None
