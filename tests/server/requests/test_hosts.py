"""The Host header, which shows whether a web page uses a name of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from aioglacier.server import LocalGlacier
from aioglacier.server.protocol.refusal import RefusalError
from aioglacier.server.requests.hosts import check_host
from aioglacier.server.state.server_settings import Settings
from tests.server.conftest import ACCESS_KEY_ID, SECRET_ACCESS_KEY, send

SETTINGS = Settings(Path(), host="192.0.2.7", allowed_hosts=("Depot.example",))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "depot.localhost:80",
        "127.0.0.1:8080",
        "[::1]:8080",
        "192.0.2.7:80",
        "198.51.100.9",
        "depot.example:9000",
        "glacier.eu-west-1.amazonaws.com",
        "glacier.cn-north-1.amazonaws.com.cn",
    ],
)
def test_addresses_and_allowed_names_pass(header: str) -> None:
    """A web page cannot have these as a name of its own."""
    check_host(header, SETTINGS)


@pytest.mark.parametrize(
    "header",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "glacier.eu-west-1.amazonaws.com.evil.example",
        "other.depot.example",
        "[::1",
    ],
)
def test_other_names_are_refused(header: str) -> None:
    """The refusal names the host and the option that allows it."""
    with pytest.raises(RefusalError, match="--allow-host") as refused:
        check_host(header, SETTINGS)
    assert refused.value.status == 403


async def test_without_keys_no_operation_answers_to_a_foreign_name(faithful: LocalGlacier) -> None:
    """The vault API and the control endpoints refuse the name."""
    for method, path in (("GET", "/-/vaults"), ("PUT", "/-/vaults/v"), ("GET", "/_local/status")):
        answer = await send(faithful, method, path, Host=f"evil.example:{faithful.port}")
        assert answer.status == 403
        assert "evil.example" in answer.message
    assert (await send(faithful, "GET", "/-/vaults")).body == b'{"Marker":null,"VaultList":[]}'


async def test_with_keys_the_signature_protects_the_vault_api_only(tmp_path: Path) -> None:
    """A signed request has the name that was signed; control endpoints have no signature."""
    async with LocalGlacier(
        tmp_path, access_key_id=ACCESS_KEY_ID, secret_access_key=SECRET_ACCESS_KEY
    ) as server:
        signature_missing = await send(server, "GET", "/-/vaults", Host="depot.example")
        assert signature_missing.error[1] == "MissingAuthenticationTokenException"
        assert (await send(server, "GET", "/_local/status", Host="evil.example")).status == 403
