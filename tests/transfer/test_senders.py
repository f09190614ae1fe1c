"""Sender processes: what they send arrives, what goes wrong there is told here, and none is left."""

from __future__ import annotations

import logging
import os
import random
import signal
import ssl
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest
import trustme

from aioglacier.core.errors import (
    CertificateError,
    ConnectionLostError,
    GlacierError,
    RedirectRefusedError,
    SourceChangedError,
    SourceError,
    SourceUnreadableError,
    StalledTransferError,
    UnexpectedResponseError,
    UploadNotFoundError,
)
from aioglacier.core.models import UploadId
from aioglacier.core.treehash import hash_part, tree_hash
from aioglacier.files.reading import FileIdentity, FileRange
from aioglacier.gateway.aws import open_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from aioglacier.transfer.upload.senders import SenderPool, open_senders
from tests.gateway.faulty import SECRET, TOKEN, Exchange, FaultyServer, answers, faulty_server, refuses
from tests.transfer.conftest import MIB
from tests.transfer.test_worker_lives import is_running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from aioglacier.gateway.aws import AwsGateway

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it has no preadv")

UPLOAD = UploadId("UPLOAD")
DATA = random.Random(13).randbytes(5 * MIB + 3)  # noqa: S311  # repeatable, not secret


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    """A server to script."""
    async with faulty_server() as opened:
        yield opened


@pytest.fixture
def body(tmp_path: Path) -> Iterator[FileRange]:
    """A range of a file with the data."""
    path = tmp_path / "file"
    path.write_bytes(DATA)
    descriptor = os.open(path, os.O_RDONLY)
    yield FileRange(descriptor, str(path), 0, len(DATA), FileIdentity.of(os.fstat(descriptor)))
    os.close(descriptor)


class Sending:
    """A gateway whose parts of files are sent by one process."""

    def __init__(self, gateway: AwsGateway, pool: SenderPool, server: FaultyServer) -> None:
        self.gateway = gateway
        self.pool = pool
        self.server = server
        self.moved: list[int] = []

    async def put(self, body: FileRange) -> None:
        """Send a part once."""
        await self._put(self.gateway, body)

    async def put_patiently(self, body: FileRange) -> None:
        """Send a part, again if need be."""
        await self._put(RetryingGateway(self.gateway), body)

    async def _put(self, gateway: AwsGateway | RetryingGateway, body: FileRange) -> None:
        await gateway.upload_multipart_part(
            "photos", UPLOAD, body, start=0, hashes=hash_part(DATA), progress=self.moved.append
        )

    @property
    def pids(self) -> set[int]:
        """The processes that send."""
        children = psutil.Process().children()
        return {child.pid for child in children if "aioglacier.transfer.upload.sender" in child.cmdline()}


@asynccontextmanager
async def open_sending(context: ssl.SSLContext | None = None, **more: float) -> AsyncIterator[Sending]:
    """A server to script, a gateway to it, and one sender."""
    async with faulty_server(context) as server, open_senders(1) as pool:
        options = GatewayOptions(
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key=SECRET,
            aws_session_token=TOKEN,
            relay=pool,
            **more,  # type: ignore[arg-type]  # each test knows its own
        )
        async with open_gateway(options) as gateway:
            yield Sending(gateway, pool, server)


@pytest.fixture
async def sending() -> AsyncIterator[Sending]:
    """Over plain http."""
    async with open_sending() as opened:
        yield opened


async def test_every_byte_arrives_over_one_connection(sending: Sending, body: FileRange) -> None:
    """Sent by a process of its own, which serves one part after the other; progress adds up."""
    for _ in range(3):
        sending.moved.clear()
        await sending.put(body)
        assert sending.server.requests[-1].body == DATA
        assert sum(sending.moved) == len(DATA)
    assert len({exchange.writer for exchange in sending.server.requests}) == 1
    assert len(sending.pids) == 1
    part = body._replace(offset=MIB, nbytes=7)
    await sending.gateway.upload_multipart_part(
        "photos", UPLOAD, part, start=0, hashes=hash_part(DATA[MIB : MIB + 7])
    )
    assert sending.server.requests[-1].body == DATA[MIB : MIB + 7]


async def test_senders_know_no_secrets(
    sending: Sending, body: FileRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on their command line nor in their environment."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    await sending.put(body)
    (pid,) = sending.pids
    process = psutil.Process(pid)
    assert SECRET not in str((process.cmdline(), process.environ()))
    assert TOKEN not in str((process.cmdline(), process.environ()))


async def test_a_request_that_makes_an_archive_is_sent_here(sending: Sending, body: FileRange) -> None:
    """Only here it is known to the byte whether it can still be kept from taking effect."""
    await sending.gateway.upload_archive("photos", body, hashes=hash_part(DATA))
    assert sending.server.requests[-1].body == DATA
    assert sending.pids == set()


async def test_what_comes_while_all_are_busy_is_sent_here(sending: Sending, body: FileRange) -> None:
    """Nobody waits for a sender."""
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(sending.put, body)
    assert [exchange.body for exchange in sending.server.requests] == [DATA] * 4
    assert len({exchange.writer for exchange in sending.server.requests}) > 1
    assert len(sending.pids) == 1


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_certificates_are_verified_there_as_here(
    body: FileRange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_trusted: bool
) -> None:
    """By the same authorities, and by nobody's word else."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    (authority if is_trusted else trustme.CA()).cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    async with open_sending(context) as sending:
        if is_trusted:
            await sending.put(body)
            assert sending.server.requests[-1].body == DATA
        else:
            with pytest.raises(CertificateError, match="not accepted"):
                await sending.put(body)
            assert not sending.server.requests
        assert len(sending.pids) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuses(404, "ResourceNotFoundException", "The upload ID was not found: x"), UploadNotFoundError),
        (answers(307, b"", {"Location": "http://other.example/"}), RedirectRefusedError),
        (answers(200, b"<html>", {}), UnexpectedResponseError),
        (answers(502, b"<html>", {}), GlacierError),
    ],
    ids=["refusal", "redirect", "portal", "trouble"],
)
async def test_answers_are_judged_here(
    answer: object, kind: type[GlacierError], sending: Sending, body: FileRange
) -> None:
    """As if the request had been sent from here; nothing counts as sent."""
    sending.server.then(answer)  # type: ignore[arg-type]  # a behaviour
    with pytest.raises(kind) as caught:
        await sending.put(body)
    assert caught.value.vault == "photos"
    assert sum(sending.moved) == 0
    await sending.put(body)
    assert sending.server.requests[-1].body == DATA


async def test_a_connection_that_breaks_is_told(sending: Sending, body: FileRange) -> None:
    """And is trouble that may pass."""

    async def hang_up(exchange: Exchange) -> None:
        await exchange.read_body(200_000)
        exchange.reset()

    sending.server.then(hang_up)
    with pytest.raises(ConnectionLostError) as caught:
        await sending.put(body)
    assert caught.value.is_retryable
    sending.server.then(hang_up)
    await sending.put_patiently(body)
    assert sending.server.requests[-1].body == DATA
    assert sum(sending.moved) == len(DATA)


async def test_a_server_that_reads_no_more_is_noticed_there(body: FileRange) -> None:
    """The patience of the gateway is that of its senders."""
    big = body.path + "-big"
    await anyio.Path(big).write_bytes(bytes(64 * MIB))

    async def read_nothing(exchange: Exchange) -> None:
        await exchange.reader.read(1)
        await anyio.sleep_forever()

    async with open_sending(stall_timeout_seconds=0.5) as sending:
        sending.server.then(read_nothing)
        identity = FileIdentity.of(os.stat(big))  # noqa: PTH116  # what identities are made of
        with pytest.raises(StalledTransferError, match=r"no byte moved for 0.5 s"):
            await sending.put(body._replace(path=big, nbytes=64 * MIB, identity=identity))


@pytest.mark.parametrize("change", ["cut short", "gone"])
async def test_a_file_that_is_not_what_it_was_is_told(change: str, sending: Sending, body: FileRange) -> None:
    """With its name and what shows it."""
    if change == "gone":
        await anyio.Path(body.path).unlink()
    else:
        os.truncate(body.path, MIB)
    with pytest.raises(SourceError) as caught:
        await sending.put(body)
    error = caught.value
    assert isinstance(error, (SourceChangedError, SourceUnreadableError))
    assert error.path == body.path
    if isinstance(error, SourceChangedError):
        assert error.field == "size"
    else:
        assert (change, error.errno, error.offset) == ("gone", 2, 0)
    assert not sending.server.requests


async def test_a_sender_that_dies_is_replaced_and_its_part_sent_again(
    sending: Sending, body: FileRange
) -> None:
    """The death is trouble that passes."""

    async def kill(exchange: Exchange) -> None:
        await exchange.read_body(100_000)
        for pid in sending.pids:
            os.kill(pid, signal.SIGKILL)
        await anyio.sleep_forever()

    sending.server.then(kill)
    await sending.put_patiently(body)
    assert sending.server.requests[-1].body == DATA
    assert sum(sending.moved) == len(DATA)
    assert len(sending.pids) == 1


async def test_cancelling_kills_the_sender(sending: Sending, body: FileRange) -> None:
    """Nothing more of the part goes out, and the next one has another."""
    begun = anyio.Event()

    async def hesitate(exchange: Exchange) -> None:
        await exchange.read_body(100_000)
        begun.set()
        await anyio.sleep_forever()

    sending.server.then(hesitate)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sending.put, body)
        await begun.wait()
        (pid,) = sending.pids
        tasks.cancel_scope.cancel()
    assert not is_running(pid)
    assert sum(sending.moved) == 0
    await sending.put(body)
    assert sending.server.requests[-1].body == DATA


async def test_none_is_left_at_the_end(body: FileRange) -> None:
    """They are gone when the block ends."""
    async with open_sending() as sending:
        await sending.put(body)
        pids = sending.pids
        assert pids
    assert not any(is_running(pid) for pid in pids)


async def test_where_no_process_can_be_started_all_is_sent_here(
    sending: Sending, body: FileRange, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning says so."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await sending.put(body)
    assert [exchange.body for exchange in sending.server.requests] == [DATA] * 2
    assert caplog.text.count("no sender process can be used") == 1


WAITING = """
import anyio, sys
import aioglacier

async def main():
    async with aioglacier.connect(
        endpoint_url=sys.argv[1],
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        sender_processes=1,
        max_concurrency=1,
    ) as glacier:
        await glacier.vault("photos").upload(sys.argv[2], part_size=2 << 20)

anyio.run(main)
"""


async def test_a_sender_whose_parent_is_killed_leaves_in_silence(
    server: FaultyServer, body: FileRange
) -> None:
    """While it reports how far a part is, too."""
    begun = anyio.Event()

    async def hesitate(exchange: Exchange) -> None:
        await exchange.read_body(100_000)
        begun.set()
        await anyio.sleep_forever()

    server.then(answers(201, b"{}", {"x-amzn-RequestId": "A", "x-amz-multipart-upload-id": "U"}), hesitate)
    arguments = [sys.executable, "-c", WAITING, server.url, body.path]
    async with await anyio.open_process(arguments) as program:
        with anyio.fail_after(20):
            await begun.wait()
        (sender,) = [
            child.pid
            for child in psutil.Process(program.pid).children()
            if "aioglacier.transfer.upload.sender" in child.cmdline()
        ]
        program.kill()
        assert program.stderr is not None
        said = b"".join([text async for text in program.stderr])  # until the sender has let go of it, too
    assert said == b""
    assert not is_running(sender)


PROGRAM = """
import anyio, sys
import aioglacier
from aioglacier.transfer.upload.senders import SenderPool

async def main():
    async with aioglacier.connect(
        endpoint_url="local:" + sys.argv[1], sender_processes=2, max_concurrency=2
    ) as glacier:
        vault = await glacier.create_vault("v")
        archive = await vault.upload(sys.argv[2], part_size=2 << 20)
        print(archive.tree_hash.hex(), flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_senders_leave_with_their_parent(number: signal.Signals, tmp_path: Path) -> None:
    """An archive is made by two of them, and whatever kills the parent, they go too."""
    source = tmp_path / "file"
    source.write_bytes(DATA * 4)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "glacier"), str(source)], stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline().decode().strip() == tree_hash(DATA * 4).hex()
        senders = [
            child.pid
            for child in psutil.Process(program.pid).children()
            if "aioglacier.transfer.upload.sender" in child.cmdline()
        ]
        program.send_signal(number)
        program.wait()
    assert senders
    due = time.monotonic() + 10
    while any(is_running(pid) for pid in senders) and time.monotonic() < due:
        time.sleep(0.02)
    assert not any(is_running(pid) for pid in senders)
