"""Restores: done at once where a class reads at once; bytes come verified, whole and in ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier import InvalidPlanError, InvalidRangeError, ObjectNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier import Bucket, Glacier

DATA = bytes(range(251)) * 1000


@pytest.fixture
async def bucket(local: Glacier) -> Bucket:
    """Return a bucket of a local Glacier, with an object in a class that reads at once."""
    bucket = await local.create_bucket("museum", "GLACIER_IR")
    await bucket.upload(DATA, key="a")
    return bucket


@pytest.mark.parametrize("key", ["a"])
async def test_a_class_that_reads_at_once_needs_no_restore(bucket: Bucket, key: str, tmp_path: Path) -> None:
    """The retrieval is done, and the bytes come verified to a reader and to a file."""
    restore = await bucket.retrieve(key)
    assert not restore.is_new
    assert (await restore.wait_until_done()).size == len(DATA)
    async with restore.open_reader() as reader:
        assert await reader.read() == DATA
    await restore.download(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA


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


async def test_wrong_requests_are_refused(bucket: Bucket) -> None:
    """A missing object, an unknown tier, and days that are none."""
    with pytest.raises(ObjectNotFoundError):
        await bucket.retrieve("b")
    for wrong in ({"tier": "Fast"}, {"days": 0}, {"byte_range": (5, 1)}):
        with pytest.raises(InvalidPlanError):
            await bucket.retrieve("a", **wrong)  # wrong on purpose
