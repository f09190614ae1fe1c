"""Keys that botocore refreshes, that expire, and that are looked up again."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.core.errors import (
    ClockSkewError,
    CredentialsExpiredError,
    InvalidCredentialsError,
    NoCredentialsError,
)
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from tests.gateway.faulty import Exchange, FaultyServer, answers, glacier, options_for, refuses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXPIRED = "The security token included in the request is expired"


class Process:
    """A ``credential_process`` that prints the next of some expiry times at each call."""

    def __init__(self, folder: Path, minutes: Sequence[int]) -> None:
        self._log = folder / "calls"
        self._log.write_text("")
        script = folder / "process.py"
        now = datetime.now(UTC)
        expiries = [(now + timedelta(minutes=some)).isoformat() for some in minutes]
        script.write_text(
            f"import json\n"
            f"with open({str(self._log)!r}, 'a+') as log:\n"
            f"    log.seek(0)\n"
            f"    number = len(log.read())\n"
            f"    log.write('x')\n"
            f"expiries = {expiries!r}\n"
            f"print(json.dumps(dict(Version=1, AccessKeyId=f'KEY{{number}}', SecretAccessKey='s',\n"
            f"    SessionToken=f'TOKEN{{number}}', Expiration=expiries[min(number, len(expiries) - 1)])))\n"
        )
        (folder / "config").write_text(
            f"[default]\nregion = us-east-1\ncredential_process = {sys.executable} {script}\n"
        )

    @property
    def calls(self) -> int:
        """Return how often it ran."""
        return len(self._log.read_text())


def found_options(server: FaultyServer) -> GatewayOptions:
    """Return options without region and keys."""
    return GatewayOptions(endpoint_url=server.url)


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


async def test_role_is_assumed_and_nothing_of_it_logged(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A role signs, and at DEBUG neither its keys nor the keys that assumed it appear."""
    (tmp_path / "config").write_text(
        "[profile role]\nregion = us-east-1\nsource_profile = base\n"
        "role_arn = arn:aws:iam::012345678901:role/archivist\n"
    )
    (tmp_path / "credentials").write_text(
        "[base]\naws_access_key_id = BASE\naws_secret_access_key = base-secret\n"
        "aws_session_token = base-token\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    server.then(
        answers(
            200,
            b'<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
            b"<Credentials><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>"
            b"<SessionToken>role-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
            b"</Credentials></AssumeRoleResult></AssumeRoleResponse>",
            {"Content-Type": "text/xml"},
        )
    )
    with caplog.at_level(logging.DEBUG):
        async with open_gateway(GatewayOptions(profile_name="role", endpoint_url=server.url)) as gateway:
            await gateway.describe_vault("photos")
    assert server.requests[-1].headers["x-amz-security-token"] == "role-token"
    signatures = [exchange.headers["authorization"].rpartition("=")[2] for exchange in server.requests]
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for secret in ("base-secret", "base-token", "role-secret", "role-token", *signatures):
        assert secret not in logged


async def test_identity_shows_where_it_is_from_and_no_key(tmp_path: Path, server: FaultyServer) -> None:
    """A repr may end up in a log."""
    Process(tmp_path, [60])
    async with open_gateway(found_options(server)) as gateway:
        assert repr(gateway._wire._key_source) == "<LiveKeys from custom-process>"


async def test_a_refresh_that_returns_expired_keys_is_an_expiry(server: FaultyServer, tmp_path: Path) -> None:
    """After the service called the first keys expired; botocore raises a bare RuntimeError for that."""
    Process(tmp_path, [60, -5])
    server.then(refuses(403, "ExpiredTokenException", EXPIRED))
    async with open_gateway(found_options(server)) as inner:
        with pytest.raises(CredentialsExpiredError, match="could not be refreshed"):
            await RetryingGateway(inner).describe_vault("photos")
    assert len(server.requests) == 1


async def test_a_process_that_prints_no_json_gives_no_credentials(
    tmp_path: Path, server: FaultyServer
) -> None:
    """The error is one of credentials, whatever botocore raises."""
    (tmp_path / "config").write_text("[default]\nregion = us-east-1\ncredential_process = echo hello\n")
    with pytest.raises(NoCredentialsError, match="finding credentials failed"):
        async with open_gateway(found_options(server)):
            pass
