# ruff: noqa: ASYNC240  # small files of the test's own
"""Cancelled at the k-th await, for every k: nothing is left here, and nothing unnamed at the service.

The k-th await of a transfer is found by cancelling it at the k-th turn of the event loop, for growing k until
the transfer is through before it is cancelled: by a cancel scope, and as a task, as ``asyncio.timeout`` does.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.errors import WriterClosedError
from aioglacier.core.treehash import tree_hash
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.download.download import Download
from aioglacier.transfer.download.reader import open_reader
from aioglacier.transfer.hashing import workers
from aioglacier.transfer.hashing.workers import LARGEST_IN_THREAD, WORTH_WORKERS
from aioglacier.transfer.resources import open_resources
from aioglacier.transfer.upload import engine
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from aioglacier.transfer.upload.writer import open_writer
from tests.transfer.conftest import (
    DATA,
    MIB,
    MemoryOutput,
    MemoryStore,
    Served,
    cancel_when_blocked,
    count_descriptors,
    options,
    serve,
    thread_resources,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aioglacier.transfer.resources import TransferResources

pytestmark = pytest.mark.slow

SIZE = 2 * MIB + 5
BYTES = DATA[:SIZE]


async def cancel_after(turns: int, call: Callable[[], Awaitable[object]], *, natively: bool = False) -> bool:
    """Run a call and cancel it after so many turns of the loop; tell whether it was still under way."""
    if natively:
        task = asyncio.ensure_future(call())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        return task.cancelled()
    scope = anyio.CancelScope()
    is_through = False

    async def run() -> None:
        nonlocal is_through
        with scope:
            await call()
            is_through = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        for _ in range(turns):
            await asyncio.sleep(0)
        scope.cancel()
    return not is_through


@asynccontextmanager
async def nothing_left(resources: TransferResources) -> AsyncIterator[None]:
    """Check that a block leaves no task, buffer, connection, descriptor or name behind."""
    tasks, descriptors = len(asyncio.all_tasks()), count_descriptors()
    buffers = resources.buffers._allocated
    yield
    await wait_all_tasks_blocked()
    assert resources.buffers.lent == 0
    assert resources.connections.in_use == 0
    assert len(asyncio.all_tasks()) <= tasks
    if resources.buffers._allocated == buffers:
        assert count_descriptors() <= descriptors


def turns_of(most: int) -> list[int]:
    """Every turn at first, then ever fewer of them: early ones differ most."""
    turns, step = [], 1
    at = 0
    while at < most:
        turns.append(at)
        step = max(1, at // 25)
        at += step
    return turns


async def through_a_writer(store: MemoryStore, resources: TransferResources, _: Path) -> None:
    """An archive written in pieces."""
    async with open_writer(store, resources, options()) as writer:
        for start in range(0, SIZE, 700_000):
            await writer.write(BYTES[start : min(start + 700_000, SIZE)])


async def from_a_file(store: MemoryStore, resources: TransferResources, path: Path) -> None:
    """An archive read by workers."""
    await SourceUpload(store, resources, options(), await as_source(path)).run()


async def from_a_stream(store: MemoryStore, resources: TransferResources, _: Path) -> None:
    """An archive from an iterable."""
    await SourceUpload(store, resources, options(), await as_source([BYTES])).run()


async def in_one_request(store: MemoryStore, resources: TransferResources, _: Path) -> None:
    """An archive that fits one part."""
    await SourceUpload(store, resources, options(), await as_source(BYTES[:1000])).run()


@pytest.mark.parametrize("natively", [False, True], ids=["scope", "task"])
@pytest.mark.parametrize("way", [through_a_writer, from_a_file, from_a_stream, in_one_request])
async def test_an_upload_cancelled_anywhere_leaves_nothing(
    way: Callable[[MemoryStore, TransferResources, Path], Awaitable[None]], tmp_path: Path, *, natively: bool
) -> None:
    """Either the archive is whole, or there is none and no upload; memory, tasks and files are as before."""
    path = tmp_path / "source"
    path.write_bytes(BYTES)
    seen = {True: 0, False: 0}
    async with thread_resources(8 * MIB, hash_workers=2, concurrency=2) as resources:
        for turns in turns_of(20_000):
            store = MemoryStore()
            async with nothing_left(resources):
                was_cancelled = await cancel_after(
                    turns, partial(way, store, resources, path), natively=natively
                )
            seen[was_cancelled] += 1
            assert not store.uploads
            assert store.archives in ([], [BYTES], [BYTES[:1000]])
            assert was_cancelled or store.archives
            if seen[False] == 3:
                break
    assert min(seen.values()) > 0


async def test_a_kept_upload_cancelled_anywhere_can_be_resumed(tmp_path: Path) -> None:
    """Whenever it is cancelled, resuming what is left, if anything is, gives the archive."""
    path = tmp_path / "source"
    path.write_bytes(BYTES)
    resumed = 0
    async with thread_resources(8 * MIB, hash_workers=2, concurrency=2) as resources:
        for turns in turns_of(120):
            store = MemoryStore()

            async def first(store: MemoryStore = store) -> None:
                kept = options(keep_unfinished=True)
                await SourceUpload(store, resources, kept, await as_source(path)).run()

            async def second(store: MemoryStore = store) -> None:
                (upload_id,) = store.uploads
                known = {start: tree_hash(part) for start, part in store.uploads[upload_id].items()}
                again = SourceUpload(
                    store,
                    resources,
                    options(keep_unfinished=True),
                    await as_source(path),
                    resume=(upload_id, known),
                )
                await again.run()

            async with nothing_left(resources):
                await cancel_after(turns, first)
                if store.uploads:
                    await cancel_after(turns // 2, second)
            assert len(store.uploads) + len(store.archives) <= 1
            if store.uploads:
                await second()
                resumed += 1
                assert store.archives == [BYTES]
    assert resumed > 0


@pytest.mark.parametrize("natively", [False, True], ids=["scope", "task"])
async def test_a_download_cancelled_anywhere_leaves_what_the_next_one_needs(
    tmp_path: Path, *, natively: bool
) -> None:
    """Only hidden files beside the target, never locked, and at last the archive."""
    target = tmp_path / "target"
    hidden = {".target.aioglacier", ".target.aioglacier.journal"}
    seen = {True: 0, False: 0}
    async with thread_resources(8 * MIB, hash_workers=2, concurrency=2) as resources:
        for turns in turns_of(20_000):
            output = MemoryOutput(BYTES)
            async with nothing_left(resources):
                was_cancelled = await cancel_after(
                    turns, Download(output, resources, target).run, natively=natively
                )
            seen[was_cancelled] += 1
            assert output.opened == 0
            names = {path.name for path in tmp_path.iterdir()}
            assert names <= hidden or names == {"target"}
            if target.exists():
                assert target.read_bytes() == BYTES
                target.unlink()
            else:
                assert was_cancelled
            if seen[False] == 3:
                break
    assert min(seen.values()) > 0


@pytest.mark.parametrize("natively", [False, True], ids=["scope", "task"])
async def test_a_reader_cancelled_anywhere_leaves_nothing(*, natively: bool) -> None:
    """No buffer and no open answer, wherever it is cancelled."""
    seen = {True: 0, False: 0}
    async with thread_resources(8 * MIB, hash_workers=2, concurrency=2) as resources:
        for turns in turns_of(20_000):
            output = MemoryOutput(BYTES)

            async def read(output: MemoryOutput = output) -> None:
                async with open_reader(output, resources) as reader:
                    assert await reader.read() == BYTES

            async with nothing_left(resources):
                seen[await cancel_after(turns, read, natively=natively)] += 1
            assert output.opened == 0
            if seen[False] == 3:
                break
    assert min(seen.values()) > 0


async def through_the_network(served: Served, path: Path) -> None:
    """Up, and down again."""
    archive = await served.vault.upload(path, part_size=2 * MIB)
    job = await served.vault.retrieve(archive.id)
    await job.download(path.with_name("target"), overwrite=True)
    async with job.open_reader() as reader:
        await reader.read(5)


async def test_nothing_stays_at_a_served_glacier(tmp_path: Path) -> None:
    """With real connections and workers no unknown upload, process or descriptor is left."""
    path = tmp_path / "source"
    path.write_bytes(DATA[: 4 * MIB + 5])
    children = {child.pid for child in psutil.Process().children()}
    limits = Limits(memory=8 * MIB, concurrency=2, hash_workers=2)
    async with serve(tmp_path / "glacier", limits) as served:
        await through_the_network(served, path)
        descriptors = count_descriptors()
        for turns in (1, 3, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 120, 140, 170, 200, 300, 500):
            await cancel_after(turns, lambda: through_the_network(served, path))
            assert served.resources.buffers.lent == 0
            assert await served.uploads() == []
        await through_the_network(served, path)
        await wait_all_tasks_blocked()
        assert count_descriptors() <= descriptors + 8  # idle connections and buffers of the pool
        assert len({child.pid for child in psutil.Process().children()} - children) <= 2
    assert {child.pid for child in psutil.Process().children()} <= children


@pytest.mark.parametrize("is_patient", [True, False])
async def test_workers_are_gone_after_any_cancellation(
    tmp_path: Path, is_patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while workers start or work, or threads work until they have started: no process stays."""
    if not is_patient:
        monkeypatch.setattr(workers, "LARGEST_IN_THREAD", LARGEST_IN_THREAD)
    path = tmp_path / "source"
    path.write_bytes(DATA)

    async def upload(store: MemoryStore, resources: TransferResources) -> None:
        resources.hasher.expect(WORTH_WORKERS, 2 * MIB)
        await SourceUpload(store, resources, options(2 * MIB), await as_source(path)).run()

    children = {child.pid for child in psutil.Process().children()}
    started = 0
    for turns in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 200, 400, 800, 1600, 3200, 6400):
        if started and turns > 89:  # on a busy machine the file is opened later
            break
        async with open_resources(Limits(memory=8 * MIB, concurrency=2, hash_workers=2)) as resources:
            store = MemoryStore()
            await cancel_after(turns, partial(upload, store, resources))
            assert resources.buffers.lent == 0
            assert not store.uploads
            started += len({child.pid for child in psutil.Process().children()} - children)
        assert {child.pid for child in psutil.Process().children()} <= children
    assert started


# --- cancelled late


async def cancel_at(store: MemoryStore, place: str, scope: anyio.CancelScope, *, answers: bool) -> None:
    """Cancel once the effect is there and the answer is not; it comes a little later, or never."""
    reached = anyio.Event()

    async def after(here: int | str) -> None:
        if here == place:
            reached.set()
            await wait_all_tasks_blocked()
            if not answers:
                await anyio.sleep_forever()

    store.after = after
    await reached.wait()
    scope.cancel()


@pytest.mark.parametrize(("size", "place"), [(5, "whole"), (2 * MIB, "complete")])
async def test_a_late_cancellation_waits_for_the_answer(
    size: int, place: str, store: MemoryStore, resources: TransferResources, caplog: pytest.LogCaptureFixture
) -> None:
    """Once the archive is made its id is not lost: the writer has it, and the log too."""
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(lambda: cancel_at(store, place, scope, answers=True))
            async with open_writer(store, resources, options()) as writer:
                await writer.write(DATA[:size])
        assert scope.cancelled_caught
    assert writer.archive.size == size
    assert f"archive {writer.archive.id}, {size} bytes, was made" in caplog.text
    assert not store.calls["abort"]


async def test_a_late_cancellation_does_not_wait_for_ever(
    store: MemoryStore, resources: TransferResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the answer does not come within the grace the upload is kept, because it can settle what was."""
    monkeypatch.setattr(engine, "GRACE_SECONDS", 0.05)

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(lambda: cancel_at(store, "complete", scope, answers=False))
            async with open_writer(store, resources, options()) as writer:
                await writer.write(DATA[: 2 * MIB])
    with pytest.raises(WriterClosedError, match="no archive"):
        _ = writer.archive
    assert not store.calls["abort"]


async def test_an_upload_whose_beginning_is_cancelled_is_taken_away(
    store: MemoryStore, resources: TransferResources
) -> None:
    """The cancelled task waits for the id, so that no upload without a known id stays."""
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(lambda: cancel_at(store, "initiate", scope, answers=True))
            async with open_writer(store, resources, options()) as writer:
                await writer.write(DATA[: 2 * MIB])
        assert scope.cancelled_caught
    assert store.calls["initiate"] == store.calls["abort"] == 1
    assert not store.uploads


async def test_a_body_that_is_not_all_sent_is_given_up_at_once(
    store: MemoryStore, resources: TransferResources
) -> None:
    """A whole archive that the service cannot have yet is not waited for when cancelled."""
    store.before = lambda _: anyio.sleep_forever()
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel_when_blocked, scope)
            async with open_writer(store, resources, options()) as writer:
                await writer.write(b"data")
        assert scope.cancelled_caught
    with pytest.raises(WriterClosedError, match="no archive"):
        _ = writer.archive
