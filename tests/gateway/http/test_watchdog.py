"""An alarm that is put off again and again, and a reader that is watched."""

from __future__ import annotations

import asyncio
import math

import anyio
import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from aioglacier.core.errors import StalledTransferError
from aioglacier.gateway.http.watchdog import Alarm, Pace, Slots


async def test_alarm_rings_once_at_the_last_moment_that_was_set() -> None:
    """Put off before it rings, it rings that much later; brought forward, earlier; and then no more."""
    loop = asyncio.get_running_loop()
    rang_at: list[float] = []
    rang = anyio.Event()

    def ring() -> None:
        rang_at.append(loop.time())
        rang.set()

    alarm = Alarm(ring)
    alarm.set(30)
    alarm.set(0.05)
    began = loop.time()
    for _ in range(3):
        await anyio.sleep(0.03)
        alarm.set(0.05)
    with anyio.fail_after(5):
        await rang.wait()
    assert rang_at[0] - began >= 0.13
    await anyio.sleep(0.1)
    assert len(rang_at) == 1


@pytest.mark.parametrize("end", ["stop", "unset"])
async def test_alarm_that_was_taken_back_does_not_ring(end: str) -> None:
    """Neither once its owner is done nor while it is unset; set again it rings."""
    rang = anyio.Event()
    alarm = Alarm(rang.set)
    alarm.set(0.02)
    getattr(alarm, end)()
    await anyio.sleep(0.06)
    assert not rang.is_set()
    alarm.set(0.02)
    with anyio.fail_after(5):
        await rang.wait()


async def test_an_alarm_that_may_be_brought_forward_keeps_its_timer() -> None:
    """Where it is said by how much; it rings in time all the same."""
    loop = asyncio.get_running_loop()
    rang = anyio.Event()
    alarm = Alarm(rang.set, look_seconds=0.05)
    alarm.set(30)
    timer, began = alarm._timer, loop.time()
    alarm.set(0.05)
    assert alarm._timer is timer
    with anyio.fail_after(5):
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


def _pace(*, window_seconds: float = 0.1, minimum_rate: int = 1024) -> tuple[StreamReader, Pace]:
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    content = StreamReader(protocol, 2**16, loop=loop)
    return content, Pace(
        content, operation="GetJobOutput", window_seconds=window_seconds, minimum_rate=minimum_rate
    )


async def test_bytes_that_are_there_are_read_at_once() -> None:
    """Neither they nor the end need the loop."""
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
    """The reader is told, and stays told."""
    content, pace = _pace()
    for _ in range(2):
        with anyio.fail_after(5), pytest.raises(StalledTransferError, match="no byte"):
            await pace.next_block()
    pace.stop()
    assert isinstance(content.exception(), StalledTransferError)


async def test_time_between_reads_does_not_count() -> None:
    """A reader that takes longer than the window finds the bytes, and waits a whole window for the next."""
    content, pace = _pace(window_seconds=0.1)
    loop = asyncio.get_running_loop()
    for _ in range(3):
        loop.call_later(0.06, content.feed_data, b"x" * 200)
        assert await pace.next_block() == b"x" * 200
        await anyio.sleep(0.15)
    pace.stop()


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
