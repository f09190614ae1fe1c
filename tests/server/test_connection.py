"""HTTP connections: request ids in every answer, and clients that close their half."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from anyio import to_thread

from tests.server.conftest import hashes

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier

HEAD = b"GET /-/vaults HTTP/1.1\r\nHost: localhost\r\nx-amz-glacier-version: 2012-06-01\r\n"


def exchange(server: LocalGlacier, *pieces: bytes) -> bytes:
    """Send bytes, close the sending half at once, and return everything that comes back."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while block := connection.recv(1 << 16):
            received += block
    return received


@pytest.mark.parametrize("character", [b"\x00", b"\x01", b"\x0b", b"\x7f"])
async def test_control_characters_in_a_header_are_refused_with_a_request_id(
    faithful: LocalGlacier, character: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is a document like every other refusal, and the log stays empty."""
    request = HEAD + b"X-Note: a" + character + b"b\r\n\r\n"
    answer = await to_thread.run_sync(exchange, faithful, request)
    assert answer.startswith(b"HTTP/1.0 400 "), answer  # the version was not read either
    assert b"x-amzn-RequestId: " in answer
    assert b'{"code":"BadRequest","message":"The request is not well-formed HTTP: ' in answer
    assert not caplog.records


async def test_a_client_that_closes_its_half_gets_its_answer(faithful: LocalGlacier) -> None:
    """The end of the client's half says that no further request follows, not that it has gone."""
    answer = await to_thread.run_sync(exchange, faithful, HEAD + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert answer.endswith(b'{"Marker":null,"VaultList":[]}')


async def test_an_upload_before_a_closed_half_is_answered(faithful: LocalGlacier) -> None:
    """The bytes are stored and acknowledged before the connection ends."""
    put = HEAD.replace(b"GET /-/vaults", b"PUT /-/vaults/v") + b"Content-Length: 0\r\n\r\n"
    assert (await to_thread.run_sync(exchange, faithful, put)).startswith(b"HTTP/1.1 201 ")
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in hashes(b"x" * 9).items())
    post = HEAD.replace(b"GET /-/vaults", b"POST /-/vaults/v/archives") + fields.encode()
    answer = await to_thread.run_sync(exchange, faithful, post + b"Content-Length: 9\r\n\r\n", b"x" * 9)
    assert answer.startswith(b"HTTP/1.1 201 "), answer
    assert b"x-amz-archive-id: " in answer


async def test_all_requests_before_a_closed_half_are_answered(faithful: LocalGlacier) -> None:
    """Those that wait behind another one, too; only the one whose body was cut is not."""
    cut = HEAD.replace(b"GET /-/vaults", b"PUT /-/vaults/v/access-policy") + b"Content-Length: 10\r\n\r\nabc"
    answer = await to_thread.run_sync(exchange, faithful, (HEAD + b"\r\n") * 20 + cut)
    assert answer.count(b"HTTP/1.1 200 ") == answer.count(b"HTTP/1.1 ") == 20
    answer = await to_thread.run_sync(exchange, faithful, (HEAD + b"\r\n") * 200)
    assert answer.count(b"HTTP/1.1 200 ") == 200


async def test_a_body_cut_by_a_closed_half_gets_no_answer(faithful: LocalGlacier) -> None:
    """A request that has not arrived completely ends with its connection."""
    put = HEAD.replace(b"GET /-/vaults", b"PUT /-/vaults/v/access-policy") + b"Content-Length: 10\r\n\r\nabc"
    assert await to_thread.run_sync(exchange, faithful, put) == b""


async def test_an_idle_connection_ends_with_its_client(faithful: LocalGlacier) -> None:
    """A closed half without a request ends the connection at once."""
    assert await to_thread.run_sync(exchange, faithful) == b""
