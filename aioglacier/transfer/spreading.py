"""Cutting work into runs, and giving them to other processes.

A run takes some seconds, so that giving it out costs little beside it. Towards the end runs become short, so
that all processes end at about the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from aioglacier.core.limits import MIB
from aioglacier.tasks.groups import first_cause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aioglacier.transfer.resources import Runner

#: A task of some 10 s costs a scheduler of 200 tasks a second nothing, and a worker's death little.
_RUN_SECONDS: Final = 10.0

_LEAST_SECONDS: Final = 1.0

#: The first runs, of which nothing is known, are short.
_FIRST_SIZE: Final = 128 * MIB

#: A process that ends a run finds another one waiting.
_RUNS_PER_SLOT: Final = 2


class Span(NamedTuple):
    """Parts in a row: the index of the first one, and their number."""

    first: int
    parts: int


class RunSizes:
    """Cuts the parts that are to be done into runs.

    A run is as long as one process needs for ``_RUN_SECONDS`` at the rate of the last runs, and at most its
    share of half of what is left; but never shorter than ``_LEAST_SECONDS``, or opening its connection would
    take longer than its bytes.
    """

    def __init__(self, indexes: Sequence[int], part_size: int) -> None:
        self._spans = _spans(indexes)
        self._left = len(indexes)
        self._part_size = part_size
        self._rate = _FIRST_SIZE / _RUN_SECONDS
        self._is_measured = False

    def next(self, slots: int) -> Span | None:
        """Return the next run where so many are done at once, ``None`` if all are given out."""
        if not self._spans:
            return None
        wanted = int(self._rate * _RUN_SECONDS) // self._part_size
        least = int(self._rate * _LEAST_SECONDS) // self._part_size if self._is_measured else 0
        count = max(1, min(wanted, max(least, self._left // (2 * slots))))
        span = self._spans[-1]
        taken = Span(span.first, min(count, span.parts))
        self._left -= taken.parts
        if taken.parts == span.parts:
            self._spans.pop()
        else:
            self._spans[-1] = Span(span.first + taken.parts, span.parts - taken.parts)
        return taken

    def note(self, size: int, seconds: float) -> None:
        """Note how long a run took; one that says much more than the last counts in part."""
        self._is_measured = True
        rate = size / max(seconds, 0.001)
        self._rate = min((self._rate + rate) / 2 if rate < self._rate else rate, 4 * self._rate)


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
        limiter = anyio.CapacityLimiter(1)

        async def run_one(span: Span) -> None:
            try:
                sizes.note(span.parts * part_size, await do(span))
            finally:
                limiter.release_on_behalf_of(span)

        with first_cause():
            async with anyio.create_task_group() as tasks:
                while True:
                    self.workers = await self.runner.open()  # they come and go
                    limiter.total_tokens = _RUNS_PER_SLOT * self.workers
                    if (span := sizes.next(self.workers)) is None:
                        break
                    await limiter.acquire_on_behalf_of(span)
                    tasks.start_soon(run_one, span)
