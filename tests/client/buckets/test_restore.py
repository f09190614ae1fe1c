"""Restores: done at once where a class reads at once; bytes come verified, whole and in ranges."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier import (
    IntegrityError,
    InvalidPlanError,
    InvalidRangeError,
    NotRetrievedError,
    ObjectNotFoundError,
    WaitTimeoutError,
)
from aioglacier.client import retrieval
from aioglacier.server import LocalGlacier
from tests.client.test_places import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier import Bucket

DATA = bytes(range(251)) * 1000


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_FIRST_POLL_SECONDS", 0.001)
    monkeypatch.setattr(retrieval, "_LONGEST_POLL_SECONDS", 0.002)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LocalGlacier]:
    """Return a local Glacier whose restores take as long as AWS's, by a clock that can be moved."""
    async with LocalGlacier(tmp_path / "glacier", is_durable=False) as server:
        yield server


@pytest.fixture
async def bucket(server: LocalGlacier) -> AsyncIterator[Bucket]:
    """Return a bucket with an object "a" in a class that reads at once, and "cold" in one that does not."""
    async with connected(server.url) as glacier:
        bucket = await glacier.create_bucket("museum", "GLACIER_IR")
        await bucket.upload(DATA, key="a")
        await bucket.upload(DATA, key="cold", storage_class="GLACIER")
        yield bucket


async def read(bucket: Bucket, key: str) -> bytes:
    """Return an object's bytes, which can be read now."""
    async with (await bucket.retrieve(key)).open_reader() as reader:
        return await reader.read()


@pytest.mark.parametrize("checksum", ["SHA256", "CRC64NVME"])
async def test_a_class_that_reads_at_once_needs_no_restore(
    bucket: Bucket, checksum: str, tmp_path: Path
) -> None:
    """The retrieval is done, and the bytes come verified to a reader and to a file."""
    await bucket.upload(DATA, key="b", checksum=checksum)
    restore = await bucket.retrieve("b")
    assert not restore.is_new
    assert (await restore.wait_until_done()).size == len(DATA)
    assert await read(bucket, "b") == DATA
    await restore.download(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA  # a small file of the test's own


async def test_a_range_is_read_and_verified(bucket: Bucket) -> None:
    """A range of a retrieval, and a range of a ranged one, count from its start."""
    async with (await bucket.retrieve("a")).open_reader((10, 20)) as reader:
        assert await reader.read() == DATA[10:20]
    async with (await bucket.retrieve("a", byte_range=(100, 200))).open_reader((10, 20)) as reader:
        assert await reader.read() == DATA[110:120]


async def test_a_range_that_no_part_has_is_no_file(bucket: Bucket, tmp_path: Path) -> None:
    """Only a reader can cut what it verifies."""
    with pytest.raises(InvalidRangeError, match="open_reader"):
        await (await bucket.retrieve("a", byte_range=(1, 5))).download(tmp_path / "copy")
    with pytest.raises(InvalidRangeError):
        async with (await bucket.retrieve("a")).open_reader((len(DATA), len(DATA) + 1)):
            pass


async def test_a_checksum_of_the_whole_proves_no_range(bucket: Bucket) -> None:
    """Such bytes are given only where the caller allows it."""
    await bucket.upload(DATA, key="crc", checksum="CRC64NVME")
    restore = await bucket.retrieve("crc")
    with pytest.raises(IntegrityError, match="cannot be verified"):
        async with restore.open_reader((10, 20)):
            pass
    async with restore.open_reader((10, 20), unverified=True) as reader:
        assert await reader.read() == DATA[10:20]


async def test_an_object_is_restored_once_and_then_read(server: LocalGlacier, bucket: Bucket) -> None:
    """A restore that goes on is waited for, and a copy that is there is used: nothing is paid twice."""
    restore = await bucket.retrieve("cold", tier="Bulk", days=3)
    assert restore.is_new
    assert not (await bucket.retrieve("cold", tier="Bulk")).is_new
    with pytest.raises(NotRetrievedError, match="wait_until_done"):
        async with restore.open_reader():
            pass
    with pytest.raises(WaitTimeoutError):
        await restore.wait_until_done(timeout_seconds=0.01)
    server.clock.advance(timedelta(hours=13))
    assert (await restore.wait_until_done()).restore is not None
    assert not (await bucket.retrieve("cold")).is_new
    assert await read(bucket, "cold") == DATA


async def test_a_faster_tier_speeds_a_restore_up(server: LocalGlacier, bucket: Bucket) -> None:
    """It is asked for with ``again``."""
    await bucket.retrieve("cold", tier="Bulk")
    restore = await bucket.retrieve("cold", tier="Expedited", again=True)
    server.clock.advance(timedelta(minutes=10))
    await restore.wait_until_done()
    assert await read(bucket, "cold") == DATA


async def test_a_copy_that_expires_is_restored_again(server: LocalGlacier, bucket: Bucket) -> None:
    """The reader waits for the new copy and goes on."""
    restore = await bucket.retrieve("cold", tier="Expedited")
    server.clock.advance(timedelta(minutes=10))
    await restore.wait_until_done()
    async with anyio.create_task_group() as tasks, restore.open_reader() as reader:
        server.clock.advance(timedelta(days=3))

        async def let_time_pass() -> None:
            while not (head := await bucket.head("cold")).restore or not head.restore.is_ongoing:  # noqa: ASYNC110
                await anyio.sleep(0.002)
            server.clock.advance(timedelta(minutes=10))

        tasks.start_soon(let_time_pass)
        assert await reader.read() == DATA


async def test_many_restores_are_waited_for_by_a_list(server: LocalGlacier, bucket: Bucket) -> None:
    """From ten on, a list tells the state of all."""
    keys = [f"cold-{number:02}" for number in range(12)]
    for key in keys:
        await bucket.upload(b"x", key=key, storage_class="DEEP_ARCHIVE")
    restores = [await bucket.retrieve(key) for key in keys]
    done = []

    async def wait(number: int) -> None:
        done.append((await restores[number].wait_until_done()).key)

    async with anyio.create_task_group() as tasks:
        for number in range(len(keys)):
            tasks.start_soon(wait, number)
        await anyio.sleep(0.05)
        assert not done
        server.clock.advance(timedelta(hours=13))
    assert sorted(done) == keys


async def test_wrong_requests_are_refused(bucket: Bucket) -> None:
    """A missing object, an unknown tier, one that the class lacks, and days that are none."""
    with pytest.raises(ObjectNotFoundError):
        await bucket.retrieve("b")
    for wrong in ({"tier": "Fast"}, {"days": 0}, {"byte_range": (5, 1)}):
        with pytest.raises(InvalidPlanError):
            await bucket.retrieve("cold", **wrong)
    await bucket.upload(DATA, key="deep", storage_class="DEEP_ARCHIVE")
    with pytest.raises(InvalidPlanError, match="Expedited"):
        await bucket.retrieve("deep", tier="Expedited")


async def test_an_object_without_a_restore_is_not_waited_for(bucket: Bucket) -> None:
    """An object that another program has replaced is reported at once."""
    restore = await bucket.retrieve("a")
    await bucket.upload(DATA, key="a", storage_class="DEEP_ARCHIVE", overwrite=True)
    with pytest.raises(NotRetrievedError, match=r"bucket\.retrieve"):
        await restore.wait_until_done()
