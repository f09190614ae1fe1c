"""A running local Glacier, and real clients for it: boto3 in a thread, and bare HTTP."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import boto3
import pytest
from anyio import fail_after, move_on_after, to_thread
from botocore.config import Config
from botocore.exceptions import ClientError

from aioglacier.core.treehash import tree_hash
from aioglacier.server import LocalGlacier
from tests.forking import forks

if TYPE_CHECKING:
    import io
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from tests.forking import Fork

ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

VAULT_ARN = "arn:aws:glacier:us-east-1:012345678901:vaults/v"


class Boto:
    """boto3's Glacier client, called in a thread; one attempt each."""

    def __init__(self, url: str, **options: Any) -> None:
        keys = {"aws_access_key_id": ACCESS_KEY_ID, "aws_secret_access_key": SECRET_ACCESS_KEY}
        config = Config(retries={"total_max_attempts": 1}, read_timeout=30)
        settings = {"endpoint_url": url, "region_name": "us-east-1", "config": config, **keys, **options}
        self.client = boto3.client("glacier", **settings)

    async def __call__(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Return the operation's parsed answer; ``operation`` is in snake case."""
        arguments.setdefault("vaultName", "v")
        if (
            "vaultName"
            not in self.client.meta.service_model.operation_model(
                self.client.meta.method_to_api_mapping[operation]
            ).input_shape.members
        ):
            del arguments["vaultName"]
        answer = await to_thread.run_sync(partial(getattr(self.client, operation), **arguments))
        assert isinstance(answer, dict)
        return answer

    async def refused(self, operation: str, **arguments: Any) -> tuple[int, str, str]:
        """Return status, code and message of the error that the operation must raise."""
        with pytest.raises(ClientError) as caught:
            await self(operation, **arguments)
        answer = caught.value.response
        return (
            answer["ResponseMetadata"]["HTTPStatusCode"],
            answer["Error"]["Code"],
            answer["Error"]["Message"],
        )

    async def upload(self, data: bytes | io.RawIOBase, **arguments: Any) -> str:
        """Upload an archive in one request; return its id."""
        archive_id = (await self("upload_archive", body=data, **arguments))["archiveId"]
        assert isinstance(archive_id, str)
        return archive_id

    async def upload_parts(self, data: bytes, part_size: int, **arguments: Any) -> str:
        """Upload an archive in parts; return its id."""
        upload_id = (await self("initiate_multipart_upload", partSize=str(part_size), **arguments))[
            "uploadId"
        ]
        for start in range(0, len(data), part_size):
            part = data[start : start + part_size]
            await self(
                "upload_multipart_part",
                uploadId=upload_id,
                range=f"bytes {start}-{start + len(part) - 1}/*",
                body=part,
            )
        answer = await self(
            "complete_multipart_upload",
            uploadId=upload_id,
            archiveSize=str(len(data)),
            checksum=tree_hash(data).hex(),
        )
        archive_id = answer["archiveId"]
        assert isinstance(archive_id, str)
        return archive_id

    async def job(self, **parameters: Any) -> str:
        """Initiate a job; return its id."""
        job_id = (await self("initiate_job", jobParameters=parameters))["jobId"]
        assert isinstance(job_id, str)
        return job_id

    async def output(self, job_id: str, **arguments: Any) -> bytes:
        """Return a job's output."""
        body = (await self("get_job_output", jobId=job_id, **arguments))["body"]
        data = await to_thread.run_sync(body.read)
        assert isinstance(data, bytes)
        return data

    async def inventory(self, **parameters: Any) -> dict[str, Any]:
        """Return the inventory of a vault, through a job."""
        job_id = await self.job(Type="inventory-retrieval", **parameters)
        document = json.loads(await self.output(job_id))
        assert isinstance(document, dict)
        return document


@dataclass
class Plain:
    """An answer as it was received."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> tuple[int, str]:
        """Status and code of an error."""
        return self.status, json.loads(self.body)["code"]

    @property
    def message(self) -> str:
        """The text of an error."""
        text = json.loads(self.body)["message"]
        assert isinstance(text, str)
        return text


async def send(server: LocalGlacier, method: str, path: str, body: bytes = b"", **headers: str) -> Plain:
    """Send one request by hand; "_" in a header's name stands for "-", and an empty header is left out."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await to_thread.run_sync(_send, server.url, method, path, body, given)


def _send(url: str, method: str, path: str, body: bytes, given: dict[str, str]) -> Plain:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
        headers = {"x-amz-glacier-version": "2012-06-01", "Content-Length": str(len(body)), **given}
        for name, value in headers.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return Plain(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def deny_delete(days: object = "365", **changes: Any) -> str:
    """Return the guide's lock policy: no deletion before an age in days."""
    statement = {
        "Principal": "*",
        "Effect": "Deny",
        "Action": "glacier:DeleteArchive",
        "Resource": [VAULT_ARN],
        "Condition": {"NumericLessThan": {"glacier:ArchiveAgeInDays": days}},
        **changes,
    }
    kept = {name: value for name, value in statement.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


def hashes(data: bytes) -> dict[str, str]:
    """Return the two hash headers of an upload, as arguments of ``send``."""
    return {
        "x_amz_content_sha256": hashlib.sha256(data).hexdigest(),
        "x_amz_sha256_tree_hash": tree_hash(data).hex(),
    }


_SERVE = """
import sys, anyio
from aioglacier.server import LocalGlacier
from tests.forking import forks

async def main():
    arguments = dict(job_delay=0, inventory_lag=0)
    if len(sys.argv) > 2:
        arguments["faults"] = sys.argv[2]
    async with LocalGlacier(sys.argv[1], **arguments) as server:
        print(server.url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

anyio.run(main)
"""


@contextmanager
def serving(directory: Path, faults: Path | None = None) -> Iterator[tuple[Fork, str]]:
    """Run a server in a process of its own, to be killed; yield the process and the URL."""
    arguments = ["-c", _SERVE, str(directory)]
    if faults is not None:
        arguments.append(str(faults))
    streams = {"stdin": subprocess.PIPE, "stderr": 2}
    with forks().start(arguments, cwd=directory.parent, env=os.environ, **streams) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().decode().strip()
        finally:
            process.stdin.close()


@pytest.fixture(autouse=True)
def no_server_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test that makes the server fail inside."""
    yield
    failed = [
        record
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if record.name.startswith(("aioglacier.server", "aiohttp")) and record.levelno >= logging.ERROR
    ]
    assert not failed, failed[0].getMessage()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LocalGlacier]:
    """A quick local Glacier: jobs end and inventories show changes at once. It requires signatures."""
    async with LocalGlacier(
        tmp_path / "glacier",
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
        job_delay=0,
        inventory_lag=0,
        is_durable=False,
    ) as local:
        yield local


@pytest.fixture
async def faithful(tmp_path: Path) -> AsyncIterator[LocalGlacier]:
    """A local Glacier as slow as the service, on a virtual clock; it takes unsigned requests."""
    async with LocalGlacier(tmp_path / "faithful", is_durable=False) as local:
        yield local


@pytest.fixture
async def boto(server: LocalGlacier) -> Boto:
    """boto3 for ``server``, with a vault "v"."""
    client = Boto(server.url)
    await client("create_vault")
    return client


@pytest.fixture
async def slow_boto(faithful: LocalGlacier) -> Boto:
    """boto3 for ``faithful``, with a vault "v"."""
    client = Boto(faithful.url)
    await client("create_vault")
    return client


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


MIB = 1024 * 1024


async def put(boto: Boto, upload_id: str, start: int, part: bytes) -> None:
    """Upload one part."""
    await boto(
        "upload_multipart_part",
        uploadId=upload_id,
        range=f"bytes {start}-{start + len(part) - 1}/*",
        body=part,
    )


async def initiate(boto: Boto, part_size: int = MIB, **arguments: str) -> str:
    """Initiate an upload; return its id."""
    upload_id = (await boto("initiate_multipart_upload", partSize=str(part_size), **arguments))["uploadId"]
    assert isinstance(upload_id, str)
    return upload_id
