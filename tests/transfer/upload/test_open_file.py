"""Named files: read once to be hashed and once to be sent, in memory that does not grow with the parts."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.errors import SourceChangedError, SourceError, SourceUnreadableError
from aioglacier.core.treehash import hash_part, tree_hash
from aioglacier.files.reading import FileChangedError, FileIdentity, open_unchanged
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom, perform
from aioglacier.transfer.hashing.workers import Hasher
from aioglacier.transfer.upload.named_file import NamedFile, look_at_file
from aioglacier.transfer.upload.open_file import OpenFile
from aioglacier.transfer.upload.source_upload import SourceUpload
from benchmarks import clients, turns
from benchmarks.sink import Sink
from tests.transfer.conftest import (
    DATA,
    MIB,
    MemoryStore,
    Served,
    count_descriptors,
    options,
    saved,
    thread_resources,
)

if TYPE_CHECKING:
    from aioglacier.core.treehash import PartHashes
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.resources import TransferResources

linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

#: Parts that are not read into buffers.
PART = 2 * MIB


def remove(path: Path) -> None:
    """No file of that name any more."""
    path.unlink(missing_ok=True)


async def test_parts_larger_than_the_memory_limit_go_up(tmp_path: Path, store: MemoryStore) -> None:
    """No buffer holds them, neither to be sent nor, in a resume, to be compared."""
    file = await look_at_file(saved(tmp_path / "file"))
    async with thread_resources(MIB, concurrency=2) as resources:
        await SourceUpload(store, resources, options(4 * MIB), file).run()
        upload_id = await store.initiate(4 * MIB)
        store.uploads[upload_id][0] = DATA[: 4 * MIB]
        known = {0: tree_hash(DATA[: 4 * MIB])}
        await SourceUpload(store, resources, options(4 * MIB), file, resume=(upload_id, known)).run()
        assert resources.buffers._allocated == 0
    assert store.archives == [DATA, DATA]


@linux
@pytest.mark.parametrize("client", ["aioglacier", "aioglacier+threads"])
def test_memory_is_the_same_for_any_part_size(client: str) -> None:
    """The peak of the whole process tree, with four parts of 64 MiB on their way and with four of 4 MiB."""
    peaks = []
    with turns.opened(Sink(), tls=True) as place:
        for part_size in (4 * MIB, 64 * MIB):
            task = turns.upload_task(place, 320 * MIB, part_size, 4)
            peaks.append(clients.run(client, task).peak_pss)
    assert max(peaks) < min(peaks) + 16 * MIB
    assert max(peaks) < 110 * MIB


class Counting(Hasher):
    """A hasher that counts its jobs."""

    def __init__(self, hasher: Hasher) -> None:
        vars(self).update(vars(hasher))
        self.jobs = 0

    async def run(self, job: PartJob, buffer: PartBuffer | None = None) -> PartHashes:
        """As the hasher within."""
        assert buffer is None
        self.jobs += 1
        return await super().run(job, buffer)


async def test_only_a_little_is_hashed_ahead(tmp_path: Path, store: MemoryStore) -> None:
    """Or what is hashed would be out of the system's cache again when its turn to be sent comes."""
    are_full, go_on = anyio.Event(), anyio.Event()

    async def wait(place: int | str) -> None:
        if isinstance(place, int):
            if store.bodies == 3:
                are_full.set()
            await go_on.wait()

    store.before = wait
    file = await look_at_file(saved(tmp_path / "file", DATA * 4))
    async with thread_resources(hash_workers=2, concurrency=3) as resources:
        counting = Counting(resources.hasher)
        upload = SourceUpload(store, replace(resources, hasher=counting), options(PART), file)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upload.run)
            with anyio.fail_after(20):
                await are_full.wait()
            await wait_all_tasks_blocked()
            assert counting.jobs <= 3 + resources.parts_ahead
            go_on.set()
    assert store.archives == [DATA * 4]


@pytest.mark.parametrize("moment", ["first part", "last part"])
@pytest.mark.parametrize("part_size", [MIB, PART])
async def test_a_file_deleted_while_it_goes_up_is_no_archive(
    part_size: int, moment: str, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """Whether another part cannot be opened, or all are sent: an error with the name, and nothing left."""
    path = saved(tmp_path / "file", DATA[: 3 * part_size])

    async def delete(place: int | str) -> None:
        if place == (0 if moment == "first part" else 2 * part_size):
            remove(path)
        await anyio.lowlevel.checkpoint()

    store.before = delete
    file = await look_at_file(path)
    with pytest.raises(SourceError) as caught:
        await SourceUpload(store, resources, options(part_size), file).run()
    assert isinstance(caught.value, (SourceChangedError, SourceUnreadableError))
    assert caught.value.path == str(path)
    assert (store.archives, store.uploads) == ([], {})


async def test_a_served_glacier_gets_every_byte_of_a_file(served: Served, tmp_path: Path) -> None:
    """In one request and in parts, cached and not."""
    path = saved(tmp_path / "file")
    for part_size in (MIB, PART, 8 * MIB, 16 * MIB):
        if hasattr(os, "posix_fadvise"):
            descriptor = os.open(path, os.O_RDONLY)
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
        archive = await served.vault.upload(path, part_size=part_size)
        assert (archive.size, archive.tree_hash) == (len(DATA), tree_hash(DATA))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_uploads_that_wait_have_no_file_open(tmp_path: Path, store: MemoryStore) -> None:
    """A file is open while one of its parts has a connection, however many archives there are."""
    most = 0

    async def look(place: int | str) -> None:
        nonlocal most
        if isinstance(place, int):
            await anyio.sleep(0.01)
            most = max(most, count_opened(path))

    store.before = look
    path = saved(tmp_path / "file", DATA[: 5 * MIB])
    file = await look_at_file(path)
    async with thread_resources(hash_workers=2, concurrency=2) as resources:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(SourceUpload(store, resources, options(PART), file).run)
        assert count_opened(path) == 0
    assert 1 <= most <= 4  # two that are sent, and two that are hashed
    assert len(store.archives) == 20


def count_opened(path: Path) -> int:
    """Descriptors of a file in this process, whatever else it has open."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += descriptor.readlink() == path
    return found


# --- the open file


def place(file: NamedFile, offset: int = 0) -> ReadFrom:
    """Return the place of a part."""
    return ReadFrom(file.path, offset, file.identity)


async def test_a_file_is_opened_once_for_all_who_send_it(tmp_path: Path) -> None:
    """It stays open until the last of them is done, and can be opened again then."""
    file = await look_at_file(saved(tmp_path / "file", b"bytes"))
    shared = OpenFile(file)
    before = count_descriptors()

    async def use() -> None:
        async with shared.range(place(file, 1), 2) as range_:
            descriptors.append(range_.descriptor)
            assert (range_.offset, range_.nbytes, range_.path) == (1, 2, file.path)
            if len(descriptors) == 5:
                are_all.set()
            await go_on.wait()

    for _ in range(2):
        descriptors: list[int] = []
        are_all, go_on = anyio.Event(), anyio.Event()
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(use)
            await are_all.wait()
            assert len(set(descriptors)) == 1
            go_on.set()
        assert count_descriptors() == before


async def test_a_file_that_is_another_by_now_is_not_opened(tmp_path: Path) -> None:
    """Nor one that is not there."""
    path = saved(tmp_path / "file", b"bytes")
    file = await look_at_file(path)
    shared = OpenFile(file)
    before = count_descriptors()
    saved(path, b"others, and more")
    with pytest.raises(SourceChangedError) as changed:
        async with shared.range(place(file), 2):
            pytest.fail("it was opened")
    assert changed.value.field == "size"
    remove(path)
    with pytest.raises(SourceUnreadableError, match="No such file"):
        async with shared.range(place(file), 2):
            pytest.fail("it was opened")
    assert count_descriptors() == before


async def test_a_cancellation_while_a_file_is_opened_leaves_none_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that opens it is waited for."""
    file = await look_at_file(saved(tmp_path / "file", b"bytes"))
    shared = OpenFile(file)
    before = count_descriptors()

    def open_slowly(path: str, identity: FileIdentity) -> int:
        time.sleep(0.2)  # in a thread
        return open_unchanged(path, identity)

    monkeypatch.setattr("aioglacier.transfer.upload.open_file.open_unchanged", open_slowly)
    with anyio.move_on_after(0.05) as scope:
        async with shared.range(place(file), 2):
            pytest.fail("it was opened")
    assert scope.cancelled_caught
    assert count_descriptors() == before


async def test_threads_that_hash_share_a_file_with_who_sends_it(tmp_path: Path) -> None:
    """It is opened by the first and closed by the last, and each sees whether it is still the same."""
    path = saved(tmp_path / "file", b"bytes")
    file = await look_at_file(path)
    shared = OpenFile(file)
    job = PartJob(3, ReadFrom(file.path, 1, file.identity, shared))
    before = count_descriptors()
    assert perform(job, memoryview(bytearray(3))) == hash_part(b"yte")
    assert count_descriptors() == before
    async with shared.range(place(file), 5):
        assert perform(job, memoryview(bytearray(3))) == hash_part(b"yte")
        assert count_descriptors() == before + 1
        remove(path)
        with pytest.raises(FileNotFoundError):
            perform(job, memoryview(bytearray(3)))
        saved(path, b"bytes")
        with pytest.raises(FileChangedError):
            perform(job, memoryview(bytearray(3)))
    assert count_descriptors() == before
    with pytest.raises(FileChangedError):
        perform(job, memoryview(bytearray(3)))
    assert count_descriptors() == before


def test_two_threads_may_open_a_file_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One descriptor stays; the other is closed."""
    path = saved(tmp_path / "file", b"bytes")
    status = path.stat()
    file = NamedFile(str(path), FileIdentity.of(status))
    shared = OpenFile(file)
    before = count_descriptors()
    meet = threading.Barrier(2)

    def open_together(path: str, identity: FileIdentity) -> int:
        meet.wait(10)
        return open_unchanged(path, identity)

    monkeypatch.setattr("aioglacier.transfer.upload.open_file.open_unchanged", open_together)
    shared.hold()
    with ThreadPoolExecutor(2) as threads:
        first, second = (threads.submit(shared.open_unchanged) for _ in range(2))
        assert first.result() == second.result()
    assert count_descriptors() == before + 1
    shared.let_go()
    assert count_descriptors() == before
