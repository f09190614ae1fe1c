"""Alarms that move, readers that are watched, and slots."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import anyio
import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from aioglacier.core.errors import StalledTransferError
from aioglacier.gateway.http.watchdog import Alarm, Pace, SlidingRate, Slots

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_alarm_rings_once_at_the_last_moment_that_was_set() -> None:
    """A later moment delays the alarm, an earlier one hastens it, and it rings once."""
    loop = asyncio.get_running_loop()
    rang_at: list[float] = []
    rang = anyio.Event()

    def ring() -> None:
        rang_at.append(loop.time())
        rang.set()

    alarm = Alarm(ring)
    alarm.set(30)
    alarm.set(0.5)
    began = loop.time()
    for _ in range(3):
        await anyio.sleep(0.03)
        alarm.set(0.5)
    with anyio.fail_after(30):
        await rang.wait()
    assert rang_at[0] - began >= 0.58
    await anyio.sleep(0.1)
    assert len(rang_at) == 1


@pytest.mark.parametrize("end", ["stop", "unset"])
async def test_alarm_that_was_taken_back_does_not_ring(end: str) -> None:
    """A stopped or unset alarm is silent, and rings when set again."""
    rang = anyio.Event()
    alarm = Alarm(rang.set)
    alarm.set(0.02)
    getattr(alarm, end)()
    await anyio.sleep(0.06)
    assert not rang.is_set()
    alarm.set(0.02)
    with anyio.fail_after(30):
        await rang.wait()


async def test_an_alarm_that_may_be_brought_forward_keeps_its_timer() -> None:
    """With ``look_seconds`` the timer stays, and the alarm rings in time nevertheless."""
    loop = asyncio.get_running_loop()
    rang = anyio.Event()
    alarm = Alarm(rang.set, look_seconds=0.05)
    alarm.set(30)
    timer, began = alarm._timer, loop.time()
    alarm.set(0.05)
    assert alarm._timer is timer
    with anyio.fail_after(30):
        await rang.wait()
    assert loop.time() - began >= 0.05

    put_off = Alarm(rang.set, look_seconds=0.01)
    rang = anyio.Event()
    put_off.set(0.1)
    await anyio.sleep(0.05)  # it has looked meanwhile
    assert not rang.is_set()
    put_off.stop()


async def test_moving_an_alarm_makes_no_timer() -> None:
    """Ten thousand moves leave one timer in the loop."""
    loop = asyncio.get_running_loop()
    made: list[float] = []

    class Counting(Alarm):
        def _arm(self) -> None:
            made.append(loop.time())
            super()._arm()

    alarm = Counting(lambda: None)
    for _ in range(10_000):
        alarm.set(10)
    alarm.stop()
    assert len(made) == 1


def _pace(
    *, window_seconds: float = 0.1, clock: Callable[[], float] = time.monotonic
) -> tuple[StreamReader, Pace]:
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    content = StreamReader(protocol, 2**16, loop=loop)
    return content, Pace(
        content, operation="GetJobOutput", window_seconds=window_seconds, minimum_rate=1024, clock=clock
    )


async def test_bytes_that_are_there_are_read_at_once() -> None:
    """Bytes and the end are returned without a round of the loop."""
    content, pace = _pace()
    content.feed_data(b"one")
    content.feed_data(b"two")
    reading = pace.next_block()
    with pytest.raises(StopIteration) as caught:
        reading.send(None)
    assert caught.value.value == b"onetwo"
    content.feed_eof()
    assert await pace.next_block() == b""


async def test_silence_of_one_window_is_a_stall() -> None:
    """The reader gets the error, and gets it again."""
    content, pace = _pace()
    for _ in range(2):
        with anyio.fail_after(30), pytest.raises(StalledTransferError, match="no byte"):
            await pace.next_block()
    pace.stop()
    assert isinstance(content.exception(), StalledTransferError)


@pytest.mark.slow
async def test_time_between_reads_does_not_count() -> None:
    """A reader slower than the window finds the bytes, and may wait a whole window for the next."""
    content, pace = _pace(window_seconds=1)
    loop = asyncio.get_running_loop()
    for _ in range(2):
        loop.call_later(0.1, content.feed_data, b"x" * 2000)
        assert await pace.next_block() == b"x" * 2000
        await anyio.sleep(1.1)
    pace.stop()


@pytest.mark.parametrize("fast_seconds", [0, 1, 59, 60, 61, 1000])
async def test_a_drip_after_a_fast_start_is_noticed_within_the_window(fast_seconds: int) -> None:
    """One byte a second is a stall after 60 s, however many bytes came before. The test moves the clock."""
    now = 0.0
    content, pace = _pace(window_seconds=60, clock=lambda: now)
    loop = asyncio.get_running_loop()

    def come(count: int) -> None:
        nonlocal now
        now += 1
        content.feed_data(b"x" * count)

    for _ in range(fast_seconds):
        loop.call_soon(come, 70_000)
        assert len(await pace.next_block()) == 70_000

    async def drip() -> None:
        while True:
            loop.call_soon(come, 1)
            await pace.next_block()

    with pytest.raises(StalledTransferError, match=r"only \d+ bytes of the answer came within 60 s"):
        await drip()
    assert fast_seconds + 55 < now <= fast_seconds + 60


def test_a_rate_at_the_minimum_is_enough_with_pauses_in_it() -> None:
    """Bytes that come once in most of a window count for all of it."""
    rate = SlidingRate(window_seconds=60, minimum_rate=1024)
    assert all(rate.add(50, 50 * 1024) is None for _ in range(100))
    assert rate.add(59, 60 * 1024) is None
    assert rate.add(1, 0) is None


@pytest.mark.parametrize("step", [0.01, 1.0, 3.75, 7.0, 59.0])
def test_half_the_minimum_is_too_little_in_steps_of_any_length(step: float) -> None:
    """The first whole window shows it."""
    rate = SlidingRate(window_seconds=60, minimum_rate=1024)
    steps = 0
    while rate.add(step, int(step * 512)) is None:
        steps += 1
    assert steps * step <= 60


async def test_slots_wait_for_one_that_is_given_back() -> None:
    """The second exchange begins when the first ends."""
    slots = Slots(1, patience_seconds=math.inf)
    await slots.take("A")
    began: list[str] = []

    async def second() -> None:
        await slots.take("B")
        began.append("B")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        assert not began
        slots.give_back()
    assert began == ["B"]
