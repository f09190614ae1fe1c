"""A proxy rewrites outputs and heads: the bytes are right, or an error or an exit code says so."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from anyio import create_task_group

import aioglacier
from aioglacier.core.errors import GlacierError, IntegrityError, InventoryError, UnexpectedResponseError
from aioglacier.gateway.contract.options import Timeouts
from aioglacier.server import LocalGlacier
from aioglacier.tasks.threads import run_in_thread
from tests.cli.conftest import Cli, keys
from tests.faults.proxy import Kind, Proxy, Trouble, Way, proxying
from tests.faults.test_rewritten import BODY, OTHERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

#: Values of a header that no service sends for it.
WRONG = (None, b"", b"x", b"-1", b"9" * 30, b"bytes 0-0/1")

#: Headers that concern the connection, or that no caller reads.
LEFT = {b"Connection", b"Date", b"Server", b"Transfer-Encoding", b"Accept-Ranges"}

#: The headers of which a wrong value, or none, is noticed. No other is needed to prove the bytes.
REFUSED = {
    "GetJobOutput": {"x-amz-sha256-tree-hash", "x-amzn-requestid", "content-length"},
    "GetJobOutput of an inventory": {"content-range", "x-amzn-requestid", "content-length"},
    "GetObject": {"last-modified", "x-amz-checksum-sha256", "x-amz-request-id", "content-length"},
    "HeadObject": {"last-modified", "x-amz-checksum-sha256", "x-amz-request-id", "content-length"},
}

#: Commands, the requests whose answers are rewritten, and their operation.
COMMANDS = {
    "vault list": ("GET /-/vaults", "ListVaults"),
    "vault show v": ("GET /-/vaults/v ", "DescribeVault"),
    "jobs list v": ("/jobs", "ListJobs"),
    "uploads list v": ("/multipart-uploads", "ListMultipartUploads"),
    "inventory v --output=back": ("/output", "GetJobOutput"),
    "download v --archive-id=ARCHIVE back": ("/output", "GetJobOutput"),
    "bucket list": ("GET / ", "ListBuckets"),
    "list s3://museum": ("list-type=2", "ListObjectsV2"),
    "download s3://museum film back": ("GET /museum/film", "GetObject"),
}


class Read(NamedTuple):
    """A call that reads, and the requests whose answers are rewritten."""

    call: Callable[[], Awaitable[Any]]
    where: str


class Stand(NamedTuple):
    """Calls that read through a proxy."""

    server_url: str
    proxy: Proxy
    reads: dict[str, Read]
    archive_id: str

    def rewrite(
        self, where: str, body: Callable[[bytes], bytes], head: Callable[[bytes], bytes] = bytes
    ) -> None:
        """Rewrite the answers to some requests from now on."""
        self.proxy.clear()
        self.proxy.add(
            Trouble(Kind.REWRITE, Way.DOWN, where=where, count=None, rewrite=body, rewrite_head=head)
        )

    async def outcome(
        self, read: Read, body: Callable[[bytes], bytes], head: Callable[[bytes], bytes] = bytes
    ) -> Any:
        """Return what is read through such a proxy, or the error."""
        self.rewrite(read.where, body, head)
        try:
            return await read.call()
        except GlacierError as error:
            return error


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """Yield a vault with an archive, its job and an inventory, and a bucket with an object."""
    async with AsyncExitStack() as stack:
        server = LocalGlacier(tmp_path / "glacier", job_delay=0, inventory_lag=0, is_durable=False)
        await stack.enter_async_context(server)
        proxy = stack.enter_context(proxying(server.url))
        glacier = await stack.enter_async_context(
            aioglacier.connect(
                endpoint_url=proxy.url,
                s3_endpoint_url=proxy.url,
                region_name="us-east-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",
                timeouts=Timeouts(give_up=0.01),
                hash_in="threads",
            )
        )
        vault = await glacier.create_vault("v")
        archive = await vault.upload(BODY, description="film")
        await server.run_inventory()
        job, inventory = await vault.retrieve(archive.id), await vault.retrieve_inventory()
        for each in (job, inventory):
            await each.wait_until_done()
        bucket = await glacier.create_bucket("museum", "GLACIER_IR")
        await bucket.upload(BODY, key="film")

        async def output() -> bytes:
            async with job.open_reader() as reader:
                return await reader.read()

        async def listed() -> list[Any]:
            return [each async for each in inventory.inventory()]

        async def content() -> bytes:
            async with bucket.restored("film").open_reader() as reader:
                return await reader.read()

        reads = {
            "GetJobOutput": Read(output, "/output"),
            "GetJobOutput of an inventory": Read(listed, "/output"),
            "GetObject": Read(content, "GET /museum/film"),
            "HeadObject": Read(lambda: bucket.head("film"), "HEAD /museum/film"),
        }
        yield Stand(server.url, proxy, reads, archive.id)


@pytest.mark.parametrize("name", ["GetJobOutput", "GetJobOutput of an inventory", "GetObject"])
async def test_bytes_that_were_rewritten_are_refused(stand: Stand, name: str) -> None:
    """Of an archive, an object and an inventory: a body of another kind, cut, longer, or damaged."""
    read = stand.reads[name]
    truth = await read.call()
    for other in OTHERS:
        assert isinstance(await stand.outcome(read, partial(_replaced, other)), UnexpectedResponseError)
    for rewrite in (_cut, _longer):
        assert isinstance(await stand.outcome(read, rewrite), UnexpectedResponseError)
    damaged = await stand.outcome(read, _damaged)
    assert isinstance(damaged, IntegrityError | InventoryError)
    stand.proxy.clear()
    assert await read.call() == truth


@pytest.mark.parametrize("name", ["GetJobOutput", "GetJobOutput of an inventory", "GetObject", "HeadObject"])
async def test_a_head_that_was_rewritten_changes_no_byte(stand: Stand, name: str) -> None:
    """Each header in turn is left out or has another value: bytes and size are right, or it is refused."""
    read = stand.reads[name]
    heads: list[bytes] = []

    def keep(head: bytes) -> bytes:
        heads.append(head)
        return head

    await stand.outcome(read, bytes, keep)
    stand.proxy.clear()
    truth = await read.call()
    refused = set()
    for header in sorted({line.partition(b":")[0] for line in heads[0].split(b"\r\n")[1:-2]} - LEFT):
        for value in WRONG[header == b"Content-Length" :]:  # without a length, bytes end with the connection
            line = b"" if value is None else b"%b: %b\r\n" % (header, value)
            found = await stand.outcome(read, bytes, partial(_with_line, header, line))
            if isinstance(found, UnexpectedResponseError | IntegrityError):
                refused.add(header.decode().lower())
            else:
                assert getattr(found, "size", found) == getattr(truth, "size", truth), (header, value)
    assert refused == REFUSED[name]


@pytest.mark.parametrize("line", COMMANDS)
async def test_a_command_says_by_its_exit_code_that_an_answer_was_rewritten(
    stand: Stand, line: str, tmp_path: Path
) -> None:
    """It ends with 1 and an error that names the operation, and no file gets the name of the target.

    The commands run side by side, because each asks three times, with pauses.
    """
    where, operation = COMMANDS[line]
    words = [word.replace("ARCHIVE", stand.archive_id) for word in line.split()]

    def run(folder: Path, body: bytes) -> None:
        folder.mkdir()
        with proxying(stand.server_url) as proxy:
            rewrite = partial(_replaced, body)
            proxy.add(Trouble(Kind.REWRITE, Way.DOWN, where=where, count=None, rewrite=rewrite))
            options = ("--endpoint-url", proxy.url, "--region", "us-east-1", "--json")
            done = Cli(folder, options, {**keys(), "AWS_ENDPOINT_URL_S3": proxy.url})(*words, code=1)
        assert (done.error["error"], done.error["operation"]) == ("UnexpectedResponseError", operation)
        assert not (folder / "back").exists()

    async with create_task_group() as runs:
        for body in (b"", b"null", b"[]", b"<html><body>Log in</body></html>"):
            runs.start_soon(run_in_thread, partial(run, tmp_path / f"body-{len(body)}", body))


def _replaced(other: bytes, body: bytes) -> bytes:
    del body
    return other


def _with_line(header: bytes, line: bytes, head: bytes) -> bytes:
    return re.sub(rb"(?m)^%b:.*\r\n" % re.escape(header), lambda _: line, head)


def _cut(body: bytes) -> bytes:
    return body[:-1]


def _longer(body: bytes) -> bytes:
    return body + b"x"


def _damaged(body: bytes) -> bytes:
    return body[:1] + bytes([body[1] ^ 1]) + body[2:]
