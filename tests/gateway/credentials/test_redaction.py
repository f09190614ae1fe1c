"""No log has a secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from tests.gateway.faulty import FaultyServer, answers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
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
