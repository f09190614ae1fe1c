"""Bodies received straight into memory: every byte, over used connections, and no byte too late."""

from __future__ import annotations

import gc
import ssl
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trustme
import uvloop

from aioglacier.core.errors import ConnectionLostError, StalledTransferError, UnexpectedResponseError
from aioglacier.core.limits import MIB
from aioglacier.core.models import JobId
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.http.receiving import DirectBody
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from tests.gateway.faulty import (
    REQUEST_ID,
    SHORT,
    Exchange,
    FaultyServer,
    answers,
    faulty_server,
    options_for,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aioglacier.gateway.contract.options import Timeouts
    from aioglacier.gateway.vaults.caller import VaultCaller
    from aioglacier.gateway.vaults.gateway import Gateway

JOB = JobId("JOB")
BODY = bytes(range(251)) * (5 * MIB // 251)


@pytest.fixture(params=["plain", "TLS"])
async def either(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[FaultyServer]:
    """Yield a server over plain TCP, then one over TLS with a certificate that is trusted."""
    async with serving(request.param, monkeypatch, tmp_path) as server:
        yield server


def serving(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AbstractAsyncContextManager[FaultyServer]:
    """Yield a server of one kind."""
    if kind == "plain":
        return faulty_server()
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return faulty_server(context)


@pytest.fixture
async def gateway(either: FaultyServer, timeouts: Timeouts) -> AsyncIterator[VaultCaller]:
    """Yield a gateway to either server."""
    async with open_gateway(options_for(either, timeouts=timeouts)) as gateway:
        yield gateway


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[DirectBody]:
    """Return the list of bodies that are taken over."""
    found: list[DirectBody] = []
    made = DirectBody.__init__

    def noting(self: DirectBody, *given: Any, **named: Any) -> None:
        found.append(self)
        made(self, *given, **named)

    monkeypatch.setattr(DirectBody, "__init__", noting)
    return found


async def receive(gateway: Gateway, *sizes: int, byte_range: ByteRange | None = None) -> bytearray:
    """Read the output into views of these sizes and one for the rest."""
    async with gateway.get_job_output("photos", JOB, byte_range) as output:
        memory = bytearray(output.size)
        at, told = 0, 0

        def came(count: int) -> None:
            nonlocal told
            told += count

        for size in (*sizes, output.size - sum(sizes)):
            await output.receive_into(memoryview(memory)[at : at + size], came)
            at += size
            assert told == at
    return memory


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(), (1,), (MIB, MIB), (77_777, 3 * MIB, 1), (len(BODY) - 1,)])
async def test_body_comes_whole_and_the_connection_carries_the_next(
    either: FaultyServer, gateway: VaultCaller, taken: list[DirectBody], sizes: tuple[int, ...]
) -> None:
    """Pieces of any size arrive six times over one connection, without aiohttp's copies."""
    either.otherwise = answers(200, BODY)
    for _ in range(6):
        assert await receive(gateway, *sizes) == BODY
    assert len({exchange.writer for exchange in either.requests}) == 1
    assert len(taken) == 6


@pytest.mark.slow
@pytest.mark.parametrize("size", [MIB, len(BODY) - 100])
async def test_a_connection_that_somebody_else_resumes_loses_no_byte(
    either: FaultyServer, gateway: VaultCaller, taken: list[DirectBody], size: int
) -> None:
    """The late reader of the body before makes aiohttp resume the connection between two pieces."""
    either.otherwise = answers(200, BODY)
    memory = memoryview(bytearray(len(BODY)))
    for _ in range(2):
        async with gateway.get_job_output("photos", JOB, None) as output:
            await output.receive_into(memory[:size], lambda _: None)
            for _ in range(3):
                taken[-1]._handler.resume_reading()
                await anyio.sleep(0.01)
            await output.receive_into(memory[size : size + 7], lambda _: None)
            taken[-1]._handler.resume_reading()
            await output.receive_into(memory[size + 7 :], lambda _: None)
        assert memory == BODY
    assert len({exchange.writer for exchange in either.requests}) == 1


@pytest.mark.parametrize("kind", ["plain", "TLS"])
def test_uvloop_does_it_as_well(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Transports of uvloop, which read in another way, bring every byte."""

    async def run() -> None:
        async with (
            serving(kind, monkeypatch, tmp_path) as server,
            open_gateway(options_for(server)) as gateway,
        ):
            server.otherwise = answers(200, BODY)
            for _ in range(4):
                assert await receive(gateway, 77_777, 3 * MIB) == BODY
            assert len({exchange.writer for exchange in server.requests}) == 1

    uvloop.run(run())


async def test_body_that_came_with_its_head_is_copied(
    either: FaultyServer, gateway: VaultCaller, taken: list[DirectBody]
) -> None:
    """An output that is read needs no direct body."""
    either.otherwise = answers(200, b"0123456789" * 10)
    for _ in range(3):
        assert await receive(gateway, 7) == b"0123456789" * 10
    assert len({exchange.writer for exchange in either.requests}) == 1
    assert not taken


@pytest.mark.parametrize("extra", [0, 9])
async def test_body_in_chunks_is_left_to_the_parser(
    either: FaultyServer, gateway: VaultCaller, taken: list[DirectBody], extra: int
) -> None:
    """Chunked bodies and bodies longer than promised are not received directly."""
    head = "".join(f"{name}: {value}\r\n" for name, value in REQUEST_ID.items())

    async def chunked(exchange: Exchange) -> None:
        await exchange.send(
            f"HTTP/1.1 206 Partial\r\n{head}Content-Range: bytes 0-{MIB - 1}/{len(BODY)}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for at in range(0, MIB + extra, 300_000):
            block = BODY[at : min(at + 300_000, MIB + extra)]
            await exchange.send(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        await exchange.send(b"0\r\n\r\n")

    either.otherwise = chunked
    if extra:
        with pytest.raises(UnexpectedResponseError, match="more than"):
            await receive(gateway, 1000, byte_range=ByteRange(0, MIB))
    else:
        for _ in range(2):
            assert await receive(gateway, 1000, byte_range=ByteRange(0, MIB)) == BODY[:MIB]
        assert len({exchange.writer for exchange in either.requests}) == 1
    assert not taken


def cuts(after: int, when: anyio.Event, *, reset: bool = False) -> Callable[[Exchange], Awaitable[None]]:
    """Promise the body, send some of it, and close at the signal."""

    async def behave(exchange: Exchange) -> None:
        await exchange.answer(200, BODY[:after], length=len(BODY))
        await when.wait()
        if reset:
            exchange.reset()
        else:
            exchange.writer.close()

    return behave


@pytest.mark.slow
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 1, 3 * MIB + 5, len(BODY) - 1])
async def test_cut_connection_is_our_error(
    either: FaultyServer, gateway: VaultCaller, after: int, reset: bool
) -> None:
    """Counted bytes are in the view, and the next request uses another connection."""
    entered = anyio.Event()
    either.then(cuts(after, entered, reset=reset))
    memory = bytearray(len(BODY))
    told: list[int] = []
    async with gateway.get_job_output("photos", JOB) as output:
        entered.set()
        for _ in range(2):  # and again the same
            with pytest.raises(ConnectionLostError) as caught:
                await output.receive_into(memoryview(memory)[sum(told) :], told.append)
            assert caught.value.is_retryable
            if not reset:
                assert f"received {after} of {len(BODY)} bytes" in str(caught.value)
    assert sum(told) == after or (reset and sum(told) < after)
    assert memory[: sum(told)] == BODY[: sum(told)]
    either.otherwise = answers(200, BODY)
    assert await receive(gateway) == BODY
    assert len({exchange.writer for exchange in either.requests}) == 2


async def test_connection_that_is_cut_between_two_views(either: FaultyServer, gateway: VaultCaller) -> None:
    """A loss between two reads is raised by the next one."""
    received = anyio.Event()
    either.then(cuts(2 * MIB, received, reset=True))
    async with gateway.get_job_output("photos", JOB) as output:
        await output.receive_into(memoryview(bytearray(MIB)), lambda _: None)
        received.set()
        await anyio.sleep(0.1)
        with pytest.raises(ConnectionLostError):
            await output.receive_into(memoryview(bytearray(output.size - MIB)), lambda _: None)
    either.otherwise = answers(200, BODY)
    assert await receive(gateway) == BODY


async def test_cuts_are_passed_over(either: FaultyServer, gateway: VaultCaller) -> None:
    """The retry layer fills one view over three connections."""

    async def ranged(exchange: Exchange) -> None:
        asked = exchange.headers.get("range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").partition("-")[0])
        headers = REQUEST_ID | ({"Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"})
        await exchange.answer(
            206 if start else 200, BODY[start : start + 2 * MIB], headers, length=len(BODY) - start
        )
        if start + 2 * MIB < len(BODY):
            exchange.writer.close()

    either.otherwise = ranged
    policy = RetryPolicy(first_ceiling_seconds=0.001, longest_wait_seconds=0.001)
    assert await receive(RetryingGateway(gateway, policy), 100) == BODY
    assert len(either.requests) == 3


@pytest.mark.slow
@pytest.mark.parametrize("timeouts", [SHORT], ids=["short"])
@pytest.mark.parametrize("sent", ["head", "half"])
async def test_silence_is_a_stall(either: FaultyServer, gateway: VaultCaller, sent: str) -> None:
    """Silence of one window is a stall, whatever came before."""

    async def hush(exchange: Exchange) -> None:
        await exchange.answer(200, BODY[: MIB if sent == "half" else 0], length=len(BODY))
        await anyio.sleep(60)

    either.then(hush)
    began = anyio.current_time()
    with pytest.raises(StalledTransferError, match="no byte"):
        await receive(gateway)
    assert anyio.current_time() - began < 30  # the server would be silent for 60


@pytest.mark.slow
@pytest.mark.parametrize("timeouts", [SHORT], ids=["short"])
async def test_drip_is_a_stall(either: FaultyServer, gateway: VaultCaller) -> None:
    """Bytes below the minimum rate count as none."""

    async def drip(exchange: Exchange) -> None:
        await exchange.answer(200, BODY[:MIB], length=len(BODY))
        while True:
            await exchange.send(b"x")
            await anyio.sleep(0.1)

    either.then(drip)
    with anyio.fail_after(60), pytest.raises(StalledTransferError, match="only"):
        # The first bytes are enough for one window and not for the next.
        await receive(gateway)


@pytest.mark.slow
async def test_reader_that_takes_his_time_is_no_stall(either: FaultyServer, gateway: VaultCaller) -> None:
    """Time between reads does not count, and meanwhile the transport receives nothing."""
    sent = 0

    async def offer(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.answer(200, length=8 * len(BODY))
        for _ in range(8):
            await exchange.send(BODY)
            sent += 1

    either.then(offer)
    async with gateway.get_job_output("photos", JOB) as output:
        memory = memoryview(bytearray(output.size))
        await output.receive_into(memory[:MIB], lambda _: None)
        await anyio.sleep(1.2)  # two windows
        assert sent < 8
        await output.receive_into(memory[MIB:], lambda _: None)
    assert memory == BODY * 8


async def test_cancelled_view_is_written_no_more(either: FaultyServer, gateway: VaultCaller) -> None:
    """The memory is free at once, and the connection is closed."""
    more, closed = anyio.Event(), anyio.Event()

    async def halt(exchange: Exchange) -> None:
        await exchange.answer(200, BODY[:MIB], length=len(BODY))
        await more.wait()
        try:
            while True:
                await exchange.send(BODY[:MIB])
        except ConnectionError:
            closed.set()

    either.then(halt)
    memory = bytearray(len(BODY))
    told: list[int] = []

    async def fetch() -> None:
        async with gateway.get_job_output("photos", JOB) as output:
            await output.receive_into(memoryview(memory), told.append)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch)
        while memory[MIB - 1] != BODY[MIB - 1]:  # noqa: ASYNC110  # memory has no event
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert sum(told) == MIB
    more.set()
    memory[:] = bytes(len(memory))
    with anyio.fail_after(30):
        await closed.wait()
    assert not any(memory)
    gc.collect()
    memory.clear()  # fails while a view of it exists


async def test_error_of_the_caller_s_progress_is_his(either: FaultyServer, gateway: VaultCaller) -> None:
    """An error of the callback ends the fetch and leaves the connection's protocol whole."""
    either.otherwise = answers(200, BODY)

    def refuse(_: int) -> None:
        raise ZeroDivisionError

    async with gateway.get_job_output("photos", JOB) as output:
        with pytest.raises(ZeroDivisionError):
            await output.receive_into(memoryview(bytearray(output.size)), refuse)
    assert await receive(gateway) == BODY


async def test_asking_for_more_than_there_is(either: FaultyServer, gateway: VaultCaller) -> None:
    """A view that is too large receives nothing, and the output stays readable."""
    either.otherwise = answers(200, BODY)
    async with gateway.get_job_output("photos", JOB) as output:
        with pytest.raises(ConnectionLostError):
            await output.receive_into(memoryview(bytearray(output.size + 1)), lambda _: None)
        memory = bytearray(output.size)
        await output.receive_into(memoryview(memory), lambda _: None)
        with pytest.raises(ConnectionLostError):
            await output.receive_into(memoryview(bytearray(1)), lambda _: None)
    assert memory == BODY


async def test_bytes_behind_the_last_one_spoil_no_other_answer(
    either: FaultyServer, gateway: VaultCaller
) -> None:
    """A connection with bytes left on it is not used again."""

    async def babble(exchange: Exchange) -> None:
        await exchange.answer(
            200, BODY + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong", length=len(BODY)
        )

    either.then(babble)
    assert await receive(gateway) == BODY
    await anyio.sleep(0.05)
    either.otherwise = answers(200, BODY)
    assert await receive(gateway) == BODY
    assert len({exchange.writer for exchange in either.requests}) == 2


async def test_answer_that_closes_its_connection(either: FaultyServer, gateway: VaultCaller) -> None:
    """The output is whole although the connection ends with it."""
    either.otherwise = answers(200, BODY, REQUEST_ID | {"Connection": "close"})
    for _ in range(3):
        assert await receive(gateway, MIB) == BODY
    assert len({exchange.writer for exchange in either.requests}) == 3
