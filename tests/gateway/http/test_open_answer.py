"""Bodies of answers: cut, too long, too slow, or left early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.core.errors import (
    ConnectionLostError,
    StalledTransferError,
    TemporaryServiceError,
    UnexpectedResponseError,
)
from aioglacier.core.models import JobId
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.connect import open_gateway
from tests.gateway.faulty import REQUEST_ID, Exchange, answers, options_for
from tests.gateway.vault_calls import CALLS, read_output, send_part

if TYPE_CHECKING:
    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import FaultyServer


async def test_an_endless_error_body_is_read_in_part(server: FaultyServer, gateway: VaultCaller) -> None:
    """Only 64 KiB of an error are read."""

    async def drown(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.answer(500, b"x" * (1 << 20), length=1 << 40)
        while True:
            await exchange.send(b"x" * (1 << 20))

    server.then(drown)
    with pytest.raises(TemporaryServiceError):
        await send_part(gateway)
    await send_part(gateway)


@pytest.mark.parametrize("part", ["head", "body"])
async def test_an_answer_that_drips_is_noticed(server: FaultyServer, gateway: VaultCaller, part: str) -> None:
    """One byte now and then counts as none."""

    async def drip(exchange: Exchange) -> None:
        await exchange.read_body()
        text = b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: A\r\nContent-Length: 9999\r\n\r\n"
        if part == "body":
            await exchange.send(text)
            text = b" " * 9999
        for byte in text:
            await exchange.send(bytes([byte]))
            await anyio.sleep(0.1)

    server.then(drip, drip)
    for call in (CALLS["control GET"], CALLS["output"]):
        began = anyio.current_time()
        with pytest.raises(StalledTransferError):
            await call(gateway)
        assert anyio.current_time() - began < 3


async def test_output_cut_short_is_our_error(server: FaultyServer, gateway: VaultCaller) -> None:
    """Fewer bytes than promised are a lost connection."""

    async def cut(exchange: Exchange) -> None:
        await exchange.answer(200, b"x" * 1000, length=2000)
        exchange.writer.close()

    server.then(cut)
    with pytest.raises(ConnectionLostError):
        await read_output(gateway)


async def test_output_without_a_length_is_not_believed(server: FaultyServer, gateway: VaultCaller) -> None:
    """Without a length the end of an output proves nothing."""

    async def mumble(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: A\r\nConnection: close\r\n\r\n" + b"x" * 500
        )
        exchange.writer.close()

    server.then(mumble)
    with pytest.raises(UnexpectedResponseError, match="length"):
        await read_output(gateway)


@pytest.mark.parametrize(
    ("status", "content_range"),
    [(200, None), (206, "bytes 0-99/1000"), (206, "bytes 100-299/1000"), (206, None), (206, "bytes */1000")],
)
async def test_output_of_other_bytes_than_asked_for(
    server: FaultyServer, gateway: VaultCaller, status: int, content_range: str | None
) -> None:
    """Bytes of another range are an error."""
    headers = REQUEST_ID | ({"Content-Range": content_range} if content_range else {})
    server.then(answers(status, b"x" * 100, headers))
    with pytest.raises(UnexpectedResponseError):
        await read_output(gateway, ByteRange(100, 200))


async def test_output_left_early_frees_its_connection(server: FaultyServer) -> None:
    """Leaving the block drops the connection, and another request can be sent."""

    async def promise(exchange: Exchange) -> None:
        await exchange.answer(200, b"x" * 1000, length=1 << 30)
        while True:
            await exchange.send(b"x" * 100_000)

    async with open_gateway(options_for(server, max_connections=1)) as gateway:
        for _ in range(3):
            server.then(promise)
            async with gateway.get_job_output("photos", JobId("JOB")) as output:
                async for block in output:
                    assert block
                    break
        await send_part(gateway)
