"""A job's output over several connections, over real sockets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import ConnectionLostError, JobNotFoundError, UnexpectedResponseError
from aioglacier.core.limits import MIB
from aioglacier.core.models import JobId
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import tree_hash
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from tests.gateway.faulty import REQUEST_ID, Exchange, FaultyServer, options_for, refuses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.gateway.vaults.gateway import Gateway

OUTPUT = bytes(range(251)) * (3 * MIB // 251 + 1)
JOB = JobId("JOB")


def serves(
    *, cut_after: int | None = None, total: int = len(OUTPUT)
) -> Callable[[Exchange], Awaitable[None]]:
    """Return a behaviour that serves the requested range and cuts the connection after some bytes."""

    async def behave(exchange: Exchange) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", exchange.headers.get("range", ""))
        start, stop = (int(asked[1]), int(asked[2]) + 1) if asked else (0, total)
        body = OUTPUT[start:stop]
        headers = REQUEST_ID | {"x-amz-sha256-tree-hash": tree_hash(body).hex()}
        if asked:
            headers |= {"Content-Range": f"bytes {start}-{stop - 1}/{total}"}
        await exchange.answer(206 if asked else 200, body[:cut_after], headers, length=len(body))
        if cut_after is not None:
            exchange.writer.close()

    return behave


@pytest.fixture
async def gateway(server: FaultyServer) -> AsyncIterator[Gateway]:
    """Yield a retrying gateway with short waits."""
    server.otherwise = serves()
    async with open_gateway(options_for(server)) as inner:
        yield RetryingGateway(inner, RetryPolicy(first_ceiling_seconds=0.001, longest_wait_seconds=0.001))


async def read(gateway: Gateway, byte_range: ByteRange | None = None) -> tuple[bytes, bytes | None]:
    """Return the output and its hash."""
    async with gateway.get_job_output("photos", JOB, byte_range) as output:
        block = b"".join([block async for block in output])
        assert output.size == len(block)
        assert output.total == len(OUTPUT)
        return block, output.head


@pytest.mark.parametrize("byte_range", [None, ByteRange(MIB, 2 * MIB), ByteRange(5, 1_000_005)])
async def test_output_is_continued_not_repeated(
    server: FaultyServer, gateway: Gateway, byte_range: ByteRange | None
) -> None:
    """After three cuts, one before any byte, each byte arrives once, with the first answer's hash."""
    server.then(serves(cut_after=300_000), serves(cut_after=0), serves(cut_after=100_000))
    whole = byte_range or ByteRange(0, len(OUTPUT))
    expected = OUTPUT[whole.start : whole.stop]
    assert await read(gateway, byte_range) == (expected, tree_hash(expected))
    asked = [exchange.headers.get("range") for exchange in server.requests]
    assert asked[0] == (f"bytes={byte_range}" if byte_range else None)
    assert all(each is not None and each.endswith(f"-{whole.stop - 1}") for each in asked[1:])
    assert len(asked) == 4


async def test_output_that_is_gone_in_the_middle(server: FaultyServer, gateway: Gateway) -> None:
    """If the job has expired meanwhile, its error ends the reading."""
    server.then(
        serves(cut_after=1000), refuses(404, "ResourceNotFoundException", "The job ID was not found: JOB")
    )
    with pytest.raises(JobNotFoundError):
        await read(gateway)


async def test_output_that_changed_its_size(server: FaultyServer, gateway: Gateway) -> None:
    """An output of another length is an error."""
    server.then(serves(cut_after=1000), serves(total=len(OUTPUT) + 1))
    with pytest.raises(UnexpectedResponseError, match="now has"):
        await read(gateway)


async def test_output_that_came_whole_needs_no_end(server: FaultyServer, gateway: Gateway) -> None:
    """The end of an answer that tells no length is lost after the last byte: nothing more is asked for."""

    async def endless(exchange: Exchange) -> None:
        await exchange.read_body()
        head = [f"{name}: {value}" for name, value in REQUEST_ID.items()]
        head += ["Transfer-Encoding: chunked", f"Content-Range: bytes 0-4/{len(OUTPUT)}"]
        lines = "\r\n".join(["HTTP/1.1 206 Partial Content", *head, "", "5", ""])
        exchange.writer.write(lines.encode() + OUTPUT[:5] + b"\r\n")
        exchange.writer.close()

    server.then(endless)
    assert await read(gateway, ByteRange(0, 5)) == (OUTPUT[:5], None)
    assert len(server.requests) == 1


async def _short_page(exchange: Exchange) -> None:
    await exchange.answer(200, b"<html>Please log in</html>", REQUEST_ID)


async def _short_body(exchange: Exchange) -> None:
    headers = REQUEST_ID | {"Content-Range": f"bytes 0-{MIB - 1}/{len(OUTPUT)}"}
    await exchange.answer(206, OUTPUT[:1000], headers)


async def _short_range(exchange: Exchange) -> None:
    headers = REQUEST_ID | {"Content-Range": f"bytes 0-999/{len(OUTPUT)}"}
    await exchange.answer(206, OUTPUT[:1000], headers)


@pytest.mark.parametrize(
    ("behaviour", "byte_range"),
    [(_short_page, None), (_short_body, ByteRange(0, MIB)), (_short_range, ByteRange(0, MIB))],
)
async def test_an_answer_with_fewer_bytes_is_asked_for_again(
    server: FaultyServer,
    gateway: Gateway,
    behaviour: Callable[[Exchange], Awaitable[None]],
    byte_range: ByteRange | None,
) -> None:
    """A page, and a 206 that is shorter than its range or than asked for, are asked for again."""
    server.then(behaviour, behaviour)
    async with gateway.get_job_output("photos", JOB, byte_range, total=len(OUTPUT)) as output:
        data = b"".join([block async for block in output])
    assert data == (OUTPUT if byte_range is None else OUTPUT[:MIB])
    server.then(behaviour, behaviour, behaviour)
    with pytest.raises(UnexpectedResponseError) as caught:
        async with gateway.get_job_output("photos", JOB, byte_range, total=len(OUTPUT)):
            pass
    assert caught.value.attempts == 3


async def test_output_that_never_gets_on_ends_with_the_patience(server: FaultyServer) -> None:
    """If each connection breaks at once, the last error has the number of attempts."""
    server.otherwise = serves(cut_after=0)
    async with open_gateway(options_for(server)) as inner:
        policy = RetryPolicy(
            no_progress_seconds=0.5, first_ceiling_seconds=0.01, longest_wait_seconds=0.01, budget=10_000
        )
        with pytest.raises(ConnectionLostError) as caught:
            await read(RetryingGateway(inner, policy))
    assert caught.value.attempts is not None
    assert caught.value.attempts > 2
