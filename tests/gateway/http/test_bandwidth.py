"""One rate for all bodies of a connection: by a clock of the test's own, and over real sockets."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.core.models import JobId, UploadId
from aioglacier.core.rate_schedule import RateSchedule, RateWindow
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.contract.options import Timeouts
from aioglacier.gateway.http.bandwidth import Bandwidth
from tests.gateway.faulty import PATIENT, REQUEST_ID, Exchange, FaultyServer, answers, options_for

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.gateway.vaults.gateway import Gateway

KIB = 1024


class Clock:
    """A clock that sleeping moves, and that notes each sleep."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.is_cancelling = False

    async def sleep(self, seconds: float) -> None:
        """Move the clock, or be cancelled."""
        if self.is_cancelling:
            raise anyio.get_cancelled_exc_class()
        self.slept.append(seconds)
        self.now += seconds

    def bucket(self, rate: int) -> Bandwidth:
        """Return a bucket on this clock."""
        return Bandwidth(rate, clock=lambda: self.now, sleep=self.sleep)


@pytest.mark.parametrize(("rate", "count"), [(1024, 128), (1_000_000, 125_000), (1_000_000_000, 512 * KIB)])
async def test_bytes_pass_at_the_rate(rate: int, count: int) -> None:
    """Takes of the largest size take ten seconds for ten times the rate, less a quarter that was saved."""
    clock = Clock()
    bandwidth = clock.bucket(rate)
    assert bandwidth.largest_take == count
    began = clock.now
    for _ in range(10 * rate // count):
        await bandwidth.take(count)
    assert clock.now - began == pytest.approx(9.75, abs=0.01)


async def test_a_schedule_changes_the_rate_by_the_time_of_day() -> None:
    """Each take has the rate of its moment; outside of all windows nothing waits."""
    clock, minute = Clock(), 8 * 60 + 30
    schedule = RateSchedule((RateWindow(480, 540, 8000), RateWindow(1380, 60, 800)))
    bandwidth = Bandwidth(schedule, clock=lambda: clock.now, sleep=clock.sleep, minute=lambda: minute)
    for minute, largest, seconds in ((480, 1000, 9.75), (1439, 100, 10.0), (720, 512 * KIB, 0.0)):  # noqa: B007
        assert bandwidth.largest_take == largest
        began = clock.now
        for _ in range(80):
            await bandwidth.take(largest)
        assert clock.now - began == pytest.approx(seconds, abs=0.3)


async def test_an_unused_rate_is_kept_for_a_quarter_of_a_second() -> None:
    """After a pause a quarter of a second's bytes pass at once, and no more."""
    clock = Clock()
    bandwidth = clock.bucket(8000)
    await bandwidth.take(8000)
    clock.now += 3600
    clock.slept.clear()
    for _ in range(3):
        await bandwidth.take(1000)
    assert clock.slept == [pytest.approx(0.125)]


async def test_a_cancelled_take_takes_nothing() -> None:
    """The bytes of a wait that is cancelled do not count."""
    clock = Clock()
    bandwidth = clock.bucket(8000)
    await bandwidth.take(2000)
    clock.is_cancelling = True
    with pytest.raises(anyio.get_cancelled_exc_class()):
        await bandwidth.take(800_000)
    clock.is_cancelling = False
    await bandwidth.take(1000)
    assert clock.slept == [pytest.approx(0.125)]


async def test_bytes_that_need_no_wait_make_later_ones_wait() -> None:
    """A new connection counts the bytes that it holds ahead of its reader."""
    clock = Clock()
    bandwidth = clock.bucket(10_000_000)
    await bandwidth.take(10_000_000)
    clock.slept.clear()
    assert bandwidth.read_ahead == 78_125
    bandwidth.note(2_000_000)
    await bandwidth.take(1_000_000)
    assert clock.slept == [pytest.approx(0.3)]
    assert Bandwidth(RateSchedule((RateWindow(480, 540, None),))).read_ahead is None


async def test_a_new_connection_at_a_low_rate_adds_a_quarter_of_a_second_at_most() -> None:
    """The 64 KiB that it may hold would take 16 seconds at this rate."""
    clock = Clock()
    bandwidth = clock.bucket(4 * KIB)
    for _ in range(2):
        bandwidth.note(64 * KIB)
        await bandwidth.take(512)
    assert clock.slept == [pytest.approx(0.125), pytest.approx(0.375)]


async def test_two_connections_share_a_rate_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two waits for what the other has taken, and a cancelled take of one is free for the other."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    clock = Clock()
    one, two = (Bandwidth(8000, is_shared=True, clock=lambda: clock.now, sleep=clock.sleep) for _ in range(2))
    began = clock.now
    for _ in range(40):
        await one.take(1000)
        await two.take(1000)
    assert clock.now - began == pytest.approx(9.75, abs=0.01)
    clock.is_cancelling = True
    with pytest.raises(anyio.get_cancelled_exc_class()):
        await one.take(800_000)
    clock.is_cancelling = False
    await two.take(1000)
    assert clock.now - began == pytest.approx(9.875, abs=0.01)


async def send(gateway: Gateway, size: int) -> None:
    """Send one part."""
    body = memoryview(bytes(size))
    await gateway.upload_multipart_part("photos", UploadId("U"), body, start=0, hashes=hash_part(body))


async def read(gateway: Gateway, *, into: int = 0) -> int:
    """Read a job's output, as blocks or into memory, and return its size."""
    async with gateway.get_job_output("photos", JobId("J"), None) as output:
        if into:
            await output.receive_into(memoryview(bytearray(into)), lambda _: None)
            return into
        return sum([len(block) async for block in output])


async def test_bodies_in_both_directions_share_one_rate(server: FaultyServer) -> None:
    """Two bodies up and two down take together at least as long as the rate says; every byte arrives."""
    size, rate = 128 * KIB, 1024 * KIB
    output = answers(200, bytes(size), REQUEST_ID)

    async def serve(exchange: Exchange) -> None:
        is_output = exchange.method == "GET"
        await (output if is_output else answers(204, b"", {**REQUEST_ID, **echo}))(exchange)

    echo = {"x-amz-sha256-tree-hash": hash_part(bytes(size)).tree_hash.hex()}
    server.otherwise = serve
    came: list[int] = []

    async def note(into: int) -> None:
        came.append(await read(gateway, into=into))

    async with open_gateway(options_for(server, bandwidth=rate)) as gateway:
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, gateway, size)
            tasks.start_soon(send, gateway, size)
            tasks.start_soon(note, 0)
            tasks.start_soon(note, size)
        took = time.monotonic() - began
    assert came == [size, size]
    assert took >= 4 * size / rate - 0.25 - 0.02  # the clocks of the loop and of the bucket differ a little


@pytest.mark.slow
async def test_a_body_that_waits_for_its_turn_has_not_stalled(server: FaultyServer) -> None:
    """Five bodies wait longer for each slice than a stalled one may, and all arrive."""
    size = 16 * KIB
    server.otherwise = answers(
        204, b"", {**REQUEST_ID, "x-amz-sha256-tree-hash": hash_part(bytes(size)).tree_hash.hex()}
    )
    options = options_for(server, bandwidth=50 * KIB, timeouts=replace(PATIENT, stall=0.3))
    async with open_gateway(options) as gateway, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(send, gateway, size)
    assert [len(exchange.body) for exchange in server.requests] == [size] * 5


async def test_a_cancelled_wait_for_the_rate_leaves_nothing(server: FaultyServer) -> None:
    """A call that is cancelled while it waits ends at once, and the next body is sent."""
    is_begun = anyio.Event()

    async def note_first_byte(exchange: Exchange) -> None:
        await exchange.read_body(1)
        is_begun.set()
        await exchange.read_body(1024 * KIB - 1)

    server.then(note_first_byte)
    server.otherwise = answers(
        204, b"", {**REQUEST_ID, "x-amz-sha256-tree-hash": hash_part(bytes(KIB)).tree_hash.hex()}
    )
    async with open_gateway(options_for(server, bandwidth=4 * KIB, timeouts=Timeouts())) as gateway:
        with anyio.fail_after(120):  # the rest of the first body would take 256 s
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send, gateway, 1024 * KIB)
                await is_begun.wait()
                tasks.cancel_scope.cancel()
            await send(gateway, KIB)
    assert [len(exchange.body) for exchange in server.requests] == [1, KIB]
