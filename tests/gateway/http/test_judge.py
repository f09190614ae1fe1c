"""Answers that are no success of the service's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.errors import RedirectRefusedError, UnexpectedResponseError
from aioglacier.core.limits import MIB
from aioglacier.core.models import ArchiveId
from aioglacier.gateway.contract.protocols import RawRequest
from tests.gateway.faulty import REQUEST_ID, answers, faulty_server
from tests.gateway.vault_calls import CALLS, HASHES, PART, UPLOAD, every_call, send_part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import FaultyServer


@pytest.mark.slow
@every_call
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_refused(
    server: FaultyServer, gateway: VaultCaller, call: Callable[[VaultCaller], Awaitable[Any]], status: int
) -> None:
    """No request and no byte reaches the other place, and the error names both."""
    async with faulty_server() as other:
        server.then(answers(status, b"", REQUEST_ID | {"Location": f"{other.url}/elsewhere"}))
        with pytest.raises(RedirectRefusedError) as caught:
            await call(gateway)
        assert other.requests == []
    assert caught.value.origin == server.url
    assert caught.value.location == f"{other.url}/elsewhere"
    assert server.url in str(caught.value)
    assert other.url in str(caught.value)


@every_call
async def test_a_portals_page_is_no_success(
    server: FaultyServer, gateway: VaultCaller, call: Callable[[VaultCaller], Awaitable[Any]]
) -> None:
    """A page with status 200 is an error; only the raw request returns it."""
    server.then(answers(200, b"<html>Log in</html>", {"Content-Type": "text/html"}))
    if call is CALLS["raw"]:
        assert (await gateway.request(RawRequest("GET", "vaults/photos"))).body == b"<html>Log in</html>"
        return
    with pytest.raises(UnexpectedResponseError, match="proxy or portal") as caught:
        await call(gateway)
    assert not caught.value.may_have_taken_effect


async def test_a_proxys_407_is_unexpected(server: FaultyServer, gateway: VaultCaller) -> None:
    """A refusal without Glacier's code is not Glacier's."""
    server.then(answers(407, b"<html>Who are you?</html>", {}))
    with pytest.raises(UnexpectedResponseError, match="407"):
        await send_part(gateway)


async def test_a_success_that_carries_an_error_is_none(server: FaultyServer, gateway: VaultCaller) -> None:
    """An error document with status 200 is an error."""
    document = json.dumps({"code": "ServiceUnavailableException", "message": "oh", "type": "Server"})
    server.then(answers(201, document.encode()))
    with pytest.raises(UnexpectedResponseError, match="ServiceUnavailableException"):
        await gateway.create_vault("photos")


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"code": "a", "message":' + b"[" * 100_000], ids=["plain", "like an error"]
)
async def test_an_answer_of_a_hundred_thousand_levels(
    server: FaultyServer, gateway: VaultCaller, body: bytes
) -> None:
    """Python reads a thousand levels; deeper documents are unexpected answers in every operation."""
    for call in (gateway.list_jobs("photos"), gateway.describe_vault("photos")):
        server.then(answers(200, body))
        with pytest.raises(UnexpectedResponseError, match="promises"):
            await call


@pytest.mark.parametrize(
    "call",
    [
        lambda gateway: gateway.initiate_multipart_upload("photos", part_size=MIB),
        lambda gateway: gateway.complete_multipart_upload("photos", UPLOAD, size=1, tree_hash=bytes(32)),
        lambda gateway: gateway.upload_archive("photos", PART, hashes=HASHES),
        lambda gateway: gateway.initiate_archive_retrieval("photos", ArchiveId("A")),
        lambda gateway: gateway.initiate_vault_lock("photos", "{}"),
        lambda gateway: gateway.purchase_provisioned_capacity(),
        lambda gateway: gateway.describe_vault("photos"),
        lambda gateway: gateway.list_vaults(),
    ],
    ids=["initiate", "complete", "archive", "job", "lock", "capacity", "describe", "list"],
)
async def test_a_success_without_its_proof_is_none(
    server: FaultyServer, gateway: VaultCaller, call: Callable[[VaultCaller], Awaitable[Any]]
) -> None:
    """A success without id, archive or document is an error, never ``None`` or an empty dict."""
    server.then(answers(201, b"{}"))
    with pytest.raises(UnexpectedResponseError) as caught:
        await call(gateway)
    assert caught.value.may_have_taken_effect
