"""The proxy injects exactly the scripted trouble; without a script it changes nothing."""

from __future__ import annotations

import hashlib
import http.client
import http.server
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import Kind, Proxy, Since, Trouble, Way, proxying

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = bytes(range(256)) * 400


class Echo(http.server.BaseHTTPRequestHandler):
    """A handler that returns the request's body and counts requests."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_PUT(self) -> None:
        """Echo."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Server(http.server.ThreadingHTTPServer):
    """The server of echoes."""

    bodies: list[bytes]

    def handle_error(self, *_: object) -> None:
        """Ignore clients that leave, which is intended here."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Yield a server of echoes on a free port."""
    bodies: list[bytes] = []
    handler = type("Handler", (Echo,), {"bodies": bodies})
    with Server(("127.0.0.1", 0), handler) as server:
        server.bodies = bodies
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def troubled(server: Server, *troubles: Trouble, is_raw: bool = False) -> Iterator[Proxy]:
    """Run a proxy before the server."""
    with proxying(f"http://127.0.0.1:{server.server_port}", *troubles, is_raw=is_raw) as proxy:
        yield proxy


def put(proxy: Proxy, path: str = "/a", body: bytes = BODY) -> bytes:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("PUT", path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("is_raw", [False, True])
def test_without_a_script_nothing_changes(server: Server, *, is_raw: bool) -> None:
    """Requests and answers pass unchanged, also several on one connection."""
    with troubled(server, is_raw=is_raw) as proxy:
        connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=10)
        for body in (BODY, b"", BODY[:99]):
            connection.request("PUT", "/a", body)
            assert connection.getresponse().read() == body
        connection.close()
        assert server.bodies == [BODY, b"", BODY[:99]]
        assert proxy.connections == 1
        assert len(proxy.requests("PUT")) == (0 if is_raw else 3)


@pytest.mark.parametrize("kind", [Kind.FIN, Kind.RST])
@pytest.mark.parametrize(
    ("since", "at"), [(Since.START, 0), (Since.BODY, 0), (Since.BODY, 5000), (Since.END, 0)]
)
def test_a_connection_is_cut_at_a_byte(server: Server, kind: Kind, since: Since, at: int) -> None:
    """The given number of bytes is forwarded, the client's connection ends, and the next request works."""
    with troubled(server, Trouble(kind, where="/a", since=since, at=at)) as proxy:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            put(proxy)
        (seen,) = proxy.requests("/a")
        head = seen.up - {Since.BODY: at, Since.END: len(BODY)}.get(since, 0)
        assert seen.up == 0 if since is Since.START else 0 < head < 200
        assert put(proxy) == BODY
        assert proxy.struck() == 1


def test_an_answer_is_swallowed(server: Server) -> None:
    """The server has done its work, and the client gets no answer."""
    with troubled(server, Trouble(Kind.FIN, Way.DOWN)) as proxy:
        with pytest.raises(http.client.RemoteDisconnected):
            put(proxy)
        assert server.bodies == [BODY]
        assert (proxy.seen[0].status, proxy.seen[0].down) == (200, 0)


def test_an_answer_is_cut_short(server: Server) -> None:
    """The head and some of the body arrive."""
    with troubled(server, Trouble(Kind.FIN, Way.DOWN, since=Since.BODY, at=1000)) as proxy:
        with pytest.raises(http.client.IncompleteRead) as caught:
            put(proxy)
        assert caught.value.partial == BODY[:1000]


@pytest.mark.parametrize("way", list(Way))
def test_a_bit_is_flipped(server: Server, way: Way) -> None:
    """One byte differs, in one direction."""
    with troubled(server, Trouble(Kind.FLIP, way, since=Since.BODY, at=77)) as proxy:
        answer = put(proxy)
        assert [(i, a ^ b) for i, (a, b) in enumerate(zip(answer, BODY, strict=True)) if a != b] == [(77, 1)]
        assert (server.bodies == [BODY]) is (way is Way.DOWN)


@pytest.mark.slow
def test_a_delay_and_a_rate_take_their_time(server: Server) -> None:
    """A pause begins at one byte, and a rate limit at another."""
    pause = Trouble(Kind.FREEZE, at=10, seconds=0.2)
    slow = Trouble(Kind.RATE, Way.DOWN, since=Since.BODY, rate=len(BODY) * 2)
    with troubled(server, pause, slow) as proxy:
        began = time.monotonic()
        assert put(proxy) == BODY
        assert time.monotonic() - began > 0.6


def test_a_frozen_request_is_not_read(server: Server) -> None:
    """The client's bytes stay in the kernel, and nothing comes back."""
    with troubled(server, Trouble(Kind.FREEZE, since=Since.BODY, at=3)) as proxy:
        connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=0.3)
        with pytest.raises(TimeoutError):
            connection.request("PUT", "/a", bytes(50_000_000))
        connection.close()
        assert proxy.seen[0].up < 300
        assert server.bodies == []


def test_a_request_is_delivered_twice(server: Server) -> None:
    """The server performs the request twice, and the client gets one answer."""
    with troubled(server, Trouble(Kind.TWICE)) as proxy:
        assert put(proxy) == BODY
        assert server.bodies == [BODY, BODY]


def test_a_late_request_lands_after_its_repetition(server: Server) -> None:
    """The first attempt looks lost, the second is answered after both have arrived."""
    with troubled(server, Trouble(Kind.LATE)) as proxy:
        with pytest.raises(http.client.RemoteDisconnected):
            put(proxy)
        assert server.bodies == []
        assert put(proxy, "/b", b"other") == b"other"
        assert put(proxy) == BODY
        assert server.bodies == [b"other", BODY, BODY]


def test_first_and_count_choose_occurrences(server: Server) -> None:
    """Only the second and third matching requests are struck."""
    with troubled(server, Trouble(Kind.FIN, where="/a", first=2, count=2)) as proxy:
        outcomes = []
        for path in ("/a", "/b", "/a", "/a", "/a"):
            try:
                outcomes.append(put(proxy, path) == BODY)
            except http.client.RemoteDisconnected:
                outcomes.append(False)
        assert outcomes == [True, True, False, False, True]


def test_a_proxy_can_be_away_for_a_while(server: Server) -> None:
    """Connections are refused until the proxy is back at the same address."""
    with troubled(server) as proxy:
        assert put(proxy) == BODY
        proxy.go_away()
        with pytest.raises(ConnectionRefusedError):
            put(proxy)
        proxy.come_back()
        assert put(proxy) == BODY


def test_troubles_strike_raw_connections_too(server: Server) -> None:
    """Offsets count from the beginning of the connection."""
    with troubled(server, Trouble(Kind.RST, at=500), is_raw=True) as proxy:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            put(proxy)
        assert proxy.seen[0].up == 500
        assert hashlib.sha256(put(proxy)).digest() == hashlib.sha256(BODY).digest()
