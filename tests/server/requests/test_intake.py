"""Bodies on their way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import fail_after

from aioglacier.server import LocalGlacier
from tests.server.conftest import hashes, raw, send

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "Host: localhost\r\nx-amz-glacier-version: 2012-06-01\r\n"


def uploading(size: int | str, **headers: str) -> bytes:
    """Return the head of an UploadArchive with a body of b"x" announced as ``size`` bytes."""
    given = {**hashes(b"x"), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return f"POST /-/vaults/v/archives HTTP/1.1\r\n{HEAD}{lines}Content-Length: {size}\r\n\r\n".encode()


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


@pytest.mark.slow
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
