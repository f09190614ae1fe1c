"""Bodies of answers: cut, too long, too slow, or left early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.core.errors import StalledTransferError, TemporaryServiceError
from tests.gateway.faulty import SHORT
from tests.gateway.vault_calls import CALLS, send_part

if TYPE_CHECKING:
    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import Exchange, FaultyServer


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


@pytest.mark.slow
@pytest.mark.parametrize("part", ["head", "body"])
@pytest.mark.parametrize("timeouts", [SHORT], ids=["short"])
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
        with anyio.fail_after(60), pytest.raises(StalledTransferError):
            await call(gateway)
