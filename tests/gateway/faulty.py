"""A server that misbehaves by script, and the options to talk to it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aioglacier.core.treehash import hash_part
from aioglacier.gateway.contract.options import GatewayOptions, Timeouts

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "a-session-token-that-must-stay-secret"
REQUEST_ID = {"x-amzn-RequestId": "AAABBBCCC"}


@dataclass
class Exchange:
    """One incoming request and its connection."""

    method: str
    target: str
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    body: bytes = b""

    async def read_body(self, size: int | None = None) -> bytes:
        """Read all of the body, or ``size`` bytes."""
        length = int(self.headers.get("content-length", "0")) if size is None else size
        self.body += await self.reader.readexactly(length)
        return self.body

    async def send(self, text: bytes) -> None:
        """Send raw bytes."""
        self.writer.write(text)
        await self.writer.drain()

    async def answer(
        self,
        status: int,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        length: int | None = None,
    ) -> None:
        """Send a whole answer, or one that promises another ``length``."""
        lines = [f"HTTP/1.1 {status} Status"]
        lines += [f"{name}: {value}" for name, value in (REQUEST_ID if headers is None else headers).items()]
        if status != 204:
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        sent = b"" if self.method == "HEAD" else body
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + sent)

    def reset(self) -> None:
        """Cut the connection with RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class FaultyServer:
    """Answers each request by the next behaviour of its script, or by ``otherwise`` after the last."""

    port: int = 0
    scheme: str = "http"
    script: deque[Callable[[Exchange], Awaitable[None]]] = field(default_factory=deque)
    otherwise: Callable[[Exchange], Awaitable[None]] | None = None
    requests: list[Exchange] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return its origin."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def then(self, *behaviours: Callable[[Exchange], Awaitable[None]]) -> None:
        """Continue the script."""
        self.script.extend(behaviours)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while head := await _read_head(reader):
                line, *fields = head.decode("latin-1").split("\r\n")
                method, target, _ = line.split(" ")
                headers = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (field_.partition(":") for field_ in fields)
                }
                exchange = Exchange(method, target, headers, reader, writer)
                self.requests.append(exchange)
                behaviour = self.script.popleft() if self.script else self.otherwise or glacier
                await behaviour(exchange)
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or the server is closed while a behaviour waits
        finally:
            writer.close()


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n\r\n"))[:-4]
    except asyncio.IncompleteReadError:
        return b""


async def glacier(exchange: Exchange) -> None:
    """Behave: echo hashes, give ids, describe a vault."""
    body = await exchange.read_body()
    target, method = exchange.target, exchange.method
    headers = dict(REQUEST_ID)
    if "x-amz-sha256-tree-hash" in exchange.headers and method != "GET":
        headers["x-amz-sha256-tree-hash"] = (
            hash_part(body).tree_hash.hex() if body else exchange.headers["x-amz-sha256-tree-hash"]
        )
    if method == "PUT" and "/multipart-uploads/" in target:
        await exchange.answer(204, headers=headers)
    elif method == "POST" and target.endswith("/multipart-uploads"):
        await exchange.answer(201, b"{}", headers | {"x-amz-multipart-upload-id": "UPLOAD"})
    elif method == "POST" and ("/multipart-uploads/" in target or target.endswith("/archives")):
        await exchange.answer(201, b"{}", headers | {"x-amz-archive-id": "ARCHIVE"})
    elif method == "POST" and target.endswith("/jobs"):
        await exchange.answer(202, b"{}", headers | {"x-amz-job-id": "JOB"})
    elif method == "POST" and target.endswith("/lock-policy"):
        await exchange.answer(201, b"{}", headers | {"x-amz-lock-id": "LOCK"})
    elif method == "DELETE":
        await exchange.answer(204, headers=headers)
    elif method == "GET":
        await exchange.answer(200, json.dumps(VAULT).encode(), headers)
    else:
        await exchange.answer(201, b"{}", headers)


VAULT = {
    "CreationDate": "2026-11-20T10:00:00.123Z",
    "LastInventoryDate": None,
    "NumberOfArchives": None,
    "SizeInBytes": None,
    "VaultARN": "arn:aws:glacier:us-east-1:012345678901:vaults/photos",
    "VaultName": "photos",
}


def answers(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> Callable[[Exchange], Awaitable[None]]:
    """Read the request, then give this answer."""

    async def behave(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.answer(status, body, headers)

    return behave


def refuses(
    status: int, code: str, message: str = "no", headers: dict[str, str] | None = None
) -> Callable[[Exchange], Awaitable[None]]:
    """Read the request, then refuse it as the service does."""
    document = json.dumps({"code": code, "message": message, "type": "Client"}).encode()
    return answers(status, document, REQUEST_ID | (headers or {}))


@asynccontextmanager
async def faulty_server(
    context: ssl.SSLContext | None = None, *, receive_buffer: int | None = None
) -> AsyncIterator[FaultyServer]:
    """Run a server on a free port; with a small ``receive_buffer`` a slow reader stops the sender."""
    faulty = FaultyServer(scheme="https" if context else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await faulty.serve(reader, writer)
        finally:
            tasks.discard(task)

    listener = socket.create_server(("127.0.0.1", 0))
    if receive_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    server = await asyncio.start_server(accept, sock=listener, ssl=context)
    faulty.port = server.sockets[0].getsockname()[1]
    try:
        yield faulty
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


#: For tests that wait for a fault to be noticed; on a busy machine a sound exchange can be silent as long.
SHORT = Timeouts(connect=2.0, stall=0.5, first_byte=0.5)

#: No test that passes waits so long.
PATIENT = Timeouts(connect=30, stall=30, first_byte=30)


def options_for(server: FaultyServer, **others: Any) -> GatewayOptions:
    """Return options without retries, with timeouts that only a fault exceeds."""
    given: dict[str, Any] = {
        "region_name": "us-east-1",
        "endpoint_url": server.url,
        "aws_access_key_id": KEY_ID,
        "aws_secret_access_key": SECRET,
        "aws_session_token": TOKEN,
        "timeouts": PATIENT,
    }
    return GatewayOptions(**(given | others))
