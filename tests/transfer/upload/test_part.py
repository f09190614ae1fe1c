"""Named files: read once to be hashed and once to be sent, in memory that does not grow with the parts."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.errors import SourceChangedError, SourceError, SourceUnreadableError
from aioglacier.core.treehash import tree_hash
from aioglacier.files.reading import FileIdentity, FileRange, open_unchanged
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom
from aioglacier.transfer.hashing.workers import Hasher
from aioglacier.transfer.upload.named_file import NamedFile, look_at_file
from aioglacier.transfer.upload.part import Part
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
@pytest.mark.slow
@pytest.mark.parametrize(
    ("client", "part_sizes"), [("aioglacier", (4 * MIB, 64 * MIB)), ("aioglacier+threads", (32 * MIB,))]
)
def test_memory_is_the_same_for_any_part_size(client: str, part_sizes: tuple[int, ...]) -> None:
    """The peak of the whole process tree is below that of four parts, of which so many are on their way."""
    peaks = []
    with turns.opened(Sink(), tls=True) as place:
        for part_size in part_sizes:
            task = turns.upload_task(place, max(48 * MIB, 9 * part_size // 2), part_size, 4)
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


# --- a part's body


def part_of(file: NamedFile) -> Part:
    """Return a part of two bytes that stays in its file."""
    return Part(0, PartJob(2, ReadFrom(file.path, 1, file.identity)), None)


async def test_a_part_opens_its_file_while_it_is_sent(tmp_path: Path) -> None:
    """The body is a range of the open file, which is closed afterwards."""
    file = await look_at_file(saved(tmp_path / "file", b"bytes"))
    before = count_descriptors()
    async with part_of(file).body() as body:
        assert isinstance(body, FileRange)
        assert (body.offset, body.nbytes, body.path) == (1, 2, file.path)
        assert os.pread(body.descriptor, 2, body.offset) == b"yt"
    assert count_descriptors() == before


async def test_a_file_that_is_another_by_now_is_not_opened(tmp_path: Path) -> None:
    """A part of a file that has changed, or is gone, raises an error with its name."""
    path = saved(tmp_path / "file", b"bytes")
    file = await look_at_file(path)
    before = count_descriptors()
    saved(path, b"others, and more")
    with pytest.raises(SourceChangedError) as changed:
        async with part_of(file).body():
            pytest.fail("it was opened")
    assert changed.value.field == "size"
    remove(path)
    with pytest.raises(SourceUnreadableError, match="No such file"):
        async with part_of(file).body():
            pytest.fail("it was opened")
    assert count_descriptors() == before


async def test_a_cancellation_while_a_file_is_opened_leaves_none_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that opens it is waited for."""
    file = await look_at_file(saved(tmp_path / "file", b"bytes"))
    before = count_descriptors()
    opening, go_on = threading.Event(), threading.Event()

    def open_slowly(path: str, identity: FileIdentity) -> int:
        opening.set()
        go_on.wait(60)
        return open_unchanged(path, identity)

    async def enter() -> None:
        async with part_of(file).body():
            pytest.fail("it was opened")

    monkeypatch.setattr("aioglacier.transfer.upload.part.open_unchanged", open_slowly)
    entering = asyncio.ensure_future(enter())
    await anyio.to_thread.run_sync(opening.wait)
    entering.cancel()
    go_on.set()
    await asyncio.wait([entering])
    assert entering.cancelled()
    assert count_descriptors() == before
