"""Requests to one origin: where they go, how often, and which answers count."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aioglacier.core.errors import (
    AccessDeniedError,
    IntegrityError,
    ServiceError,
    StalledTransferError,
    ThrottledError,
)
from aioglacier.core.models import JobId
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.connect import open_gateway
from tests.gateway.faulty import (
    KEY_ID,
    REQUEST_ID,
    SECRET,
    SHORT,
    TOKEN,
    Exchange,
    answers,
    glacier,
    options_for,
    refuses,
)
from tests.gateway.vault_calls import CALLS, HASHES, PART, UPLOAD, read_output, send_part

if TYPE_CHECKING:
    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import FaultyServer


@pytest.mark.parametrize("echo", [None, "0" * 64, "not hex"])
async def test_a_part_without_its_echo_does_not_count(
    server: FaultyServer, gateway: VaultCaller, echo: str | None
) -> None:
    """The service must repeat our tree hash."""
    server.then(answers(204, b"", REQUEST_ID | ({} if echo is None else {"x-amz-sha256-tree-hash": echo})))
    with pytest.raises(IntegrityError) as caught:
        await send_part(gateway)
    assert caught.value.expected == HASHES.tree_hash
    assert caught.value.byte_range == ByteRange(0, len(PART))
    assert caught.value.vault == "photos"


async def test_an_archive_stored_with_another_hash_is_named(
    server: FaultyServer, gateway: VaultCaller
) -> None:
    """The archive exists and is wrong, so its id must not be lost."""
    headers = REQUEST_ID | {"x-amz-archive-id": "THE-ID", "x-amz-sha256-tree-hash": "0" * 64}
    server.then(answers(201, b"{}", headers), answers(201, b"{}", headers))
    with pytest.raises(IntegrityError, match="THE-ID") as caught:
        await gateway.upload_archive("photos", PART, hashes=HASHES)
    assert caught.value.archive_id == "THE-ID"
    with pytest.raises(IntegrityError, match="THE-ID"):
        await gateway.complete_multipart_upload("photos", UPLOAD, size=1, tree_hash=HASHES.tree_hash)


@pytest.mark.slow
async def test_waiting_for_a_connection_is_bounded(server: FaultyServer) -> None:
    """When unread outputs hold every connection, the next body fails after a while."""
    async with open_gateway(options_for(server, max_connections=2, timeouts=SHORT)) as gateway:
        async with (
            gateway.get_job_output("photos", JobId("JOB")),
            gateway.get_job_output("photos", JobId("JOB")),
        ):
            with pytest.raises(StalledTransferError, match="all 2 connections") as caught:
                await send_part(gateway)
            assert not caught.value.may_have_taken_effect
            await gateway.describe_vault("photos")
        await send_part(gateway)


async def test_refusals_name_what_to_do(server: FaultyServer, gateway: VaultCaller) -> None:
    """The error has the action to allow, the vault and the service's request id."""
    server.then(refuses(403, "AccessDeniedException", "User: x is not authorized"))
    with pytest.raises(AccessDeniedError, match="glacier:UploadMultipartPart") as caught:
        await send_part(gateway)
    assert "photos" in str(caught.value)
    assert REQUEST_ID["x-amzn-RequestId"] in str(caught.value)
    assert caught.value.upload_id == UPLOAD


async def test_throttling_is_a_400(server: FaultyServer, gateway: VaultCaller) -> None:
    """The code decides, not the status."""
    server.then(refuses(400, "ThrottlingException", "Rate exceeded", {"Retry-After": "7"}))
    with pytest.raises(ThrottledError) as caught:
        await gateway.describe_vault("photos")
    assert caught.value.retry_after_seconds == 7


async def test_a_refusal_before_the_body_ends_the_sending(server: FaultyServer, gateway: VaultCaller) -> None:
    """An early answer counts, and the rest of the body is not sent."""

    async def interrupt(exchange: Exchange) -> None:
        await exchange.read_body(1)
        await exchange.answer(403, b'{"code":"AccessDeniedException","message":"no","type":"Client"}')
        await anyio.sleep(0.2)

    server.then(interrupt)
    moved: list[int] = []
    with pytest.raises(AccessDeniedError):
        await send_part(gateway, moved)
    assert sum(moved) == 0


async def test_secrets_stay_out_of_logs_and_errors(
    server: FaultyServer, gateway: VaultCaller, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG on every logger no key, token or signature appears, nor in any repr or error."""
    texts = [repr(gateway), repr(options_for(server))]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger().setLevel(logging.DEBUG)
        for call in CALLS.values():
            await call(gateway)
        server.otherwise = refuses(500, "ServiceUnavailableException")
        for name, call in CALLS.items():
            if name != "raw":
                with pytest.raises(ServiceError) as caught:
                    await call(gateway)
                texts += [repr(caught.value), str(caught.value)]
    texts += [record.getMessage() for record in caplog.records]
    signatures = [exchange.headers["authorization"].rpartition("=")[2] for exchange in server.requests]
    assert signatures
    for secret in (SECRET, TOKEN, *signatures):
        assert not any(secret in text for text in texts)


async def test_every_request_is_signed_and_carries_the_token(
    server: FaultyServer, gateway: VaultCaller
) -> None:
    """Every request is signed, asks for no compression and keeps no cookie."""
    server.then(answers(200, b"x", REQUEST_ID | {"Set-Cookie": "portal=1"}))
    await read_output(gateway)
    for call in CALLS.values():
        await call(gateway)
    for exchange in server.requests:
        assert f"Credential={KEY_ID}/" in exchange.headers["authorization"]
        assert exchange.headers["x-amz-security-token"] == TOKEN
        assert exchange.headers["x-amz-glacier-version"] == "2012-06-01"
        assert "cookie" not in exchange.headers
        assert exchange.headers.get("accept-encoding") in {None, "identity"}
        if exchange.method != "GET":
            assert "content-length" in exchange.headers


async def test_two_hundred_cancelled_uploads_leave_nothing(server: FaultyServer) -> None:
    """No task and no connection is left, and the next upload works."""

    async def sip(exchange: Exchange) -> None:
        await exchange.read_body(100_000)
        await anyio.sleep(60)

    async with open_gateway(options_for(server, max_connections=50)) as gateway:
        await gateway.describe_vault("photos")
        before = own_tasks()
        server.otherwise = sip
        for _ in range(4):
            with anyio.move_on_after(0.1):
                async with anyio.create_task_group() as group:
                    for _ in range(50):
                        group.start_soon(send_part, gateway)
        server.otherwise = glacier
        await send_part(gateway)
        assert own_tasks() == before


def own_tasks() -> set[asyncio.Task[Any]]:
    """Return every task but the server's."""
    return {task for task in asyncio.all_tasks() if "faulty_server" not in repr(task.get_coro())}
