"""Keys that botocore refreshes, that expire, and that are looked up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.core.errors import ClockSkewError, CredentialsExpiredError, InvalidCredentialsError
from aioglacier.gateway.connect import find_line, open_gateway, open_s3_gateway
from aioglacier.gateway.contract.protocols import RawRequest
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from tests.gateway.credentials.conftest import Process, found_options
from tests.gateway.faulty import Exchange, FaultyServer, glacier, options_for, refuses

if TYPE_CHECKING:
    from pathlib import Path

EXPIRED = "The security token included in the request is expired"


@pytest.mark.slow
async def test_sixteen_tasks_that_need_a_refresh_cause_one(server: FaultyServer, tmp_path: Path) -> None:
    """The first token is nearly over, so every task asks, and one refreshes."""
    process = Process(tmp_path, [5, 60])
    async with open_gateway(found_options(server)) as gateway:
        assert process.calls == 1
        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(gateway.describe_vault, "photos")
    assert process.calls == 2
    assert {exchange.headers["x-amz-security-token"] for exchange in server.requests} == {"TOKEN1"}


async def test_token_that_the_service_calls_expired_is_replaced(server: FaultyServer, tmp_path: Path) -> None:
    """A token that the service calls expired is looked up once, and the call goes on."""
    process = Process(tmp_path, [60])

    async def choosy(exchange: Exchange) -> None:
        is_old = exchange.headers["x-amz-security-token"] == "TOKEN0"
        await (refuses(403, "ExpiredTokenException", EXPIRED) if is_old else glacier)(exchange)

    server.otherwise = choosy
    async with open_gateway(found_options(server)) as inner:
        gateway = RetryingGateway(inner)
        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(gateway.describe_vault, "photos")
    assert process.calls == 2
    assert 16 < len(server.requests) <= 32


async def test_explicit_token_that_expired_stops_at_once(server: FaultyServer) -> None:
    """An explicit token has no other source: after one request no more is sent."""
    server.otherwise = refuses(403, "ExpiredTokenException", EXPIRED)
    async with open_gateway(options_for(server)) as inner:
        gateway = RetryingGateway(inner)
        for _ in range(3):
            with pytest.raises(CredentialsExpiredError):
                await gateway.describe_vault("photos")
    assert len(server.requests) == 1


async def test_token_in_the_file_that_expired_is_read_again(server: FaultyServer, tmp_path: Path) -> None:
    """A new token in the credentials file is found and used."""
    (tmp_path / "config").write_text("[default]\nregion = us-east-1\n")

    def write(token: str) -> None:
        (tmp_path / "credentials").write_text(
            f"[default]\naws_access_key_id = A\naws_secret_access_key = B\naws_session_token = {token}\n"
        )

    write("OLD")
    async with open_gateway(found_options(server)) as inner:
        gateway = RetryingGateway(inner)
        server.then(refuses(403, "ExpiredTokenException", EXPIRED))
        with pytest.raises(CredentialsExpiredError, match="no newer ones"):
            await gateway.describe_vault("photos")
        write("NEW")
        await gateway.describe_vault("photos")
    assert [exchange.headers["x-amz-security-token"] for exchange in server.requests] == ["OLD", "NEW"]


async def test_refresh_that_fails_while_the_token_is_over(server: FaultyServer, tmp_path: Path) -> None:
    """No request is sent with an expired token."""
    process = Process(tmp_path, [0, -5])
    async with open_gateway(found_options(server)) as gateway:
        with pytest.raises(CredentialsExpiredError, match="could not be refreshed"):
            await gateway.describe_vault("photos")
    assert process.calls == 2
    assert server.requests == []


async def test_refresh_that_fails_while_the_token_is_good(
    server: FaultyServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The old token is used with a warning, and not every request asks for another."""
    process = Process(tmp_path, [5, -5])
    async with open_gateway(found_options(server)) as gateway:
        for _ in range(3):
            await gateway.describe_vault("photos")
    assert process.calls == 2
    assert {exchange.headers["x-amz-security-token"] for exchange in server.requests} == {"TOKEN0"}
    assert "good until" in caplog.text


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("InvalidSignatureException", "The request signature we calculated", InvalidCredentialsError),
        ("UnrecognizedClientException", "The security token is invalid.", InvalidCredentialsError),
        ("InvalidSignatureException", "Signature expired: A is now earlier than B", ClockSkewError),
    ],
)
async def test_keys_and_clocks_that_are_wrong_take_one_request(
    server: FaultyServer, code: str, message: str, kind: type[Exception]
) -> None:
    """A refusal of the key or the clock is not retried."""
    server.otherwise = refuses(403, code, message, {"Date": "Tue, 24 Nov 2026 12:00:00 GMT"})
    async with open_gateway(options_for(server)) as inner:
        with pytest.raises(kind):
            await RetryingGateway(inner).describe_vault("photos")
    assert len(server.requests) == 1


@pytest.mark.slow
async def test_a_refresh_that_returns_expired_keys_is_an_expiry(server: FaultyServer, tmp_path: Path) -> None:
    """After the service called the first keys expired; botocore raises a bare RuntimeError for that."""
    Process(tmp_path, [60, -5])
    server.then(refuses(403, "ExpiredTokenException", EXPIRED))
    async with open_gateway(found_options(server)) as inner:
        with pytest.raises(CredentialsExpiredError, match="could not be refreshed"):
            await RetryingGateway(inner).describe_vault("photos")
    assert len(server.requests) == 1


async def test_both_services_of_a_connection_get_keys_once(server: FaultyServer, tmp_path: Path) -> None:
    """A program that gives keys may ask the user, so S3 takes those that the vaults have."""
    process = Process(tmp_path, [600])
    options = found_options(server)
    line = await find_line(options)
    async with open_gateway(options, line=line) as vaults, open_s3_gateway(options, line=line) as s3:
        for gateway in (vaults, s3):
            await gateway.request(RawRequest("GET", "/"))
    assert process.calls == 1
