"""Requests to one origin: where they go, how often, and which answers count."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aioglacier.core.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ConnectionLostError,
    IntegrityError,
    RedirectRefusedError,
    ServiceError,
    StalledTransferError,
    TemporaryServiceError,
    ThrottledError,
    TransportError,
    UnexpectedResponseError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.models import ArchiveId, JobId, UploadId
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.aws import open_gateway
from tests.gateway.faulty import (
    KEY_ID,
    REQUEST_ID,
    SECRET,
    SHORT,
    TOKEN,
    Exchange,
    answers,
    faulty_server,
    glacier,
    options_for,
    refuses,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import FaultyServer

PART = memoryview(bytes(range(256)) * (8 * MIB // 256))
HASHES = hash_part(PART)
UPLOAD = UploadId("UPLOAD")


async def send_part(gateway: VaultCaller, moved: list[int] | None = None) -> None:
    """Send one part of 8 MiB."""
    await gateway.upload_multipart_part(
        "photos", UPLOAD, PART, start=0, hashes=HASHES, progress=None if moved is None else moved.append
    )


async def read_output(gateway: VaultCaller, byte_range: ByteRange | None = None) -> bytes:
    """Return all bytes of a job's output."""
    async with gateway.get_job_output("photos", JobId("JOB"), byte_range) as output:
        return b"".join([block async for block in output])


CALLS: dict[str, Callable[[VaultCaller], Awaitable[Any]]] = {
    "control GET": lambda gateway: gateway.describe_vault("photos"),
    "control PUT": lambda gateway: gateway.create_vault("photos"),
    "control POST": lambda gateway: gateway.initiate_vault_lock("photos", "{}"),
    "control DELETE": lambda gateway: gateway.delete_archive("photos", ArchiveId("A")),
    "part": send_part,
    "archive": lambda gateway: gateway.upload_archive("photos", PART, hashes=HASHES),
    "output": read_output,
    "raw": lambda gateway: gateway.request("GET", "vaults/photos"),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


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
        assert (await gateway.request("GET", "vaults/photos")).body == b"<html>Log in</html>"
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


async def test_an_answer_that_is_no_http(server: FaultyServer, gateway: VaultCaller) -> None:
    """Garbage is no broken connection and is not retried as one."""

    async def babble(exchange: Exchange) -> None:
        await exchange.send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    server.then(babble)
    with pytest.raises((UnexpectedResponseError, ConnectionLostError)):
        await gateway.describe_vault("photos")


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
    assert anyio.current_time() - began < 3
    assert not caught.value.may_have_taken_effect
    assert max(moved) > 0
    assert sum(moved) == 0


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


async def test_waiting_for_a_connection_is_bounded(server: FaultyServer) -> None:
    """When unread outputs hold every connection, the next body fails after a while."""
    async with open_gateway(options_for(server, max_connections=2)) as gateway:
        async with (
            gateway.get_job_output("photos", JobId("JOB")),
            gateway.get_job_output("photos", JobId("JOB")),
        ):
            with pytest.raises(StalledTransferError, match="all 2 connections") as caught:
                await send_part(gateway)
            assert not caught.value.may_have_taken_effect
            await gateway.describe_vault("photos")
        await send_part(gateway)


async def test_refused_connections(server: FaultyServer) -> None:
    """A refused connection had no effect and may be tried again."""
    async with open_gateway(options_for(server, endpoint_url="http://127.0.0.1:1")) as gateway:
        for call in (send_part, CALLS["control POST"]):
            with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:1") as caught:
                await call(gateway)
            assert caught.value.is_retryable
            assert not caught.value.may_have_taken_effect


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


async def test_transport_errors_say_whether_to_try_again() -> None:
    """Permanent errors are marked as such."""
    assert not RedirectRefusedError("x", operation="X", origin="a", location="b").is_retryable
    assert not UnexpectedResponseError("x", operation="X", status=200).is_retryable
    assert TransportError("x", operation="X", may_have_taken_effect=True).is_retryable
