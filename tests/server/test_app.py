"""Clients that send malformed requests: the answer is 4xx or a closed connection, and others are served."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import create_task_group, fail_after, move_on_after

from aioglacier.server import LocalGlacier
from tests.server.conftest import Boto, hashes, send, serving

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "Host: localhost\r\nx-amz-glacier-version: 2012-06-01\r\n"


async def raw(server: LocalGlacier, *pieces: bytes) -> bytes:
    """Send bytes as they are; everything that comes back until the server closes.

    After half a second the client closes its half, for a server that waits for more.
    """
    received = b""
    async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream), fail_after(20):
            for piece in pieces:
                await stream.send(piece)
            with move_on_after(0.5):
                while True:
                    received += await stream.receive()
            await stream.send_eof()
            while True:
                received += await stream.receive()
    return received


def uploading(size: int | str, **headers: str) -> bytes:
    """Return the head of an UploadArchive with a body of b"x" announced as ``size`` bytes."""
    given = {**hashes(b"x"), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return f"POST /-/vaults/v/archives HTTP/1.1\r\n{HEAD}{lines}Content-Length: {size}\r\n\r\n".encode()


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


async def test_a_body_in_chunks_is_refused(faithful: LocalGlacier) -> None:
    """An upload needs a length."""
    head = uploading("0").replace(b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n")
    answer = await raw(faithful, head, b"1\r\nx\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Required parameter missing: Content-Length" in answer


async def test_100_continue_comes_before_the_body(faithful: LocalGlacier) -> None:
    """The final answer follows the body."""
    await send(faithful, "PUT", "/-/vaults/v")
    async with await anyio.connect_tcp("127.0.0.1", faithful.port) as stream:
        with fail_after(10):
            await stream.send(uploading(1, Expect="100-continue"))
            assert (await stream.receive()).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
            await stream.send(b"x")
            assert (await stream.receive()).startswith(b"HTTP/1.1 201")


async def test_a_refused_expectation_gets_its_answer_at_once(faithful: LocalGlacier) -> None:
    """The answer comes without the body, and the connection ends."""
    async with await anyio.connect_tcp("127.0.0.1", faithful.port) as stream:
        with fail_after(10):
            await stream.send(uploading(10**9, Expect="100-continue"))
            answer = await stream.receive()
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"Connection: close" in answer


async def test_a_body_that_stops_is_answered_with_408(tmp_path: Path) -> None:
    """The upload is refused after the configured time, and none of it is kept."""
    async with LocalGlacier(tmp_path, body_idle_seconds=0.2) as server:
        await send(server, "PUT", "/-/vaults/v")
        async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
            with fail_after(10):
                await stream.send(uploading(100) + b"some")
                answer = await stream.receive()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"code":"RequestTimeoutException"' in answer
        assert list((tmp_path / "incoming").iterdir()) == []
        answer = await raw(
            server, f"POST /-/vaults/v/jobs HTTP/1.1\r\n{HEAD}Content-Length: 9\r\n\r\n{{".encode()
        )
        assert not answer.startswith(b"HTTP/1.1 5")


async def test_a_body_that_ends_early_leaves_nothing(faithful: LocalGlacier, tmp_path: Path) -> None:
    """A client that disconnects in the middle leaves no file."""
    await send(faithful, "PUT", "/-/vaults/v")
    async with await anyio.connect_tcp("127.0.0.1", faithful.port) as stream:
        await stream.send(uploading(100) + b"some")
    await raw(faithful, uploading(100), b"some")
    with fail_after(10):
        while list((tmp_path / "faithful" / "incoming").iterdir()):  # noqa: ASYNC110  # it has no event
            await anyio.sleep(0.01)
    assert (await send(faithful, "GET", "/-/vaults/v")).status == 200


async def test_a_document_too_long_is_refused(faithful: LocalGlacier) -> None:
    """A megabyte of JSON is not a job."""
    await send(faithful, "PUT", "/-/vaults/v")
    answer = await send(faithful, "POST", "/-/vaults/v/jobs", b'{"Type":"' + b"x" * 2**20 + b'"}')
    assert answer.error == (400, "SerializationException")


async def test_requests_in_one_connection_are_answered_in_order(faithful: LocalGlacier) -> None:
    """Pipelined requests are answered in order."""
    one = f"GET /-/vaults/nothere HTTP/1.1\r\n{HEAD}\r\n".encode()
    last = f"GET /-/vaults HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n".encode()
    answer = await raw(faithful, one * 20 + last)
    assert answer.count(b"HTTP/1.1 404") == 20
    assert answer.count(b"HTTP/1.1 200") == 1
    assert answer.index(b"HTTP/1.1 200") > answer.rindex(b"HTTP/1.1 404")


async def test_a_thousand_idle_connections_disturb_nobody(tmp_path: Path) -> None:
    """They are accepted and wait; a request among them is answered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("a process here may not open 2,000 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    streams: list[anyio.abc.SocketStream] = []
    with serving(tmp_path) as (_, url):
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


async def test_a_client_that_takes_no_output_is_cut_off(tmp_path: Path) -> None:
    """A client that stops reading 24 MiB loses its connection."""
    async with LocalGlacier(tmp_path, job_delay=0, inventory_lag=0, body_idle_seconds=0.3) as server:
        boto = Boto(server.url)
        await boto("create_vault")
        job_id = await boto.job(Type="archive-retrieval", ArchiveId=await boto.upload(bytes(24 * 2**20)))
        async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
            await stream.send(f"GET /-/vaults/v/jobs/{job_id}/output HTTP/1.1\r\n{HEAD}\r\n".encode())
            received = len(await stream.receive())
            await anyio.sleep(1.0)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError), fail_after(10):
                while True:
                    received += len(await stream.receive())
        assert received < 24 * 2**20


async def test_an_absolute_target_is_understood(faithful: LocalGlacier) -> None:
    """A client behind a proxy sends the whole URL with the service's host."""
    target = "http://glacier.eu-west-1.amazonaws.com/-/vaults"
    answer = await send(faithful, "GET", target, Host="glacier.eu-west-1.amazonaws.com")
    assert answer.status == 200


async def test_a_head_request_has_no_body(faithful: LocalGlacier) -> None:
    """HEAD is not an operation, and its refusal is only a head."""
    answer = await send(faithful, "HEAD", "/-/vaults")
    assert (answer.status, answer.body) == (404, b"")
