"""A TCP proxy that injects trouble at a scripted byte and direction.

It stands between any client and any server, in a thread of its own with its own event loop, so the program
under test may be this process or another. A script reads "reset the first part after 1,000 bytes of body"::

    with proxying(url, Trouble(Kind.RST, where="PUT", since=Since.BODY, at=1000)) as proxy:
        ...  # talk to proxy.url

It follows HTTP just far enough to know where a request begins and ends, and which answer is its own. With
``is_raw``, for TLS, it follows nothing: each connection is then one long request and one long answer.

The proxy touches an answer only after its head has arrived, so trouble at byte 0 of an answer means that the
service has done the work and the client gets no answer.
"""

from __future__ import annotations

import asyncio
import math
import re
import socket
import struct
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Self

from anyio.from_thread import start_blocking_portal
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from anyio.from_thread import BlockingPortal

_BLOCK = 64 * 1024

#: Turns of the loop in which a connection that the system has accepted becomes a task: its transport is made,
#: then connected, then its task begins. Nothing can close it before that.
_TURNS_TO_ACCEPT = 5

#: A rate is kept by pieces of this length.
_TICK_SECONDS = 0.02

#: Longer than any test.
_FOR_GOOD = 3600.0

#: A cut client may go on sending for as long as this before it is reset after all.
_GOODBYE_SECONDS = 5.0


class Kind(StrEnum):
    """A kind of trouble."""

    #: Close the connection on both sides, politely.
    FIN = auto()
    #: Reset it on both sides.
    RST = auto()
    #: Neither read nor forward in this direction for ``seconds``, by default for good.
    FREEZE = auto()
    #: From here on forward ``rate`` bytes a second.
    RATE = auto()
    #: Change one bit of the next byte.
    FLIP = auto()
    #: Deliver the request once more, after its answer has come, and drop that second answer.
    TWICE = auto()
    #: Take the request, close the connection, and deliver it only after the same one was answered again.
    LATE = auto()
    #: Replace the body of the answer by ``rewrite`` of it; the head stays, but for the length.
    REWRITE = auto()


class Way(StrEnum):
    """The direction: of the request or of its answer."""

    UP = auto()
    DOWN = auto()


class Since(StrEnum):
    """The start of counting."""

    START = auto()
    BODY = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Trouble:
    """One scripted trouble.

    Attributes:
        kind: Its kind.
        way: Its direction.
        where: Strikes only requests that have this in their first line, ``Content-Range`` or ``Range``.
        at: The number of bytes before it; from ``Since.END`` it counts backwards and is 0 or negative.
        first: The number of the first of those requests that it strikes, from 1.
        count: The number of requests that it strikes, ``None`` for all.
        rewrite, rewrite_head: Make the body and the head of the answer, for ``Kind.REWRITE``.
    """

    kind: Kind
    way: Way = Way.UP
    where: str = ""
    at: int = 0
    since: Since = Since.START
    first: int = 1
    count: int | None = 1
    seconds: float = math.inf
    rate: float = 1.0
    rewrite: Callable[[bytes], bytes] = bytes
    rewrite_head: Callable[[bytes], bytes] = bytes


@dataclass
class Seen:
    """A request that the proxy forwarded.

    Attributes:
        line: Its first line.
        ranges: Its ``Content-Range`` and ``Range``.
        size: Bytes of its body; infinite without a stated length.
        began: By the monotonic clock.
        up: Bytes of it that were forwarded, head included.
        status: Of the answer, 0 if none came.
        down: Bytes of the answer that were forwarded.
        struck: The troubles that struck it.
    """

    line: str
    ranges: str
    size: float
    began: float = field(default_factory=time.monotonic)
    up: int = 0
    status: int = 0
    down: int = 0
    struck: list[Kind] = field(default_factory=list)


class Proxy:
    """The proxy; made by ``proxying``. Its methods may be called from any thread.

    Attributes:
        target: Where requests go; may be changed for connections to come.
        seen: Every request, in the order they began.
        connections: The number of accepted connections.
    """

    def __init__(self, target: str, *, is_raw: bool, receive_buffer: int | None) -> None:
        self.target = target
        self.seen: list[Seen] = []
        self.connections = 0
        self._is_raw = is_raw
        self._receive_buffer = receive_buffer
        self._waiting: list[_Waiting] = []
        self._late: list[tuple[Seen, bytes]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._portal: BlockingPortal
        self._port = 0

    @property
    def url(self) -> str:
        """Return the URL for clients."""
        return f"{URL(self.target).scheme}://127.0.0.1:{self._port}"

    def add(self, *troubles: Trouble) -> None:
        """Add troubles."""
        self._waiting.extend(_Waiting(trouble) for trouble in troubles)

    def clear(self) -> None:
        """Remove all troubles; frozen connections stay frozen."""
        self._waiting.clear()

    def go_away(self) -> None:
        """Reset every connection, and refuse new ones until ``come_back``."""
        self._portal.call(self._close)

    def come_back(self) -> None:
        """Listen again, on the same port."""
        self._portal.call(self._listen)

    def requests(self, where: str) -> list[Seen]:
        """Return the requests with this text in their first line or ranges."""
        return [one for one in self.seen if where in f"{one.line} {one.ranges}"]

    def struck(self) -> int:
        """Return how often a trouble struck."""
        return sum(len(one.struck) for one in self.seen)

    # --- the life of the proxy, in its own thread

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port))
        if self._receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=_BLOCK)
        self._port = listener.getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            # CPython 3.11 loses a connection that it accepted in the turn before its server is closed.
            for listener in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listener.fileno())
        for _ in range(_TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # an aborted transport closes its socket in the next turn

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._serve(_End(reader, writer))
        except asyncio.CancelledError:
            _reset(writer)
        finally:
            self._tasks.discard(task)

    async def _serve(self, client: _End) -> None:
        try:
            server = await self._connect()
        except OSError:
            _reset(client.writer)
            return
        try:
            while await self._exchange(client, server):
                pass
        except _CutError as cut:
            if cut.is_polite:
                await _say_goodbye(client, server)
            else:
                _reset(client.writer)
                _reset(server.writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            _reset(client.writer)
            _reset(server.writer)
        except asyncio.CancelledError:
            _reset(server.writer)  # closed politely it would stay for what it has not sent yet
            raise
        finally:
            client.writer.close()
            server.writer.close()

    async def _connect(self) -> _End:
        url = URL(self.target)
        reader, writer = await asyncio.open_connection(url.host, url.port, limit=_BLOCK)
        return _End(reader, writer)

    # --- one request and its answer

    async def _exchange(self, client: _End, server: _End) -> bool:
        head = b"" if self._is_raw else await _read_head(client.reader)
        if not head and not self._is_raw:
            return False
        seen = _request(head) if head else Seen("", "", math.inf)
        self.seen.append(seen)
        troubles = self._strike(seen)
        kinds = {trouble.kind for trouble in troubles}
        if Kind.LATE in kinds:
            self._late.append((seen, head + await client.reader.readexactly(int(seen.size))))
            raise _CutError(is_polite=True)
        copy = bytearray() if Kind.TWICE in kinds else None

        async def up() -> None:
            points = _points(troubles, Way.UP, head=len(head), body=seen.size)
            async for piece in _pieces(head, client.reader, len(head) + seen.size, points):
                server.writer.write(piece)
                await server.writer.drain()
                seen.up += len(piece)
                if copy is not None:
                    copy.extend(piece)
            if self._is_raw:
                server.writer.write_eof()

        await _both(up(), self._answer(client, server, seen, troubles, copy))
        return not self._is_raw

    async def _answer(
        self, client: _End, server: _End, seen: Seen, troubles: list[Trouble], copy: bytearray | None
    ) -> None:
        while True:
            head = b"" if self._is_raw else await _read_head(server.reader)
            if not head and not self._is_raw:
                raise ConnectionResetError
            seen.status = int(head.split(b" ", 2)[1]) if head else 0
            if seen.status // 100 != 1:
                break
            client.writer.write(head)
        await self._deliver_again(seen, copy)
        body = math.inf if self._is_raw else _answer_size(seen, head)
        for trouble in troubles:
            if trouble.kind is Kind.REWRITE:
                sent = await server.reader.readexactly(int(body))
                if (written := trouble.rewrite(sent)) != sent:  # a HEAD has a length and no body
                    head = re.sub(rb"(?i)content-length: *\d+", b"content-length: %d" % len(written), head)
                head, body = trouble.rewrite_head(head) + written, 0
        points = _points(troubles, Way.DOWN, head=len(head), body=body)
        async for piece in _pieces(head, server.reader, len(head) + body, points):
            client.writer.write(piece)
            await client.writer.drain()
            seen.down += len(piece)
        if math.isinf(body):
            client.writer.write_eof()

    async def _deliver_again(self, seen: Seen, copy: bytearray | None) -> None:
        """Deliver the requests that the script delays until this one was answered."""
        late = [each for each in self._late if (each[0].line, each[0].ranges) == (seen.line, seen.ranges)]
        self._late = [each for each in self._late if each not in late]
        for again in [*(request for _, request in late), *([bytes(copy)] if copy else [])]:
            server = await self._connect()
            try:
                server.writer.write(again)
                head = await _read_head(server.reader)
                await server.reader.readexactly(int(_answer_size(seen, head)))
            finally:
                server.writer.close()

    def _strike(self, seen: Seen) -> list[Trouble]:
        struck = []
        for waiting in self._waiting:
            trouble = waiting.trouble
            if trouble.where not in f"{seen.line} {seen.ranges}":
                continue
            waiting.met += 1
            if waiting.met >= trouble.first and (trouble.count is None or waiting.struck < trouble.count):
                waiting.struck += 1
                struck.append(trouble)
        seen.struck = [trouble.kind for trouble in struck]
        return struck


@contextmanager
def proxying(
    target: str, *troubles: Trouble, is_raw: bool = False, receive_buffer: int | None = None
) -> Iterator[Proxy]:
    """Run a proxy in front of ``target``; the end of the block closes it and all its connections.

    Args:
        target: An origin, as ``http://127.0.0.1:8080``.
        troubles: The scripted troubles.
        is_raw: Follow no HTTP; for TLS.
        receive_buffer: A small one makes clients wait at once when the proxy does not read.
    """
    proxy = Proxy(target, is_raw=is_raw, receive_buffer=receive_buffer)
    proxy.add(*troubles)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(proxy):
        proxy._portal = portal
        yield proxy


# --- pieces


class _CutError(Exception):
    """The script cuts the connection here."""

    def __init__(self, *, is_polite: bool) -> None:
        super().__init__()
        self.is_polite = is_polite


@dataclass
class _Waiting:
    """A trouble with the numbers of matching and struck requests."""

    trouble: Trouble
    met: int = 0
    struck: int = 0


@dataclass(frozen=True, slots=True)
class _End:
    """One side's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def _both(*works: Coroutine[None, None, None]) -> None:
    """Run both; the first error cancels the other."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


def _points(troubles: list[Trouble], way: Way, *, head: int, body: float) -> deque[tuple[float, Trouble]]:
    """Return the byte at which each trouble strikes a message, in order."""
    origin = {Since.START: 0, Since.BODY: head, Since.END: head + body}
    found = [
        (origin[trouble.since] + trouble.at, trouble)
        for trouble in troubles
        if trouble.way is way and trouble.kind not in {Kind.TWICE, Kind.LATE, Kind.REWRITE}
    ]
    return deque(sorted(found, key=lambda point: point[0]))


async def _pieces(
    block: bytes, reader: asyncio.StreamReader, size: float, points: deque[tuple[float, Trouble]]
) -> AsyncIterator[bytes]:
    """Forward a message whose beginning is already read, with its troubles."""
    offset, rate, is_flipped = 0, math.inf, False
    while True:
        while points and points[0][0] <= offset:
            _, trouble = points.popleft()
            if trouble.kind in {Kind.FIN, Kind.RST}:
                raise _CutError(is_polite=trouble.kind is Kind.FIN)
            if trouble.kind is Kind.FREEZE:
                await asyncio.sleep(min(trouble.seconds, _FOR_GOOD))
            elif trouble.kind is Kind.RATE:
                rate = trouble.rate
            elif trouble.kind is Kind.FLIP:
                is_flipped = True
        if offset >= size:
            return
        if not block:
            block = await reader.read(int(min(_BLOCK, size - offset)))
            if not block:
                if math.isinf(size):
                    return
                raise ConnectionResetError
        most = min(len(block), 1 if is_flipped else _BLOCK, max(1, rate * _TICK_SECONDS))
        if points:
            most = min(most, points[0][0] - offset)
        piece, block = block[: int(most)], block[int(most) :]
        if is_flipped:
            piece, is_flipped = bytes([piece[0] ^ 1]), False
        yield piece
        offset += len(piece)
        if rate < math.inf:
            await asyncio.sleep(len(piece) / rate)


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    """Return the head of a message with its empty line, or nothing at the end of the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _request(head: bytes) -> Seen:
    fields = _fields(head)
    ranges = f"{fields.get('content-range', '')} {fields.get('range', '')}".strip()
    return Seen(head.decode("latin-1").split("\r\n")[0], ranges, float(fields.get("content-length", "0")))


def _answer_size(seen: Seen, head: bytes) -> float:
    status = int(head.split(b" ", 2)[1])
    if seen.line.startswith("HEAD") or status in {204, 304}:
        return 0
    return float(_fields(head).get("content-length", "inf"))


async def _say_goodbye(client: _End, server: _End) -> None:
    """Close both sides with FIN; a close with unread bytes would be a reset, so they are read."""
    for end in (server, client):
        with suppress(OSError):
            end.writer.write_eof()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            while await client.reader.read(_BLOCK):
                pass


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
