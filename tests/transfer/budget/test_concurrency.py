"""Tests of the number of bodies at once, on simulated paths of every kind and on real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.gateway.retry.rules import Congestion
from aioglacier.transfer.budget.concurrency import START, Body, ConcurrencyController, Connections
from tests.transfer.conftest import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

STEP = 0.01


@dataclass
class Path:
    """A simulated line.

    Attributes:
        round_trip: Seconds; a connection takes one to open, and every body one for its answer.
        each: Bytes a second that one connection carries.
        all: Bytes a second that they carry together.
        memory: Bodies that there is room for.
    """

    round_trip: float = 0.02
    each: float = 1e12
    all: float = 1e12
    memory: int = 1000


class Sending:
    """A body on the simulated line."""

    def __init__(self, body: Body, size: int, starts_at: float) -> None:
        self.body = body
        self.left = float(size)
        self.starts_at = starts_at
        self.ends_at = 0.0


def simulate(
    path: Path,
    controller: ConcurrencyController,
    *,
    size: int,
    count: int,
    signs: Callable[[float, int], int] = lambda _now, _busy: 0,
) -> tuple[float, list[int]]:
    """Send so many bodies; returns the seconds it took and the limit at every step."""
    now, waiting, opened = 0.0, count, 0
    busy: list[Sending] = []
    limits = []
    while waiting or busy:
        while waiting and len(busy) < min(controller.limit, path.memory):
            is_new = len(busy) >= opened
            opened += is_new
            busy.append(Sending(Body(controller, size, now), size, now + path.round_trip * is_new))
            waiting -= 1
        now += STEP
        is_full = waiting > 0 and len(busy) == controller.limit
        moving = [one for one in busy if one.left > 0 and one.starts_at <= now]
        for one in moving:
            bytes_now = min(one.left, STEP * min(path.each, path.all / len(moving)))
            one.left -= bytes_now
            one.body.moved(int(bytes_now), now, is_full=is_full)
            one.ends_at = now + path.round_trip
        for one in [one for one in busy if one.left <= 0 and one.ends_at <= now]:
            one.body.ended(now, is_full=is_full)
            busy.remove(one)
        if trouble := signs(now, len(busy)):
            controller.congested(trouble, now)
        limits.append(controller.limit)
    return now, limits


FAR = Path(round_trip=0.2, each=20e6, memory=16)
HOME = Path(round_trip=0.02, all=5e6, memory=16)
LOOPBACK = Path(round_trip=0.001, all=6e8, memory=16)


def by_default(ceiling: int = 32) -> ConcurrencyController:
    """Return the controller of a connection without a limit."""
    return ConcurrencyController(ceiling=ceiling)


def fixed(number: int) -> ConcurrencyController:
    """Return the controller of a connection with a limit."""
    return ConcurrencyController(ceiling=number, start=number)


@pytest.mark.slow
@pytest.mark.parametrize(("part_size", "share"), [(16 * MIB, 0.85), (8 * MIB, 0.8), (MIB, 0.8)])
def test_a_far_path_is_filled_within_the_first_parts(part_size: int, share: float) -> None:
    """At 200 ms and 20 MB/s per connection, 1 GiB by default takes little longer than with the best."""
    path = Path(round_trip=0.2, each=20e6, memory=256 * MIB // part_size)
    count = 1024 * MIB // part_size
    best = min(
        simulate(path, fixed(number), size=part_size, count=count)[0] for number in (1, 2, 4, 8, 16, 32)
    )
    took, limits = simulate(path, by_default(), size=part_size, count=count)
    assert took <= best / share
    assert limits[int(2 / STEP)] >= 16


@pytest.mark.slow
@pytest.mark.parametrize("path", [HOME, LOOPBACK])
@pytest.mark.parametrize("part_size", [8 * MIB, 16 * MIB, 64 * MIB])
def test_a_path_that_few_connections_fill_is_not_crowded(path: Path, part_size: int) -> None:
    """It takes no longer than with four, and after a few parts it is at about as many as it began with."""
    count = 64
    took, limits = simulate(path, by_default(), size=part_size, count=count)
    assert took <= 1.02 * simulate(path, fixed(4), size=part_size, count=count)[0]
    assert max(limits[len(limits) // 2 :]) <= 2 * START


def test_the_number_is_that_which_fills_the_path() -> None:
    """If one connection carries a tenth of the path, the number comes to about ten."""
    path = Path(round_trip=0.05, each=20e6, all=200e6)
    took, limits = simulate(path, by_default(64), size=16 * MIB, count=256)
    assert took <= 1.1 * simulate(path, fixed(16), size=16 * MIB, count=256)[0]
    assert 8 <= limits[len(limits) // 2] <= 20


def test_a_path_that_widens_is_found_out() -> None:
    """Every ten seconds a few more are tried, so that what has become possible is used within minutes."""
    controller = by_default(64)
    simulate(Path(round_trip=0.05, each=20e6, all=40e6), controller, size=16 * MIB, count=64)
    assert controller.limit <= 8
    _, limits = simulate(Path(round_trip=0.05, each=20e6, all=1e12), controller, size=16 * MIB, count=1000)
    assert limits[-1] >= 32


@pytest.mark.slow
@pytest.mark.parametrize("path", [FAR, HOME, LOOPBACK])
@pytest.mark.parametrize("number", [1, 3, 16])
def test_a_number_that_is_asked_for_is_kept(path: Path, number: int) -> None:
    """Without trouble it is neither exceeded nor lowered."""
    _, limits = simulate(path, fixed(number), size=16 * MIB, count=32)
    assert set(limits) == {number}


def test_a_slow_source_changes_nothing() -> None:
    """As long as no body waits for a connection, there is nothing to find out."""
    _, limits = simulate(Path(each=20e6, memory=3), by_default(), size=16 * MIB, count=100)
    assert set(limits) == {START}


def test_one_sign_of_trouble_is_chance() -> None:
    """A single refusal lowers nothing, and neither do two that are minutes apart."""
    controller = fixed(16)
    for now in (100.0, 200.0, 300.0):
        controller.congested(1, now)
    assert controller.limit == 16


def test_a_cluster_halves_the_number_once_and_never_below_one() -> None:
    """Signs that come in one wave are one jam; a jam that goes on ends at one."""
    controller = fixed(16)
    limits = []
    for second in range(200):
        controller.congested(3, 1000.0 + second)
        limits.append(controller.limit)
    assert limits[:10] == [8] * 10
    assert limits[10:60:10] == [4, 2, 1, 1, 1]
    assert controller.limit == 1


def test_the_number_grows_back_when_the_trouble_is_over() -> None:
    """Throttled for a quarter of a minute, it is back at what it was asked for soon after."""
    _, limits = simulate(
        Path(round_trip=0.05, each=20e6),
        fixed(16),
        size=16 * MIB,
        count=2000,
        signs=lambda now, _: 2 if 2.0 <= now < 15.0 else 0,
    )
    assert min(limits) == 4
    assert limits[-1] == 16


def test_a_service_that_throttles_above_a_number_is_kept_just_below_it() -> None:
    """If more than six at once are throttled, most of the time there are no more than six."""
    controller = by_default()
    _, limits = simulate(
        Path(round_trip=0.05, each=20e6),
        controller,
        size=16 * MIB,
        count=600,
        signs=lambda _, busy: 2 if busy > 6 else 0,
    )
    settled = limits[len(limits) // 4 :]
    assert sum(limit <= 6 for limit in settled) > 0.6 * len(settled)
    assert min(settled) >= 1


def test_bytes_that_were_moved_in_vain_do_not_count() -> None:
    """An attempt that fails starts the measurement of its body again."""
    controller = ConcurrencyController(ceiling=8, start=1)
    body = Body(controller, 16 * MIB, 0.0)
    for step in range(40):
        body.moved(MIB // 4, step / 10, is_full=False)
    body.moved(-10 * MIB, 5.0, is_full=False)
    assert controller.limit == 1
    for step in range(3):
        body.moved(MIB // 4, 6.0 + step / 1000, is_full=True)
    assert controller.limit == 1  # it is not in stride again


async def hold(connections: Connections, size: int, release: anyio.Event) -> None:
    """Take a place until told to give it back."""
    async with connections.exchange(size, lambda _: None):
        await release.wait()


async def test_signs_of_congestion_lower_what_is_handed_out() -> None:
    """Places already taken are kept; when they come free, only as many as may be are given again."""
    congestion = Congestion()
    connections = Connections(fixed(4), congestion)
    first, second = anyio.Event(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        for release in [first] * 4 + [second] * 4:
            tasks.start_soon(hold, connections, MIB, release)
        await wait_all_tasks_blocked()
        assert (connections.in_use, connections.controller.limit) == (4, 4)
        congestion.signs += 2
        first.set()
        await wait_all_tasks_blocked()
        assert (connections.in_use, connections.controller.limit) == (2, 2)
        second.set()
    assert connections.in_use == 0


async def test_a_number_that_grows_lets_more_begin_at_once() -> None:
    """A waiting body gets its connection in the middle of others, when those show that it pays."""
    now = 0.0
    connections = Connections(ConcurrencyController(ceiling=8, start=1), Congestion(), clock=lambda: now)
    release = anyio.Event()
    async with anyio.create_task_group() as tasks:
        async with connections.exchange(16 * MIB, lambda _: None) as moved:
            for _ in range(3):
                tasks.start_soon(hold, connections, MIB, release)
            await wait_all_tasks_blocked()
            assert connections.in_use == 1
            for _ in range(8):
                now += 0.02
                moved(MIB // 4)
            await wait_all_tasks_blocked()
            assert connections.in_use > 1
        release.set()
    assert connections.in_use == 0
    assert "0 of" in repr(connections)
