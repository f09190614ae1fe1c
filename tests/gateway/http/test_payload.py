"""Bodies in slices of the caller's memory: not copied, not sent late, and no stall."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import sys
import time
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
import anyio
import pytest
import trustme

from aioglacier.core.errors import ConnectionLostError, GlacierError
from aioglacier.core.limits import MIB
from aioglacier.core.models import UploadId
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.http.client_session import tls_context
from aioglacier.gateway.http.payload import LARGEST_SLICE, SMALLEST_SLICE, SlicePayload
from tests.gateway.faulty import PATIENT, Exchange, FaultyServer, answers, faulty_server, options_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.gateway.vaults.caller import VaultCaller

UPLOAD = UploadId("UPLOAD")


@pytest.fixture(params=["plain", "TLS"])
async def either(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[FaultyServer]:
    """Yield a server over plain TCP, then one over TLS with a certificate that is trusted."""
    if request.param == "plain":
        async with faulty_server() as server:
            yield server
        return
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    async with faulty_server(context) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, SMALLEST_SLICE, SMALLEST_SLICE + 1, LARGEST_SLICE * 9 + 7, 16 * MIB])
async def test_body_arrives_whole_over_any_transport(either: FaultyServer, size: int) -> None:
    """Every byte arrives in order from read-only and writable memory, and the progress adds up."""
    pattern = bytes(range(251)) * (size // 251 + 1)
    async with open_gateway(options_for(either)) as gateway:
        for body in (memoryview(pattern)[:size], memoryview(bytearray(pattern[:size]))):
            moved: list[int] = []
            await gateway.upload_multipart_part(
                "photos", UPLOAD, body, start=0, hashes=hash_part(body), progress=moved.append
            )
            assert either.requests[-1].body == body
            assert sum(moved) == size


async def test_several_bodies_reuse_one_connection(either: FaultyServer) -> None:
    """A connection carries the next body after a clean end."""
    body = memoryview(bytes(3 * MIB))
    async with open_gateway(options_for(either)) as gateway:
        for _ in range(5):
            await gateway.upload_multipart_part("photos", UPLOAD, body, start=0, hashes=hash_part(body))
        assert len({exchange.writer for exchange in either.requests}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("end", ["cancelled", "refused"])
async def test_memory_is_the_callers_again_when_the_call_is_over(either: FaultyServer, end: str) -> None:
    """Bytes that overwrite the body after a call are never sent, however the call ended."""
    received = bytearray()
    begun, go_on, done = anyio.Event(), anyio.Event(), anyio.Event()

    async def hesitate(exchange: Exchange) -> None:
        received.extend(await exchange.reader.read(65_536))
        begun.set()
        if end == "refused":
            await exchange.answer(403, b'{"code":"AccessDeniedException","message":"no","type":"Client"}')
        await go_on.wait()
        try:
            while block := await exchange.reader.read(65_536):
                received.extend(block)
        except ConnectionError:
            pass
        finally:
            done.set()

    memory = bytearray(b"A" * (32 * MIB))
    async with open_gateway(options_for(either, timeouts=PATIENT)) as gateway:
        either.then(hesitate)
        hashes = hash_part(memory)

        async def send() -> None:
            with suppress(GlacierError):
                await gateway.upload_multipart_part(
                    "photos", UPLOAD, memoryview(memory), start=0, hashes=hashes
                )

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send)
                await begun.wait()
                if end == "cancelled":
                    tasks.cancel_scope.cancel()
        memory[:] = b"B" * len(memory)
        go_on.set()
        with anyio.fail_after(10):
            await done.wait()
    assert b"B" not in received
    assert len(received) < len(memory)


async def test_a_mistake_in_code_is_no_lost_connection(server: FaultyServer, gateway: VaultCaller) -> None:
    """An error of this side while a body is sent comes as itself after one attempt."""

    async def mistake() -> None:
        raise TypeError("no bytes")

    body = memoryview(b"frame")
    with pytest.raises(TypeError, match="no bytes"):
        await gateway.upload_archive("photos", body, hashes=hash_part(body), before_last=mistake)
    assert len(server.requests) <= 1


@pytest.mark.slow
async def test_body_is_not_copied(server: FaultyServer, gateway: VaultCaller) -> None:
    """Sending 64 MiB takes a few slices of memory, not another 64 MiB."""

    async def swallow(exchange: Exchange) -> None:
        left = int(exchange.headers["content-length"])
        while left:
            left -= len(await exchange.reader.read(65_536))
        await exchange.answer(204, b"", {"x-amzn-RequestId": "A", "x-amz-sha256-tree-hash": tree_hash})

    body = memoryview(bytearray(64 * MIB))
    hashes = hash_part(body)
    tree_hash = hashes.tree_hash.hex()
    server.otherwise = swallow
    await gateway.upload_multipart_part("photos", UPLOAD, body, start=0, hashes=hashes)
    gc.collect()
    tracemalloc.start()
    try:
        await gateway.upload_multipart_part("photos", UPLOAD, body, start=0, hashes=hashes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * LARGEST_SLICE


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run there")
def test_body_over_uvloop() -> None:
    """On uvloop the body arrives whole, and nothing is sent after a cancellation."""
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        async with faulty_server() as server, open_gateway(options_for(server)) as gateway:
            memory = bytearray(bytes(range(251)) * (16 * MIB // 251))
            view, hashes = memoryview(memory), hash_part(memory)
            await gateway.upload_multipart_part("photos", UPLOAD, view, start=0, hashes=hashes)
            assert server.requests[-1].body == memory
            received = bytearray()

            async def hesitate(exchange: Exchange) -> None:
                await anyio.sleep(0.5)
                while block := await exchange.reader.read(65_536):
                    received.extend(block)

            server.then(hesitate)
            memory[:] = b"A" * len(memory)
            hashes = hash_part(memory)
            with anyio.move_on_after(0.2):
                await gateway.upload_multipart_part("photos", UPLOAD, view, start=0, hashes=hashes)
            memory[:] = b"B" * len(memory)
            await anyio.sleep(1)
            assert b"B" not in received

    uvloop.run(main())


@pytest.mark.slow
async def test_four_parts_at_once_do_not_stall_the_loop() -> None:
    """No pause of the loop is noticeable while 4 x 64 MiB go out."""
    async with faulty_server() as server, open_gateway(options_for(server)) as gateway:

        async def swallow(exchange: Exchange) -> None:
            left = int(exchange.headers["content-length"])
            while left:
                left -= len(await exchange.reader.read(65_536))
            await exchange.answer(204, b"", {"x-amzn-RequestId": "A", "x-amz-sha256-tree-hash": tree_hash})

        body = memoryview(bytearray(64 * MIB))
        hashes = hash_part(body)
        tree_hash = hashes.tree_hash.hex()
        server.otherwise = swallow
        stalls: list[float] = []

        async def watch() -> None:
            while True:
                before = time.thread_time()
                await asyncio.sleep(0)
                stalls.append(time.thread_time() - before)

        async def send() -> None:
            await gateway.upload_multipart_part("photos", UPLOAD, body, start=0, hashes=hashes)

        async with anyio.create_task_group() as watching:
            watching.start_soon(watch)
            async with anyio.create_task_group() as sending:
                for _ in range(4):
                    sending.start_soon(send)
            watching.cancel_scope.cancel()
    # The loop's own CPU time, as other programs share the machine. The server shares the loop, so the worst
    # hundredth does not count.
    assert sorted(stalls)[int(len(stalls) * 0.99)] < 0.02


async def test_payload_may_be_sent_again_from_its_start() -> None:
    """Progress of an attempt is subtracted before the next one."""
    moved: list[int] = []
    body = memoryview(bytes(4 * MIB))
    payload = SlicePayload(body, progress=moved.append)
    async with faulty_server() as server, aiohttp.ClientSession() as session:
        for _ in range(2):
            server.then(answers(204))
            async with session.put(server.url, data=payload) as response:
                assert response.status == 204
            assert sum(moved) == payload.sent.count == len(body)
        assert [len(exchange.body) for exchange in server.requests] == [len(body)] * 2


async def test_slices_grow_with_what_is_known_of_the_path(server: FaultyServer) -> None:
    """Slices are small on an unknown or slow path, and the largest if the body before went fast."""
    first: dict[float, list[int]] = {}
    for rate in (0.0, 1000.0, 1e9):
        moved: list[int] = []
        payload = SlicePayload(memoryview(bytes(3 * MIB)), progress=moved.append, rate=rate)
        async with aiohttp.ClientSession() as session:
            server.then(answers(204))
            async with session.put(server.url, data=payload):
                pass
        assert sum(moved) == 3 * MIB
        first[rate] = moved[:3]
    assert first[0.0] == first[1000.0] == [SMALLEST_SLICE] * 3
    assert first[1e9] == [SMALLEST_SLICE, LARGEST_SLICE, LARGEST_SLICE]


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="the system has no such limit")
async def test_the_kernel_takes_more_of_a_fast_path(either: FaultyServer) -> None:
    """A connection that was fast takes less again for a body whose path is not known to be fast."""
    limits: list[int] = []
    made: list[socket.socket] = []

    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        made.append(socket.socket(address[0], address[1], address[2]))
        return made[-1]

    context = tls_context(os.environ["AWS_CA_BUNDLE"]) if either.url.startswith("https") else True
    connector = aiohttp.TCPConnector(ssl=context, socket_factory=make)
    async with aiohttp.ClientSession(connector=connector) as session:
        for rate in (0.0, 1e9, 0.0):
            payload = SlicePayload(memoryview(bytes(2 * MIB)), rate=rate)
            either.then(answers(204))
            async with session.put(either.url, data=payload):
                pass
            limits.append(made[-1].getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT))
    assert len(made) == 1
    slow, fast, slow_again = limits
    assert slow == slow_again < fast == LARGEST_SLICE


async def test_what_a_body_was_like_is_known_until_one_fails(
    server: FaultyServer, gateway: VaultCaller
) -> None:
    """The second body on a fast path has large slices, and one after a failure small ones."""
    body = memoryview(bytes(2 * MIB))
    hashes = hash_part(body)

    async def hang_up(exchange: Exchange) -> None:
        await exchange.read_body(200_000)
        exchange.reset()

    async def steps() -> int:
        moved: list[int] = []
        await gateway.upload_multipart_part(
            "photos", UPLOAD, body, start=0, hashes=hashes, progress=moved.append
        )
        assert sum(moved) == len(body)
        return len(moved)

    unknown, known = await steps(), await steps()
    assert known < unknown
    server.then(hang_up)
    with pytest.raises(ConnectionLostError):
        await steps()
    assert await steps() == unknown


async def test_abandoned_payload_is_not_sent(server: FaultyServer) -> None:
    """A body that is abandoned before it begins is not sent."""
    payload = SlicePayload(memoryview(bytes(MIB)))
    payload.abandon()
    payload.abandon()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(server.url, data=payload)
    assert payload.sent.started_at is None


async def test_server_that_hangs_up_in_the_middle(either: FaultyServer) -> None:
    """A broken TLS or TCP connection ends the call at once and subtracts the progress."""

    async def hang_up(exchange: Exchange) -> None:
        await exchange.read_body(200_000)
        exchange.reset()

    moved: list[int] = []
    body = memoryview(bytes(32 * MIB))
    async with open_gateway(options_for(either)) as gateway:
        either.then(hang_up)
        with pytest.raises(ConnectionLostError):
            await gateway.upload_multipart_part(
                "photos", UPLOAD, body, start=0, hashes=hash_part(body), progress=moved.append
            )
    assert sum(moved) == 0
