"""Receiving request bodies: documents whole and bounded, archives in blocks that go straight to disk.

An upload of any length holds at most two blocks of 1 MiB and the transport's read-ahead: one block is filled
from the connection while a thread hashes and writes the block before.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from aiohttp import web
from anyio import create_memory_object_stream, create_task_group, fail_after, to_thread

from aioglacier.core.limits import MIB
from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import ConnectionDroppedError, RefusalError, invalid, missing, refuse
from aioglacier.server.protocol.sigv4 import SignedRequest, nearest_clock

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from aioglacier.server.requests.call import Call, Site, VaultCall
    from aioglacier.server.state.files import Incoming, IncomingFile, Received

R = TypeVar("R")
T = TypeVar("T")

_BLOCK_SIZE: Final = MIB


async def keep(
    call: VaultCall, size: int, record: Callable[[sqlite3.Connection, Received], T]
) -> tuple[Received, T]:
    """Receive an archive's bytes, ``size`` of them, and ``record`` them.

    Raises:
        RefusalError: The body came too slowly, or a hash is not that of the body.
        ConnectionDroppedError: The body ended early.
    """
    incoming = call.site.files.new_incoming()
    return await store(call, incoming, partial(_receive, call, incoming, size), record)


async def store(
    call: Call,
    incoming: IncomingFile,
    receive: Callable[[], Awaitable[R]],
    record: Callable[[sqlite3.Connection, R], T],
) -> tuple[R, T]:
    """Receive a body into a file, ``record`` it, and move the file to its shelf.

    Raises:
        RefusalError: The body came too slowly, or it or its record is refused.
        ConnectionDroppedError: The body ended early.
    """
    await continue_if_expected(call.request)
    try:
        received = await receive()
        await call.faults.before_commit(call.request)
        # A kill from here on leaves a recorded file, which the next start shelves.
        recorded = await call.site.database.write(lambda db: record(db, received))
    except Exception:
        await to_thread.run_sync(incoming.discard, limiter=call.site.disk_limiter)
        raise
    await to_thread.run_sync(call.site.files.shelve, incoming.name, limiter=call.site.disk_limiter)
    await call.faults.after_commit(call.request)  # last, because the file of a recorded body must stay
    return received, recorded


def announced_size(call: VaultCall) -> int:
    """Return the length of an upload's body, and require both hash headers.

    Raises:
        RefusalError: The length or a hash is missing.
    """
    size = content_length(call.request)
    if size is None:
        raise missing("Content-Length")
    call.need_header("x-amz-content-sha256")
    call.need_header("x-amz-sha256-tree-hash")
    return size


async def _receive(call: VaultCall, incoming: Incoming, size: int) -> Received:
    """Receive a body into a file, synced, and check both hashes sent with it."""
    sent_hash = wire.parse_hash("x-amz-sha256-tree-hash", call.need_header("x-amz-sha256-tree-hash"))
    payload_hash = payload_hash_sent(call.request)
    await fill(call, incoming, read_body(call.request, call.site.settings.body_idle_seconds))
    received = await to_thread.run_sync(incoming.finish, limiter=call.site.disk_limiter)
    if received.size != size:  # the client went away
        raise ConnectionDroppedError
    if payload_hash is not None:
        check_payload(payload_hash, received.payload_hash)
    if sent_hash != received.tree_hash:
        raise invalid(f"Checksum mismatch: expected {sent_hash.hex()}, computed {received.tree_hash.hex()}")
    return received


def signed_request(
    site: Site, request: web.BaseRequest, path: str, payload_hash: str
) -> tuple[SignedRequest, datetime]:
    """Return a request as its signature sees it, and the time to judge it by."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), []).append(value)
    now = datetime.now(UTC) + timedelta(seconds=site.settings.clock_skew_seconds)
    ahead = now + timedelta(seconds=site.clock.offset_seconds)  # a client may keep either clock
    date = request.headers.get("x-amz-date") or request.query.get("X-Amz-Date")
    return SignedRequest(request.method, path, headers, payload_hash), nearest_clock(date, now, ahead)


async def fill(call: Call, incoming: IncomingFile, body: AsyncGenerator[bytes, None]) -> None:
    """Write a body to its file as it arrives.

    Raises:
        RefusalError: The body came too slowly, or is refused by its reader.
        ConnectionDroppedError: The body ended early.
        OSError: The file cannot be written.
    """
    offer, take = create_memory_object_stream[list[bytes]](0)  # the next block arrives while one is written
    failures: list[Exception] = []
    async with create_task_group() as tasks:
        tasks.start_soon(_store, call, incoming, take, failures)
        await _offer(call, body, offer, failures)
    if failures:
        raise failures[0]


async def _offer(
    call: Call,
    body: AsyncGenerator[bytes, None],
    offer: MemoryObjectSendStream[list[bytes]],
    failures: list[Exception],
) -> None:
    try:
        async with offer, aclosing(_blocks(call, body)) as blocks:
            async for block in blocks:
                if failures:
                    break
                await offer.send(block)
    except (RefusalError, ConnectionDroppedError) as error:  # kept out of the task group, which would wrap it
        failures.insert(0, error)


async def _store(
    call: Call,
    incoming: IncomingFile,
    take: MemoryObjectReceiveStream[list[bytes]],
    failures: list[Exception],
) -> None:
    async with take:
        async for block in take:
            if failures:
                continue
            try:
                await to_thread.run_sync(incoming.feed, block, limiter=call.site.disk_limiter)
            except OSError as error:
                # The rest of the body is read and dropped, so that the client reads the answer.
                failures.append(error)


async def _blocks(call: Call, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[list[bytes], None]:
    block: list[bytes] = []
    filled = 0
    async with aclosing(body) as pieces:
        async for data in pieces:
            await call.faults.during_body(call.request, len(data))
            block.append(data)
            filled += len(data)
            if filled >= _BLOCK_SIZE:
                yield block
                block, filled = [], 0
    if block:
        yield block


async def read_body(request: web.BaseRequest, idle_seconds: float) -> AsyncGenerator[bytes, None]:
    """Yield a body's bytes as they arrive.

    Raises:
        RefusalError: It stands still.
        ConnectionDroppedError: It ended early.
    """
    while True:
        try:
            with fail_after(idle_seconds):
                data = await request.content.readany()
        except TimeoutError:
            raise refuse(behaviour.REQUEST_TIMED_OUT) from None
        except (web.RequestPayloadError, ConnectionError):
            raise ConnectionDroppedError from None
        if not data:
            return
        yield data


async def read_document(
    request: web.BaseRequest, *, idle_seconds: float, max_size: int = behaviour.MAX_DOCUMENT_SIZE
) -> bytes:
    """Return a body that is a document, or empty.

    Raises:
        RefusalError: It is longer than any document can be, or arrived too slowly.
        ConnectionDroppedError: It ended early.
    """
    if (content_length(request) or 0) > max_size:
        raise refuse(behaviour.DOCUMENT_TOO_LONG)
    if not request.body_exists:
        return b""
    await continue_if_expected(request)
    return b"".join([data async for data in read_body(request, idle_seconds)])


async def continue_if_expected(request: web.BaseRequest) -> None:
    """Send 100 Continue to a client that waits for it before it sends the body."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # or the head of the answer would count as sent


def content_length(request: web.BaseRequest) -> int | None:
    """Return the body's announced length.

    Raises:
        RefusalError: The body comes in chunks without a length.
    """
    if "Transfer-Encoding" in request.headers:  # chunks of HTTP; those of S3 have a length
        raise refuse(behaviour.NO_LENGTH)
    return request.content_length


def payload_hash_sent(request: web.BaseRequest) -> str | None:
    """Return the value of ``x-amz-content-sha256``, in lower case, if the client sent one.

    Raises:
        RefusalError: It is not a SHA-256.
    """
    sent = request.headers.get("x-amz-content-sha256")
    if sent is None:
        return None
    if len(sent) != 64 or not set(sent.lower()) <= set("0123456789abcdef"):
        raise refuse(behaviour.UNSIGNED_PAYLOAD, value=sent)
    return sent.lower()


def check_payload(sent: str, computed: bytes) -> None:
    """Refuse a body that differs from the signed one."""
    if sent != computed.hex():
        raise refuse(behaviour.PAYLOAD_MISMATCH, computed=computed.hex(), expected=sent)
