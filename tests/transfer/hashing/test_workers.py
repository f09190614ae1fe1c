# ruff: noqa: ASYNC240  # a test may block on small files of its own
"""Tests of hashing in processes and threads: right answers, and no job lost to a dead or frozen worker."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import psutil
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.crc import crc64nvme
from aioglacier.core.errors import SourceChangedError, SourceUnreadableError
from aioglacier.core.treehash import NATIVE_SWITCH, PartHashes, hash_part
from aioglacier.transfer.hashing import part_job as partjob, workers
from aioglacier.transfer.hashing.part_job import CRC_OF_SENT, TREE, PartJob
from aioglacier.transfer.hashing.worker import encode_request
from aioglacier.transfer.hashing.workers import open_hasher
from tests.transfer.conftest import DATA, MIB, cancel_when_blocked, count_descriptors
from tests.transfer.hashing.conftest import SIZE, filled, hash_with, pids, place_of

if TYPE_CHECKING:
    from aioglacier.transfer.budget.allowance import HashIn

LENGTHS = [1, 512 * 1024, 512 * 1024 + 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7]

both = pytest.mark.parametrize("hash_in", ["processes", "threads"])
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@both
async def test_hashes_are_right_for_every_length(hash_in: HashIn) -> None:
    """Payload hash, tree hash and leaves are those of the bytes, at every boundary."""
    async with open_hasher(hash_in, 2) as hasher:
        for length in LENGTHS:
            await hash_with(hasher, DATA[:length])


@both
async def test_a_payload_hash_is_made_only_where_it_is_wanted(hash_in: HashIn) -> None:
    """Bytes that are not sent get their tree hash, and nothing that costs more."""
    async with open_hasher(hash_in, 1) as hasher:
        with filled(hasher.make_memory(SIZE), DATA[:SIZE]) as buffer:
            hashes = await hasher.run(PartJob(SIZE, hashes=TREE), buffer)
            assert hashes == hash_part(DATA[:SIZE])._replace(payload_hash=b"")


@needs_proc
@pytest.mark.parametrize("switch", ["0", "1"])
async def test_workers_hash_with_the_core_that_the_environment_asks_for(
    switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch for the native core is among the little that a worker inherits."""
    monkeypatch.setenv(NATIVE_SWITCH, switch)
    async with open_hasher("processes", 1) as hasher:
        await hash_with(hasher)
        maps = Path(f"/proc/{pids(hasher)[0]}/maps").read_text()
    is_compiled = find_spec("aioglacier.core.native") is not None
    assert ("core/native." in maps) == (is_compiled and switch == "1")


@both
async def test_a_file_is_read_into_the_buffer_and_hashed(hash_in: HashIn, tmp_path: Path) -> None:
    """The bytes that are hashed are those that lie in the buffer afterwards."""
    path = tmp_path / "source"
    path.write_bytes(DATA[: 3 * MIB])
    async with open_hasher(hash_in, 1) as hasher:
        with filled(hasher.make_memory(SIZE), b"") as buffer:
            assert await hasher.run(PartJob(SIZE, place_of(path, 777)), buffer) == hash_part(
                DATA[777 : 777 + SIZE]
            )
            assert buffer.view == DATA[777 : 777 + SIZE]


@both
async def test_a_file_that_is_hashed_while_it_is_sent_is_not_read(hash_in: HashIn, tmp_path: Path) -> None:
    """Such a job reads nothing, not even where the file is gone; one with a buffer reads it and hashes it."""
    path = tmp_path / "source"
    path.write_bytes(DATA[:SIZE])
    job = PartJob(SIZE, place_of(path), CRC_OF_SENT)
    async with open_hasher(hash_in, 1) as hasher:
        with filled(hasher.make_memory(SIZE), b"") as buffer:
            checksum = crc64nvme(DATA[:SIZE]).to_bytes(8, "big")
            assert (await hasher.run(job, buffer)).crc64nvme == checksum
        path.unlink()
        assert await hasher.run(job) == PartHashes(b"", b"", b"")


@both
async def test_names_travel_as_their_bytes(hash_in: HashIn, tmp_path: Path) -> None:
    """A file name may be any bytes: neither a newline nor invalid UTF-8 is lost on the way to a worker."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/-\n\xff\xe4%s"))
    path.write_bytes(DATA[:SIZE])
    async with open_hasher(hash_in, 1) as hasher:
        with filled(hasher.make_memory(SIZE), b"") as buffer:
            assert await hasher.run(PartJob(SIZE, place_of(path)), buffer) == hash_part(DATA[:SIZE])


@both
async def test_files_that_cannot_be_used_are_named(hash_in: HashIn, tmp_path: Path) -> None:
    """A file that is gone, has changed, shrinks or became a FIFO."""
    path = tmp_path / "source"
    path.write_bytes(DATA[:SIZE])
    place = place_of(path)
    async with open_hasher(hash_in, 1) as hasher:
        with filled(hasher.make_memory(SIZE), b"") as buffer:
            with pytest.raises(SourceChangedError) as short:
                await hasher.run(PartJob(SIZE, place._replace(offset=5)), buffer)
            path.write_bytes(DATA[:5])
            with pytest.raises(SourceChangedError) as changed:
                await hasher.run(PartJob(SIZE, place), buffer)
            path.unlink()
            with pytest.raises(SourceUnreadableError) as gone:
                await hasher.run(PartJob(SIZE, place._replace(offset=9)), buffer)
            os.mkfifo(path)
            with pytest.raises(SourceChangedError) as fifo:
                await hasher.run(PartJob(SIZE, place), buffer)
            assert await hasher.run(PartJob(SIZE), buffer)
    assert (short.value.field, changed.value.field) == ("size", "size")
    assert fifo.value.field in {"inode", "size"}  # the new one may have got the old one's inode
    assert (gone.value.path, gone.value.errno, gone.value.offset) == (str(path), errno.ENOENT, 9)


async def test_parts_of_one_mib_need_no_worker(tmp_path: Path) -> None:
    """A thread hashes them in less time than a worker takes to start, from memory and from a file."""
    path = tmp_path / "source"
    path.write_bytes(DATA[:MIB])
    async with open_hasher("processes", 1) as hasher:
        for job in (PartJob(MIB), PartJob(MIB, place_of(path))):
            with filled(hasher.make_memory(MIB), DATA[:MIB]) as buffer:
                assert await hasher.run(job, buffer) == hash_part(DATA[:MIB])
        assert not pids(hasher)
        assert not hasher.make_memory(MIB).locator  # nor memory that could be shared with one
        await hash_with(hasher)
        assert pids(hasher)


async def test_cancelling_a_job_kills_its_worker() -> None:
    """No worker writes to a buffer that has been given back, and the next job gets a new worker."""
    async with open_hasher("processes", 1) as hasher:
        await hash_with(hasher)
        (pid,) = pids(hasher)
        os.kill(pid, signal.SIGSTOP)  # so that the job is under way for sure
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(cancel_when_blocked, scope)
                await hash_with(hasher)
        assert not psutil.pid_exists(pid)
        await hash_with(hasher)
        assert pid not in pids(hasher)


async def test_a_job_whose_worker_is_killed_is_given_to_another(caplog: pytest.LogCaptureFixture) -> None:
    """The bytes are still there, so the death of a worker costs a repetition and a warning."""
    async with open_hasher("processes", 1) as hasher:
        await hash_with(hasher)
        (pid,) = pids(hasher)
        os.kill(pid, signal.SIGSTOP)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hash_with, hasher)
            await wait_all_tasks_blocked()
            os.kill(pid, signal.SIGKILL)
    assert "a hash worker died with exit code -9; attempt 1 of 3" in caplog.text


async def test_after_a_death_the_next_worker_reads_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mapped file that became shorter, or lies on a bad disk, kills; reading says what is wrong with it."""
    asked: list[bool] = []

    def encode(serial: int, locator: str, size: int, job: PartJob) -> bytes:
        asked.append(job.may_map)
        return encode_request(serial, locator, size, job)

    monkeypatch.setattr(workers, "encode_request", encode)
    path = tmp_path / "source"
    path.write_bytes(DATA[:SIZE])
    job = PartJob(SIZE, place_of(path))
    async with open_hasher("processes", 1) as hasher:
        assert await hasher.run(job) == hash_part(DATA[:SIZE])
        (pid,) = pids(hasher)
        os.kill(pid, signal.SIGSTOP)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hasher.run, job)
            await wait_all_tasks_blocked()
            os.kill(pid, signal.SIGKILL)
    assert asked == [True, True, False]


async def test_workers_that_died_idle_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    """Three workers killed in their sleep say nothing about the next job."""
    async with open_hasher("processes", 3) as hasher:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(hash_with, hasher)
        for worker in hasher._idle:
            os.kill(worker.pid, signal.SIGKILL)
            worker._process.wait()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(hash_with, hasher)
    assert not caplog.records


@pytest.mark.parametrize("hash_in", ["auto", "threads"])
async def test_a_cancelled_job_waits_for_one_block_of_a_slow_disk(
    hash_in: HashIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for the rest of the part; here a thread hashes, whatever else could."""
    monkeypatch.setattr(workers, "LARGEST_IN_THREAD", 4 * MIB)
    path = tmp_path / "source"
    path.write_bytes(DATA[: 4 * MIB])
    reads = 0
    reading, go_on = threading.Event(), threading.Event()

    def read(*_: object) -> None:
        nonlocal reads
        reads += 1
        reading.set()
        assert go_on.wait(60)

    monkeypatch.setattr(partjob, "fill", read)
    async with open_hasher(hash_in, 1) as hasher:
        job = asyncio.ensure_future(hasher.run(PartJob(4 * MIB, place_of(path))))
        await anyio.to_thread.run_sync(reading.wait)
        job.cancel()
        await wait_all_tasks_blocked()
        assert not job.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await job
    assert reads == 1


@pytest.mark.parametrize("executable", ["", "/nowhere/python"])
async def test_no_interpreter_makes_threads_take_over(
    executable: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without an interpreter to start there is one warning, and hashes all the same."""
    monkeypatch.setattr(sys, "executable", executable)
    async with open_hasher("processes", 1) as hasher:
        await hash_with(hasher)
        await hash_with(hasher)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_memory_that_workers_cannot_map_is_hashed_in_threads(caplog: pytest.LogCaptureFixture) -> None:
    """If /proc is closed to a child, the source is not to blame: threads take over, with a warning."""
    async with open_hasher("processes", 1) as hasher:
        for _ in range(2):
            with filled(hasher.make_memory(SIZE), DATA[:SIZE]) as buffer:
                buffer.locator = "/proc/self/fd/none"
                assert await hasher.run(PartJob(SIZE), buffer) == hash_part(DATA[:SIZE])
    (record,) = caplog.records
    assert "its memory cannot be shared" in record.getMessage()


async def test_nothing_is_left_of_a_hasher() -> None:
    """When the block ends its processes are gone and no descriptor is left."""
    descriptors = count_descriptors()
    children = {child.pid for child in psutil.Process().children()}
    async with open_hasher("processes", 2) as hasher, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(hash_with, hasher)
    assert {child.pid for child in psutil.Process().children()} <= children
    assert count_descriptors() <= descriptors
