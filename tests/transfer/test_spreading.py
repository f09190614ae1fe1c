"""Cutting parts into runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, strategies as st

from aioglacier.transfer.spreading import RunSizes, Spreader
from benchmarks.many_workers import Site, simulate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

MIB = 1024 * 1024


@given(st.sets(st.integers(0, 300)), st.integers(1, 9), st.lists(st.floats(0, 1e6), max_size=9))
def test_every_part_is_in_one_run(indexes: set[int], slots: int, seconds: list[float]) -> None:
    """Each part is given out once at any speed, and a run holds neighbours only."""
    sizes = RunSizes(sorted(indexes), 16 * MIB)
    given_out: list[int] = []
    while (span := sizes.next(slots)) is not None:
        given_out += range(span.first, span.first + span.parts)
        if seconds:
            sizes.note(span.parts * 16 * MIB, seconds.pop())
    assert given_out == sorted(indexes)


def test_runs_become_long_and_at_the_end_short() -> None:
    """At 1 GiB/s runs grow to 10 GiB, and the last ones take a second, so all processes end together."""
    sizes, lengths = RunSizes(range(10_000), 16 * MIB), []
    while (span := sizes.next(4)) is not None:
        lengths.append(span.parts)
        sizes.note(span.parts * 16 * MIB, span.parts / 64)
    assert lengths[0] == 8
    assert max(lengths) == pytest.approx(640, rel=0.01)
    assert lengths[-2] == pytest.approx(64, rel=0.02)
    assert len(lengths) < 80


def test_one_slow_run_does_not_cut_all_others_short() -> None:
    """A run that took much longer counts half."""
    sizes = RunSizes(range(10_000), 16 * MIB)
    for _ in range(6):
        sizes.note(16 * MIB * 64, 1.0)
    before = sizes.next(1)
    sizes.note(16 * MIB, 60.0)
    after = sizes.next(1)
    assert before is not None
    assert after is not None
    assert before.parts // 2 <= after.parts < before.parts


class Item(NamedTuple):
    """An item of some bytes."""

    number: int
    size: int


class Counting:
    """A runner that only says how many tasks it does at once."""

    opened = 0

    async def open(self) -> int:
        """Three at once."""
        self.opened += 1
        return 3


@pytest.mark.parametrize("count", [0, 1, 9000])
async def test_every_item_is_in_one_run(count: int) -> None:
    """Items of any size, also of none, are given out once and in order; without any nothing is started."""
    runs: list[list[int]] = []

    async def items() -> AsyncIterator[Item]:
        for number in range(count):
            yield Item(number, number % 3 * MIB)

    async def do(run: Sequence[Item]) -> float:
        runs.append([item.number for item in run])
        return sum(item.size for item in run) / 64 / MIB

    runner = Counting()
    await Spreader(runner).give_items(items(), do)  # type: ignore[arg-type]  # it is only opened
    assert sorted(number for run in runs for number in run) == list(range(count))
    assert all(run == list(range(run[0], run[-1] + 1)) for run in runs)
    assert bool(runner.opened) == bool(count)
    assert len(runs) < 1 + count / 20


def test_many_workers_are_kept_busy() -> None:
    """10,000 tasks on 64 workers of different speed keep them busy, at more than the measured costs."""
    site = Site(workers=64, rate=20e6, task_seconds=0.2, coordinator_seconds=0.012)
    found = simulate(site, parts=120_000, part_size=16 * MIB)
    assert found.tasks == pytest.approx(10_000, rel=0.1)
    assert found.efficiency > 0.9
