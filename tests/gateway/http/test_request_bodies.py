"""Bodies from a range of a file: whole, read again for each attempt, and no wait on the loop."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aioglacier.core.crc import CrcHasher, crc64nvme
from aioglacier.core.errors import (
    ConnectionLostError,
    GlacierError,
    IntegrityError,
    SourceChangedError,
    SourceUnreadableError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.models import UploadId
from aioglacier.core.treehash import hash_part
from aioglacier.files.reading import FileIdentity, FileRange
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.http import request_bodies
from aioglacier.gateway.http.payload import LARGEST_SLICE
from aioglacier.gateway.http.request_bodies import FileSlices, TrailedBody, change_in, slices_of
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from tests.gateway.faulty import Exchange, FaultyServer, options_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aioglacier.gateway.vaults.caller import VaultCaller

UPLOAD = UploadId("UPLOAD")
DATA = random.Random(11).randbytes(9 * MIB + 7)  # noqa: S311  # repeatable, not secret

linux = pytest.mark.skipif(sys.platform != "linux", reason="the page cache can be asked on Linux only")


@contextmanager
def opened(path: Path, data: bytes = DATA, offset: int = 0, size: int | None = None) -> Iterator[FileRange]:
    """Return a range of a file that holds the data."""
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        length = len(data) - offset if size is None else size
        yield FileRange(descriptor, str(path), offset, length, FileIdentity.of(os.fstat(descriptor)))
    finally:
        os.close(descriptor)


def forget(range_: FileRange) -> None:
    """Remove the file from the system's cache, which may need more than one call."""
    give_up = time.monotonic() + 10
    while True:
        os.fdatasync(range_.descriptor)
        os.posix_fadvise(range_.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            os.preadv(range_.descriptor, [bytearray(1)], range_.offset, os.RWF_NOWAIT)
        except BlockingIOError:
            return
        except OSError:
            pytest.skip("this filesystem cannot say what its cache has")
        assert time.monotonic() < give_up, "the system keeps the file in its cache"


def edit(range_: FileRange) -> None:
    """Write to the file in another tick of its filesystem's clock."""
    with Path(range_.path).open("r+b") as file:
        file.write(b"edited")
    os.utime(range_.path, ns=(0, 0))


async def put(gateway: VaultCaller, body: FileRange, data: bytes, moved: list[int] | None = None) -> None:
    """Send a range as a part."""
    progress = (moved if moved is not None else []).append
    await gateway.upload_multipart_part(
        "photos", UPLOAD, body, start=0, hashes=hash_part(data), progress=progress
    )


class Reads:
    """Records reads of files and their threads.

    Attributes:
        waiting: Threads that made reads which may wait for a disk.
        cached: How many were made that may not.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting: list[int] = []
        self.cached = 0
        real = os.preadv

        def preadv(descriptor: int, buffers: Any, offset: int, flags: int = 0, /) -> int:
            if flags & getattr(os, "RWF_NOWAIT", 0):
                self.cached += 1
                return real(descriptor, buffers, offset, flags)
            self.waiting.append(threading.get_ident())
            return real(descriptor, buffers, offset)

        monkeypatch.setattr(os, "preadv", preadv)


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 1), (5, LARGEST_SLICE), (MIB, 3 * LARGEST_SLICE + 1), (0, len(DATA)), (17, 0)]
)
async def test_every_byte_of_a_range_and_no_other_arrives(
    offset: int, size: int, server: FaultyServer, gateway: VaultCaller, tmp_path: Path
) -> None:
    """Ranges of any place and length arrive over one connection, and the progress adds up."""
    size = size or len(DATA) - offset
    expected = DATA[offset : offset + size]
    with opened(tmp_path / "file", DATA, offset, size) as body:
        for _ in range(2):
            moved: list[int] = []
            await put(gateway, body, expected, moved)
            assert server.requests[-1].body == expected
            assert sum(moved) == size
    assert len({exchange.writer for exchange in server.requests}) == 1


@linux
async def test_what_the_cache_has_is_read_without_a_thread(
    server: FaultyServer, gateway: VaultCaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cached file is read on the loop without waiting, where the filesystem can tell."""
    with opened(tmp_path / "file") as body:
        try:
            os.preadv(body.descriptor, [bytearray(1)], 0, os.RWF_NOWAIT)
        except OSError:
            pytest.skip("this filesystem cannot")
        reads = Reads(monkeypatch)
        await put(gateway, body, DATA)
    assert (reads.waiting, reads.cached > 9) == ([], True)
    assert server.requests[-1].body == DATA


@linux
async def test_what_the_cache_lacks_is_read_by_threads(
    server: FaultyServer, gateway: VaultCaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread reads from the disk, and all of the file arrives."""
    with opened(tmp_path / "file") as body:
        reads = Reads(monkeypatch)
        for _ in range(10):  # the system may read ahead as soon as it has forgotten
            forget(body)
            await put(gateway, body, DATA)
            if reads.waiting:
                break
    assert reads.waiting
    assert threading.get_ident() not in reads.waiting
    assert server.requests[-1].body == DATA


@pytest.mark.parametrize("reason", ["filesystem", "system"])
async def test_without_the_flag_threads_read_everything(
    reason: str, server: FaultyServer, gateway: VaultCaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the flag, on a filesystem such as /dev/shm or on another system, a thread reads everything."""
    folder = tmp_path
    if reason == "system":
        monkeypatch.setattr("aioglacier.gateway.http.request_bodies._NOWAIT", 0)
    elif not (folder := Path("/dev/shm")).is_dir():  # noqa: S108  # it is for its filesystem
        pytest.skip("no filesystem in memory")
    path = folder / f"aioglacier-test-{os.getpid()}"
    try:
        with opened(path) as body:
            reads = Reads(monkeypatch)
            await put(gateway, body, DATA)
    finally:
        path.unlink()
    assert threading.get_ident() not in reads.waiting
    assert reads.waiting or reads.cached > 9
    assert server.requests[-1].body == DATA


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "under way"])
async def test_a_file_cut_short_while_it_is_sent_ends_the_request(
    where: str, server: FaultyServer, gateway: VaultCaller, tmp_path: Path
) -> None:
    """The call ends at once, the connection is dropped, and nothing counts as sent."""
    gone = anyio.Event()

    async def swallow(exchange: Exchange) -> None:
        await exchange.reader.read(65_536)
        os.truncate(tmp_path / "file", MIB)
        try:
            while await exchange.reader.read(65_536):
                pass
        finally:
            gone.set()

    moved: list[int] = []
    data = bytes(64 * MIB)
    with opened(tmp_path / "file", data) as body:
        if where == "before":
            os.truncate(tmp_path / "file", MIB)
        server.then(swallow)
        with pytest.raises(SourceChangedError) as caught:
            await put(gateway, body, data, moved)
        with anyio.fail_after(10):
            await gone.wait()
    assert (caught.value.path, caught.value.field) == (str(tmp_path / "file"), "size")
    assert sum(moved) == 0
    assert len(server.requests) == 1


async def test_a_file_that_can_no_longer_be_read_is_named(gateway: VaultCaller, tmp_path: Path) -> None:
    """The error has the system's number and the offset."""
    with opened(tmp_path / "file") as body:
        writable = os.open(tmp_path / "file", os.O_WRONLY)
        try:
            with pytest.raises(SourceUnreadableError) as caught:
                await put(gateway, body._replace(descriptor=writable), DATA)
        finally:
            os.close(writable)
    assert (caught.value.path, caught.value.errno, caught.value.offset) == (body.path, 9, 0)


@pytest.mark.slow
async def test_a_retry_sends_the_file_from_its_start(server: FaultyServer, tmp_path: Path) -> None:
    """The second attempt starts at the first byte, however far the first one came."""

    async def hang_up(exchange: Exchange) -> None:
        await exchange.read_body(3 * MIB)
        exchange.reset()

    moved: list[int] = []
    async with open_gateway(options_for(server)) as plain:
        gateway = RetryingGateway(plain)
        server.then(hang_up, hang_up)
        with opened(tmp_path / "file") as body:
            await gateway.upload_multipart_part(
                "photos", UPLOAD, body, start=0, hashes=hash_part(DATA), progress=moved.append
            )
    assert server.requests[-1].body == DATA
    assert (sum(moved), len(server.requests)) == (len(DATA), 3)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["refused", "hung up", "not echoed"])
async def test_what_was_sent_to_the_end_in_vain_is_taken_back(
    server: FaultyServer, tmp_path: Path, trouble: str
) -> None:
    """The progress is that of the second attempt alone, although the kernel had all of the first."""

    async def fail(exchange: Exchange) -> None:
        await exchange.read_body()
        if trouble == "hung up":
            exchange.reset()
        elif trouble == "refused":
            await exchange.answer(503, b'{"code":"ServiceUnavailableException","message":"","type":"Server"}')
        else:
            await exchange.answer(204, b"", {"x-amzn-RequestId": "A"})

    moved: list[int] = []
    async with open_gateway(options_for(server)) as plain:
        gateway = RetryingGateway(plain)
        server.then(fail)
        with opened(tmp_path / "file") as body:
            await gateway.upload_multipart_part(
                "photos", UPLOAD, body, start=0, hashes=hash_part(DATA), progress=moved.append
            )
            assert (sum(moved), len(server.requests)) == (len(DATA), 2)
            moved.clear()
            server.then(fail)
            with pytest.raises(GlacierError):
                await plain.upload_archive("photos", body, hashes=hash_part(DATA), progress=moved.append)
    assert sum(moved) == 0


@pytest.mark.parametrize("is_edited", [True, False], ids=["edited", "as it was"])
async def test_bytes_that_are_not_those_that_were_hashed(
    server: FaultyServer, tmp_path: Path, *, is_edited: bool
) -> None:
    """A refusal means a changed file if the change shows, or else damage on the way."""

    async def refuse(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.answer(
            400,
            b'{"code":"InvalidParameterValueException","type":"Client",'
            b'"message":"Checksum mismatch: expected 00, computed 11"}',
        )

    async with open_gateway(options_for(server)) as plain:
        gateway = RetryingGateway(plain)
        server.otherwise = refuse
        with opened(tmp_path / "file") as body:
            if is_edited:
                edit(body)
            with pytest.raises(SourceChangedError if is_edited else IntegrityError) as caught:
                await gateway.upload_multipart_part("photos", UPLOAD, body, start=0, hashes=hash_part(DATA))
    assert len(server.requests) == (1 if is_edited else 3)
    if isinstance(caught.value, SourceChangedError):
        assert (caught.value.path, caught.value.field) == (body.path, "mtime")


async def test_a_refused_archive_in_one_request_is_looked_at_as_well(
    server: FaultyServer, gateway: VaultCaller, tmp_path: Path
) -> None:
    """A file that changed after it was hashed makes no archive but an error."""

    async def refuse(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.answer(
            403,
            b'{"code":"InvalidSignatureException","type":"Client","message":"The value passed in as '
            b'x-amz-content-sha256 does not match the computed payload hash."}',
        )

    server.otherwise = refuse
    with opened(tmp_path / "file") as body:
        edit(body)
        with pytest.raises(SourceChangedError):
            await gateway.upload_archive("photos", body, hashes=hash_part(DATA))


async def test_a_cancelled_read_touches_nothing(
    server: FaultyServer, gateway: VaultCaller, tmp_path: Path
) -> None:
    """The descriptor may be closed as soon as the call is over, and the next body arrives whole."""
    scope = anyio.CancelScope()

    async def hesitate(exchange: Exchange) -> None:
        await exchange.reader.read(65_536)
        scope.cancel()
        await anyio.sleep_forever()

    with opened(tmp_path / "file", bytes(64 * MIB)) as body:
        server.then(hesitate)
        spare = len(request_bodies._spare_blocks)
        with scope:
            await put(gateway, body, b"")
        assert scope.cancelled_caught
        # The transport may have had a view of its block, so no other body may fill it.
        assert len(request_bodies._spare_blocks) == max(spare - 1, 0)
    with opened(tmp_path / "other") as body:
        await put(gateway, body, DATA)
    assert server.requests[-1].body == DATA


async def test_a_server_that_hangs_up_while_a_file_is_sent(
    server: FaultyServer, gateway: VaultCaller, tmp_path: Path
) -> None:
    """The connection fails, and the file is not blamed."""

    async def hang_up(exchange: Exchange) -> None:
        await exchange.read_body(200_000)
        exchange.reset()

    server.then(hang_up)
    with opened(tmp_path / "file") as body, pytest.raises(ConnectionLostError):
        await put(gateway, body, DATA)


async def test_slices_of_a_file_are_taken_in_any_order(tmp_path: Path) -> None:
    """A new attempt gets the first bytes again, whatever is in the block."""
    with opened(tmp_path / "file") as body:
        slices = FileSlices(body)
        for at, size in ((0, 10), (10, 100_000), (len(DATA) - 3, 10), (0, 4), (MIB, 2 * MIB)):
            slice_ = await slices.take(at, size)
            assert slice_ == DATA[at : at + len(slice_)]
            assert 0 < len(slice_) <= size
        assert await change_in(body) is None
    assert await change_in(memoryview(DATA)) is None


async def test_a_body_leaves_its_block_to_the_next(tmp_path: Path) -> None:
    """No two bodies have the same block at once, and one that is sent again after its end gets another."""
    with opened(tmp_path / "file") as body:
        first, second, third = FileSlices(body), FileSlices(body), FileSlices(body)
        of_first = (await first.take(0, 10)).obj
        of_second = (await second.take(0, 10)).obj
        assert of_second is not of_first
        first.release()
        assert (await third.take(MIB, 10)).obj is of_first
        again = await first.take(5, 10)
        assert again == DATA[5:15]
        assert again.obj not in (of_first, of_second)


async def test_a_trailer_has_the_checksum_of_the_last_attempt() -> None:
    """A body that is sent again from its start computes its checksum again."""
    data = b"november" * 100
    body = TrailedBody(memoryview(data), "x-amz-checksum-crc64nvme", CrcHasher)
    slices, sent = slices_of(body), b""
    for stop in (len(body.head) + 300, body.nbytes):
        sent = b""
        while len(sent) < stop:
            sent += await slices.take(len(sent), 150)
    assert sent.startswith(b"320\r\n" + data + b"\r\n0\r\nx-amz-checksum-crc64nvme:")
    assert body.checksum == crc64nvme(data).to_bytes(8, "big")


async def test_progress_leaves_out_the_lines_around_a_body() -> None:
    """Bytes that are taken back are subtracted, and the sum after a success is the size."""
    body = TrailedBody(memoryview(b"november"), "trailer", CrcHasher)
    moved: list[int] = []
    count = body.counting(moved.append)
    for more in (len(body.head), 5, -len(body.head) - 5, len(body.head) + 8, 30):
        count(more)
    assert moved == [5, -5, 8]
