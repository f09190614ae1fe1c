"""Requests that are sent once and within their time, or broken on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aioglacier.core.errors import (
    ConnectionFailedError,
    ConnectionLostError,
    RedirectRefusedError,
    StalledTransferError,
    TransportError,
    UnexpectedResponseError,
)
from aioglacier.gateway.connect import open_gateway
from tests.gateway.faulty import REQUEST_ID, SHORT, Exchange, faulty_server, options_for
from tests.gateway.vault_calls import CALLS, HASHES, PART, every_call, send_part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import FaultyServer


@every_call
async def test_requests_are_sent_once_when_the_connection_breaks(
    server: FaultyServer, gateway: VaultCaller, call: Callable[[VaultCaller], Awaitable[Any]]
) -> None:
    """No layer below sends a request again, not even one that HTTP calls idempotent."""
    await call(gateway)
    before = len(server.requests)

    async def cut(exchange: Exchange) -> None:
        exchange.reset()

    server.otherwise = cut
    with pytest.raises(ConnectionLostError):
        await call(gateway)
    assert len(server.requests) == before + 1


async def test_an_answer_that_is_no_http(server: FaultyServer, gateway: VaultCaller) -> None:
    """Garbage is no broken connection and is not retried as one."""

    async def babble(exchange: Exchange) -> None:
        await exchange.send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    server.then(babble)
    with pytest.raises((UnexpectedResponseError, ConnectionLostError)):
        await gateway.describe_vault("photos")


@pytest.mark.parametrize("timeouts", [SHORT], ids=["short"])
async def test_a_peer_that_stops_reading_is_noticed(server: FaultyServer, gateway: VaultCaller) -> None:
    """The call fails after the stall timeout, and the progress is subtracted again."""
    moved: list[int] = []

    async def sleep(exchange: Exchange) -> None:
        await exchange.read_body(1000)
        await anyio.sleep(60)

    server.then(sleep)
    began = anyio.current_time()
    with pytest.raises(StalledTransferError, match="no byte moved") as caught:
        await send_part(gateway, moved)
    assert anyio.current_time() - began < 30  # the server would sleep for 60
    assert not caught.value.may_have_taken_effect
    assert max(moved) > 0
    assert sum(moved) == 0


@pytest.mark.slow
@pytest.mark.parametrize("timeouts", [SHORT], ids=["short"])
async def test_a_peer_that_never_answers_is_noticed(server: FaultyServer, gateway: VaultCaller) -> None:
    """The service has the whole request, so it may have taken effect."""

    async def sleep(exchange: Exchange) -> None:
        await exchange.read_body()
        await anyio.sleep(60)

    server.then(sleep, sleep, sleep)
    for call in (send_part, CALLS["control POST"], CALLS["control GET"]):
        with pytest.raises(StalledTransferError, match="no answer"):
            await call(gateway)
    server.then(sleep)
    with pytest.raises(StalledTransferError) as caught:
        await send_part(gateway)
    assert caught.value.may_have_taken_effect


@pytest.mark.slow
async def test_a_slow_line_is_not_a_stalled_one() -> None:
    """No timer fires while bytes move, however long the body takes."""

    async def sip(exchange: Exchange) -> None:
        left = PART.nbytes
        while left:
            left -= len(await exchange.read_body(min(left, 400_000)))
            exchange.body = b""
            await anyio.sleep(0.1)
        hash_ = HASHES.tree_hash.hex()
        await exchange.answer(204, b"", REQUEST_ID | {"x-amz-sha256-tree-hash": hash_})

    async with (
        faulty_server(receive_buffer=64 * 1024) as server,
        open_gateway(options_for(server, timeouts=replace(SHORT, first_byte=5))) as gateway,
    ):
        server.then(sip)
        began = anyio.current_time()
        await send_part(gateway)
        assert anyio.current_time() - began > 3 * 0.5


@pytest.mark.slow
@pytest.mark.parametrize("at", ["0", "1", "middle", "all but one", "all"])
@pytest.mark.parametrize("how", ["closed", "reset"])
async def test_a_connection_cut_while_sending(at: str, how: str) -> None:
    """The error has the bytes sent; without a complete body the service cannot have acted."""
    size = {"0": 0, "1": 1, "middle": len(PART) // 2, "all but one": len(PART) - 1, "all": len(PART)}[at]

    async def cut(exchange: Exchange) -> None:
        await exchange.read_body(size)
        if how == "reset":
            exchange.reset()

    async def hang_up(exchange: Exchange) -> None:
        await cut(exchange)
        exchange.writer.close()

    moved: list[int] = []
    # A larger receive buffer could take the other half, and the whole body would be on its way.
    async with (
        faulty_server(receive_buffer=64 * 1024) as server,
        open_gateway(options_for(server)) as gateway,
    ):
        server.then(hang_up)
        with pytest.raises(ConnectionLostError, match=rf"after \d+ of {len(PART)} bytes") as caught:
            await send_part(gateway, moved)
        if at == "all":
            assert caught.value.may_have_taken_effect
        if at in {"0", "1", "middle"}:
            assert not caught.value.may_have_taken_effect
            assert sum(moved) == 0
        await send_part(gateway)


async def test_refused_connections(server: FaultyServer) -> None:
    """A refused connection had no effect and may be tried again."""
    async with open_gateway(options_for(server, endpoint_url="http://127.0.0.1:1")) as gateway:
        for call in (send_part, CALLS["control POST"]):
            with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:1") as caught:
                await call(gateway)
            assert caught.value.is_retryable
            assert not caught.value.may_have_taken_effect


async def test_transport_errors_say_whether_to_try_again() -> None:
    """Permanent errors are marked as such."""
    assert not RedirectRefusedError("x", operation="X", origin="a", location="b").is_retryable
    assert not UnexpectedResponseError("x", operation="X", status=200).is_retryable
    assert TransportError("x", operation="X", may_have_taken_effect=True).is_retryable
