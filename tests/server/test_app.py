"""Clients that send malformed requests: the answer is 4xx or a closed connection, and others are served."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import create_task_group, fail_after, move_on_after

from aioglacier.server import LocalGlacier
from tests.server.conftest import Boto, raw, send, serving

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "Host: localhost\r\nx-amz-glacier-version: 2012-06-01\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /-/vaults HTTP/9.9\r\n\r\n",
        b"GET /-/vaults HTTP/1.1\r\nno colon\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /-/vaults HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET /-/vaults HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /-/vaults HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"GET /-/vaults/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /-/vaults/v?marker=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /-/vaults HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_malformed_requests_are_refused(faithful: LocalGlacier, request_bytes: bytes) -> None:
    """The answer is a 4xx or a closed connection, never a 5xx or a hang."""
    answer = await raw(faithful, request_bytes)
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:80]
    assert (await send(faithful, "GET", "/-/vaults")).status == 200


async def test_header_bytes_beyond_ascii_do_no_harm(faithful: LocalGlacier) -> None:
    """They are refused in headers that have a meaning, and never echoed unchanged."""
    await send(faithful, "PUT", "/-/vaults/v")
    head = b"POST /-/vaults/v/multipart-uploads HTTP/1.1\r\n" + HEAD.encode()
    for header in (
        b"x-amz-part-size: \xff\xfe",
        b"x-amz-part-size: 1048576\r\nx-amz-archive-description: \xff",
    ):
        answer = await raw(faithful, head + header + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.slow
async def test_no_id_or_name_leaves_the_directory(faithful: LocalGlacier, tmp_path: Path) -> None:
    """Paths in ids and vault names are only text."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    await send(faithful, "PUT", "/-/vaults/v")
    for name in (
        "..%2f..%2fsecret",
        "%2e%2e%2fsecret",
        "..%5csecret",
        "%2fetc%2fpasswd",
        "a%00b",
        "'; DROP TABLE--",
    ):
        quoted = name.replace(" ", "%20")
        for path in (
            f"/-/vaults/{quoted}",
            f"/-/vaults/v/jobs/{quoted}/output",
            f"/-/vaults/v/multipart-uploads/{quoted}",
            f"/-/vaults/v/archives/{quoted}",
        ):
            for method in ("GET", "PUT", "DELETE", "POST"):
                answer = await send(faithful, method, path)
                assert b"secret\n" not in answer.body
                assert answer.status < 500
    assert secret.read_text() == "secret"


async def test_requests_in_one_connection_are_answered_in_order(faithful: LocalGlacier) -> None:
    """Pipelined requests are answered in order."""
    one = f"GET /-/vaults/nothere HTTP/1.1\r\n{HEAD}\r\n".encode()
    last = f"GET /-/vaults HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n".encode()
    answer = await raw(faithful, one * 20 + last)
    assert answer.count(b"HTTP/1.1 404") == 20
    assert answer.count(b"HTTP/1.1 200") == 1
    assert answer.index(b"HTTP/1.1 200") > answer.rindex(b"HTTP/1.1 404")


@pytest.mark.slow
async def test_a_thousand_idle_connections_disturb_nobody(tmp_path: Path) -> None:
    """They are accepted and wait; a request among them is answered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("a process here may not open 2,000 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    streams: list[anyio.abc.SocketStream] = []
    with serving(tmp_path) as (process, url):
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
        port = int(url.rpartition(":")[2])

        async def connect() -> None:
            streams.append(await anyio.connect_tcp("127.0.0.1", port))

        for _ in range(20):
            async with create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(connect)
        assert len(streams) == 1000
        with fail_after(10):
            await Boto(url)("create_vault")
        for stream in streams:
            await stream.aclose()


async def test_a_head_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    """A byte now and then does not keep a connection open."""
    async with (
        LocalGlacier(tmp_path, head_idle_seconds=0.3) as server,
        await anyio.connect_tcp("127.0.0.1", server.port) as stream,
    ):
        with fail_after(10), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await stream.send(b"GET /-/vaults HTTP/1.1\r\n")
            while True:
                await stream.send(b"X: y\r\n")
                with move_on_after(0.05):
                    await stream.receive()
        assert (await send(server, "GET", "/-/vaults")).status == 200


async def test_an_absolute_target_is_understood(faithful: LocalGlacier) -> None:
    """A client behind a proxy sends the whole URL with the service's host."""
    target = "http://glacier.eu-west-1.amazonaws.com/-/vaults"
    answer = await send(faithful, "GET", target, Host="glacier.eu-west-1.amazonaws.com")
    assert answer.status == 200


async def test_a_head_request_has_no_body(faithful: LocalGlacier) -> None:
    """HEAD is not an operation, and its refusal is only a head."""
    answer = await send(faithful, "HEAD", "/-/vaults")
    assert (answer.status, answer.body) == (404, b"")
