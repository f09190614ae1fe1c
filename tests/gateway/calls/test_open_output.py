"""Outputs: of other lengths and ranges than asked for, cut, and left early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import ConnectionLostError, UnexpectedResponseError
from aioglacier.core.models import JobId
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.connect import open_gateway
from tests.gateway.faulty import REQUEST_ID, Exchange, answers, options_for
from tests.gateway.vault_calls import read_output, send_part

if TYPE_CHECKING:
    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import FaultyServer


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
    [
        (200, None),
        (206, "bytes 0-99/1000"),
        (206, "bytes 100-299/1000"),
        (206, "bytes 100-149/1000"),
        (206, None),
        (206, "bytes */1000"),
    ],
)
async def test_output_of_other_bytes_than_asked_for(
    server: FaultyServer, gateway: VaultCaller, status: int, content_range: str | None
) -> None:
    """Bytes of another range are an error."""
    headers = REQUEST_ID | ({"Content-Range": content_range} if content_range else {})
    server.then(answers(status, b"x" * (50 if content_range == "bytes 100-149/1000" else 100), headers))
    with pytest.raises(UnexpectedResponseError):
        await read_output(gateway, ByteRange(100, 200))


async def test_output_whose_whole_ends_earlier(server: FaultyServer, gateway: VaultCaller) -> None:
    """A range that goes past the end of the output gives the bytes up to it."""
    server.then(answers(206, b"x" * 50, REQUEST_ID | {"Content-Range": "bytes 100-149/150"}))
    assert await read_output(gateway, ByteRange(100, 200)) == b"x" * 50


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
