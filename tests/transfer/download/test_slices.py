# ruff: noqa: ASYNC240  # small files of the test's own
"""Pieces that go to a file slice by slice: right bytes, little memory, nothing left of those that fail."""

from __future__ import annotations

import errno
import os
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest

from aioglacier.core.errors import IntegrityError, TargetError
from aioglacier.core.ranges import ByteRange
from aioglacier.server.requests.faults import Fault, FaultKind
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.download.download import Download
from aioglacier.transfer.download.proofs import PartProofs
from aioglacier.transfer.download.slices import SLICE_SIZE
from aioglacier.transfer.resources import open_resources
from tests.transfer.conftest import DATA, MIB, MemoryOutput, serve, thread_resources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.transfer.budget.allowance import HashIn
    from aioglacier.transfer.resources import TransferResources

#: Two pieces: one of 16 MiB, four slices, and one of two slices and a bit.
BYTES = DATA + DATA[: 12 * MIB - 77]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A path to download to."""
    return tmp_path / "film.mkv"


@pytest.fixture
async def roomy() -> AsyncIterator[TransferResources]:
    """Resources with which pieces have 16 MiB."""
    async with thread_resources(128 * MIB, hash_workers=1, concurrency=1) as resources:
        yield resources


@pytest.mark.slow
@pytest.mark.parametrize("size", [SLICE_SIZE, SLICE_SIZE + 1, 16 * MIB, len(BYTES)])
@pytest.mark.parametrize("hash_in", ["threads", "processes"])
async def test_the_file_is_the_archive(size: int, hash_in: HashIn, target: Path) -> None:
    """Of pieces of one slice or several, the last one whole or not; each is asked for once."""
    output = MemoryOutput(BYTES[:size])
    limits = Limits(memory=128 * MIB, concurrency=1, hash_workers=1)
    async with open_resources(limits, hash_in) as resources:
        await Download(output, resources, target).run()
        assert resources.buffers.lent == 0
    assert target.read_bytes() == BYTES[:size]
    assert len(output.asked) == -(-size // (16 * MIB))


async def test_damage_in_any_slice_costs_that_piece_once_more(target: Path, roomy: TransferResources) -> None:
    """The hash is the piece's, so all of the piece comes again."""
    output = MemoryOutput(BYTES)
    output.damage = {2 * SLICE_SIZE + 5: 2}
    download = Download(output, roomy, target)
    await download.run()
    assert target.read_bytes() == BYTES
    assert [asked.start for asked in output.asked].count(0) == 3
    assert len(output.asked) == 4
    assert download.snapshot().moved == len(BYTES)


async def test_lasting_damage_gives_no_file_and_is_not_recorded(
    target: Path, roomy: TransferResources
) -> None:
    """The next try trusts the other piece only."""
    output = MemoryOutput(BYTES)
    output.damage = {SLICE_SIZE + 5: 3}
    with pytest.raises(IntegrityError):
        await Download(output, roomy, target).run()
    assert not target.exists()
    await Download(output, roomy, target).run()
    assert target.read_bytes() == BYTES


async def test_a_piece_takes_two_buffers_at_most(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While storing is slower than the line, a piece waits for its own buffers to come back."""
    write = os.pwrite
    async with open_resources(Limits(memory=128 * MIB, concurrency=2, hash_workers=1)) as resources:
        most = 0

        def slowly(file: int, data: memoryview, offset: int) -> int:
            nonlocal most
            most = max(most, resources.buffers.lent)
            time.sleep(0.01)  # a slow disk
            return write(file, data, offset)

        monkeypatch.setattr(os, "pwrite", slowly)
        await Download(MemoryOutput(BYTES), resources, target).run()
        assert resources.buffers.lent == 0
    assert most == 4
    assert target.read_bytes() == BYTES


async def test_a_download_starts_no_process(target: Path) -> None:
    """Its own threads store what comes, in memory that is not shared."""
    async with open_resources(Limits(memory=128 * MIB, hash_workers=2)) as resources:
        children = {child.pid for child in psutil.Process().children()}
        await Download(MemoryOutput(BYTES), resources, target).run()
        assert {child.pid for child in psutil.Process().children()} <= children
    assert target.read_bytes() == BYTES


@pytest.mark.parametrize("memory", [MIB, 4 * MIB, 16 * MIB])
async def test_one_buffer_is_enough(memory: int, target: Path) -> None:
    """If there is no memory to spare, receiving and hashing take turns."""
    async with thread_resources(memory, concurrency=4) as resources:
        await Download(MemoryOutput(BYTES), resources, target).run()
    assert target.read_bytes() == BYTES


async def test_a_write_that_fails_in_a_later_slice(
    target: Path, roomy: TransferResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a ``TargetError`` by itself, every buffer is back, and the next try goes on."""
    write = os.pwrite

    def full(file: int, data: memoryview, offset: int) -> int:
        if offset >= 2 * SLICE_SIZE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data, offset)

    output = MemoryOutput(BYTES)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(TargetError, match="No space left"):
            await Download(output, roomy, target).run()
    assert roomy.buffers.lent == 0
    assert output.opened == 0
    assert not target.exists()
    await Download(output, roomy, target).run()
    assert target.read_bytes() == BYTES


async def test_a_cancelled_download_holds_nothing(target: Path, roomy: TransferResources) -> None:
    """In the middle of its second piece; the next one goes on with what was verified."""
    output = MemoryOutput(BYTES)
    download = Download(output, roomy, target)
    with anyio.CancelScope() as scope:

        async def cancelling(byte_range: ByteRange) -> None:
            while byte_range.start and not download.snapshot().parts_done:  # noqa: ASYNC110  # it has no event
                await anyio.sleep(0.001)
            if byte_range.start:
                scope.cancel()
            await anyio.lowlevel.checkpoint()

        output.before = cancelling
        await download.run()
    assert scope.cancelled_caught
    assert roomy.buffers.lent == 0
    assert output.opened == 0
    output.before = lambda _: anyio.lowlevel.checkpoint()
    await Download(output, roomy, target).run()
    assert target.read_bytes() == BYTES
    assert len(output.asked) == 3  # the first piece was not asked for again


FAULTS = {
    "flipped": Fault("GetJobOutput", kind=FaultKind.FLIP, after_bytes=SLICE_SIZE + 100),
    "cut short": Fault("GetJobOutput", kind=FaultKind.TRUNCATE, after_bytes=SLICE_SIZE + 300_000, count=2),
    "cut at a slice": Fault("GetJobOutput", kind=FaultKind.TRUNCATE, after_bytes=SLICE_SIZE, count=2),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_passing_trouble_costs_only_time(fault: str, tmp_path: Path, target: Path) -> None:
    """Through the real gateway the file is right, whatever went wrong in a later slice."""
    limits = Limits(memory=128 * MIB, concurrency=2, hash_workers=1)
    async with serve(tmp_path / "glacier", limits, "threads") as served:
        archive = await served.vault.upload(DATA, part_size=4 * MIB)
        job = await served.vault.retrieve(archive.id)
        met = served.watch("GetJobOutput")
        served.fail(FAULTS[fault])
        await job.download(target)
        assert met() == {"GetJobOutput": 2 if fault == "flipped" else 3}
    assert target.read_bytes() == DATA


class WholeObject(MemoryOutput):
    """An S3 object that was sent in one request, of which S3 has the SHA-256."""

    def recorded_hash(self, byte_range: ByteRange) -> bytes | None:
        """Return what S3 has of these bytes."""
        return sha256(self._data).digest() if byte_range == ByteRange(0, self.size) else None


async def test_slices_are_hashed_in_order_where_their_hashes_do_not_combine(
    target: Path, roomy: TransferResources
) -> None:
    """A part of an S3 object is proven by the SHA-256 of all its bytes, and damage in any slice shows."""
    output = WholeObject(BYTES, has_hash=False)
    output.vouches = output.allows_unverified = False
    output.proofs = PartProofs([ByteRange(0, len(BYTES))])
    output.damage = {2 * SLICE_SIZE + 5: 1}
    await Download(output, roomy, target).run()
    assert target.read_bytes() == BYTES
    assert output.asked == [ByteRange(0, len(BYTES))] * 2
