# ruff: noqa: PT012  # a block that must raise is the whole of it
"""Failures and gentle stops: what is on its way may arrive, and the upload is kept or removed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.errors import (
    ConnectionFailedError,
    GlacierError,
    IntegrityError,
    OutcomeUnknownError,
    ResumeMismatchError,
    TemporaryServiceError,
    UploadFailedError,
    WriterClosedError,
)
from aioglacier.core.models import UploadId
from aioglacier.core.treehash import tree_hash
from aioglacier.transfer.hashing.workers import Hasher
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from aioglacier.transfer.upload.writer import open_writer
from tests.transfer.conftest import DATA, MIB, MemoryStore, options, refused, thread_resources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aioglacier.core.models import Archive
    from aioglacier.core.treehash import PartHashes
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.hashing.part_job import PartJob
    from aioglacier.transfer.resources import TransferResources


class Gate:
    """Holds everything the store is asked, from a place on, until it is opened.

    Attributes:
        held: Where something is held now.
    """

    def __init__(self, store: MemoryStore, *, passes: Callable[[int | str], bool] = lambda _: False) -> None:
        self._opened = anyio.Event()
        self._passes = passes
        self.held: list[int | str] = []
        store.before = self._wait

    async def _wait(self, place: int | str) -> None:
        if not self._passes(place):
            self.held.append(place)
            await self._opened.wait()

    def open(self) -> None:
        """Let all through."""
        self._opened.set()


def only_whole_calls(place: int | str) -> bool:
    """Return whether it is no part."""
    return isinstance(place, str)


class Run:
    """An upload that runs in a task of its own.

    Attributes:
        failure: What it ended with.
        has_ended: Whether it ended by itself.
    """

    def __init__(self, upload: SourceUpload[Archive]) -> None:
        self.upload = upload
        self.failure: GlacierError | None = None
        self.has_ended = False
        self.end = anyio.Event()

    async def __call__(self) -> None:
        """Run it."""
        try:
            await self.upload.run()
        except UploadFailedError as error:
            self.failure = error
        self.has_ended = True
        self.end.set()


@pytest.mark.parametrize("kind", ["file", "stream"])
async def test_what_is_on_its_way_arrives_and_the_rest_is_not_read(
    kind: str, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """PR-04: two connections are busy, so two parts arrive; the upload is kept and says what it holds."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    source = await as_source(path if kind == "file" else iter([DATA]))
    gate = Gate(store, passes=only_whole_calls)
    run = Run(SourceUpload(store, resources, options(), source))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        while len(gate.held) < 2:
            await wait_all_tasks_blocked()
        run.upload.drain()
        await wait_all_tasks_blocked()
        assert not run.has_ended
        gate.open()
    assert run.failure is not None
    assert run.failure.upload_id == "upload-1"
    assert run.failure.sent == 2 * MIB
    # Parts are hashed by several workers, so the first two to be sent need not be the first two.
    assert len(gate.held) == 2
    assert set(store.uploads[UploadId("upload-1")]) == set(gate.held)
    assert (resources.buffers.lent, resources.connections.in_use) == (0, 0)
    assert not store.archives


async def test_what_is_kept_goes_on(tmp_path: Path, store: MemoryStore, resources: TransferResources) -> None:
    """The next run sends what did not arrive, and nothing else."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    gate = Gate(store, passes=only_whole_calls)
    run = Run(SourceUpload(store, resources, options(), await as_source(path)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        while len(gate.held) < 2:
            await wait_all_tasks_blocked()
        run.upload.drain()
        gate.open()
    assert run.failure is not None
    (upload_id,) = store.uploads
    assert run.failure.upload_id == upload_id
    known = {start: tree_hash(part) for start, part in store.uploads[upload_id].items()}
    again = SourceUpload(store, resources, options(), await as_source(path), resume=(upload_id, known))
    await again.run()
    assert store.archives == [DATA]
    assert all(store.calls[start] == 1 for start in range(0, len(DATA), MIB))


async def test_what_does_not_arrive_in_time_is_given_up(
    tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """The time is a bound: parts that hang do not hold the program up."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    gate = Gate(store, passes=only_whole_calls)
    run = Run(SourceUpload(store, resources, options(), await as_source(path)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        while len(gate.held) < 2:
            await wait_all_tasks_blocked()
        run.upload.drain(30)
        run.upload.drain(0.05)
        with anyio.fail_after(10):
            await run.end.wait()
    assert run.failure is not None
    assert (run.failure.upload_id, run.failure.sent) == ("upload-1", 0)
    assert resources.buffers.lent == 0


async def test_a_cancellation_does_not_wait_for_what_is_on_its_way(
    tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """Cancelled while it drains, it ends at once, and the upload is kept all the same."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    gate = Gate(store, passes=only_whole_calls)
    run = Run(SourceUpload(store, resources, options(), await as_source(path)))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            while len(gate.held) < 2:
                await wait_all_tasks_blocked()
            run.upload.drain(3600)
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert not run.has_ended
    assert list(store.uploads) == ["upload-1"]
    assert (resources.buffers.lent, resources.connections.in_use) == (0, 0)


async def test_an_upload_that_is_all_read_may_still_become_an_archive(
    tmp_path: Path, resources: TransferResources, store: MemoryStore
) -> None:
    """With the last parts on their way there is nothing left to stop."""
    path = tmp_path / "source"
    path.write_bytes(DATA[: 2 * MIB])
    gate = Gate(store, passes=only_whole_calls)
    run = Run(SourceUpload(store, resources, options(), await as_source(path)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        while len(gate.held) < 2:
            await wait_all_tasks_blocked()
        run.upload.drain()
        gate.open()
    assert run.failure is None
    assert store.archives == [DATA[: 2 * MIB]]


async def test_a_completion_that_takes_too_long_is_kept(
    tmp_path: Path, resources: TransferResources, store: MemoryStore
) -> None:
    """Parts that hang at the very end are given up in time, and the upload can go on."""
    path = tmp_path / "source"
    path.write_bytes(DATA[: 2 * MIB])
    gate = Gate(store, passes=only_whole_calls)
    run = Run(SourceUpload(store, resources, options(), await as_source(path)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        while len(gate.held) < 2:
            await wait_all_tasks_blocked()
        run.upload.drain(0.05)
    assert run.failure is not None
    assert run.failure.upload_id == "upload-1"
    assert list(store.uploads) == ["upload-1"]


async def test_before_a_second_part_there_is_nothing_to_keep(
    store: MemoryStore, resources: TransferResources
) -> None:
    """A stream of which one part came has begun no upload, and begins none."""
    never = anyio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield DATA[:MIB]
        await never.wait()

    run = Run(SourceUpload(store, resources, options(), await as_source(source())))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        run.upload.drain()
    assert run.failure is not None
    assert run.failure.upload_id is None
    assert not store.calls
    assert resources.buffers.lent == 0


async def test_a_writer_drains(store: MemoryStore, resources: TransferResources) -> None:
    """Nothing more can be written, leaving the block waits for what is on its way, and never completes."""
    gate = Gate(store, passes=only_whole_calls)

    async def write() -> None:
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[: 2 * MIB + 5])
            while len(gate.held) < 2:
                await wait_all_tasks_blocked()
            writer.drain()
            with pytest.raises(UploadFailedError, match="asked to stop"):
                await writer.write(b"more")
            tasks.start_soon(release)

    async def release() -> None:
        await wait_all_tasks_blocked()
        gate.open()

    async with anyio.create_task_group() as tasks:
        with pytest.raises(UploadFailedError) as caught:
            await write()
    assert (caught.value.upload_id, caught.value.sent) == ("upload-1", 2 * MIB)
    assert not store.archives
    assert resources.buffers.lent == 0


class EndlessHasher(Hasher):
    """A hasher that does not come to an end."""

    def __init__(self, hasher: Hasher) -> None:
        vars(self).update(vars(hasher))

    async def run(self, job: PartJob, buffer: PartBuffer | None = None) -> PartHashes:
        """Hash for ever."""
        del job, buffer
        await anyio.sleep_forever()
        raise AssertionError


async def test_a_resume_that_still_compares_stops_at_once(tmp_path: Path, store: MemoryStore) -> None:
    """Hashing what the service has is no sending, and ends with the next part."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    upload_id = await store.initiate(MIB)
    known = dict.fromkeys(range(0, len(DATA), MIB), b"another")
    async with thread_resources(MIB, hash_workers=1, concurrency=1) as resources:
        hashing = replace(resources, hasher=EndlessHasher(resources.hasher))
        upload = SourceUpload(store, hashing, options(), await as_source(path), resume=(upload_id, known))
        run = Run(upload)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await wait_all_tasks_blocked()
            upload.drain()
        assert run.failure is not None
        assert run.failure.upload_id == upload_id


async def test_a_failure_of_its_own_comes_before_the_stop(
    tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """An upload ends with the error that stopped it before it was asked to stop."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    error = IntegrityError("damaged", expected=b"", actual=b"")

    async def before(place: int | str) -> None:
        if place == 0:
            raise error

    store.before = before
    upload = SourceUpload(store, resources, options(), await as_source(path))
    with pytest.raises(IntegrityError) as caught:
        await upload.run()
    upload.drain()
    assert caught.value is error
    assert not isinstance(caught.value, ResumeMismatchError)


class MineError(Exception):
    """An error of the caller's own."""


def unavailable() -> TemporaryServiceError:
    """Return the error that is left when every retry failed."""
    return TemporaryServiceError("not now", operation="", code="ServiceUnavailableException", status=503)


async def test_the_first_failure_stops_the_others_and_is_raised_alone(
    store: MemoryStore, resources: TransferResources
) -> None:
    """The very error of the part comes at the next write, however small, and again at the end."""
    error = refused("UploadMultipartPart", "no")

    async def before(place: int | str) -> None:
        if place == MIB:
            raise error
        if isinstance(place, int):
            await anyio.sleep_forever()

    store.before = before
    with pytest.raises(GlacierError) as caught:
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[: 2 * MIB + 5])
            while writer.snapshot().parts_in_flight:
                await wait_all_tasks_blocked()
            assert store.bodies == 0
            with pytest.raises(GlacierError) as early:
                await writer.write(b"x")
            assert early.value is error
    assert caught.value is error
    assert (store.archives, store.uploads) == ([], {})


async def test_a_failure_ends_a_write_that_waits(store: MemoryStore) -> None:
    """A write that waits for a buffer when a part fails raises the failure at once."""
    failing = anyio.Event()
    error = IntegrityError("damaged", expected=b"", actual=b"")

    async def before(place: int | str) -> None:
        if place == 0:
            await failing.wait()
            raise error
        if isinstance(place, int):
            await anyio.sleep_forever()

    store.before = before
    async with thread_resources(2 * MIB) as resources, anyio.create_task_group() as tasks:

        async def send() -> None:
            with pytest.raises(IntegrityError) as caught:
                async with open_writer(store, resources, options()) as writer:
                    await writer.write(DATA)
            assert caught.value is error

        tasks.start_soon(send)
        while store.bodies < 2:
            await wait_all_tasks_blocked()
        failing.set()
    assert not store.uploads


async def test_the_callers_own_error_comes_before_that_of_a_part(
    store: MemoryStore, resources: TransferResources
) -> None:
    """A part that failed meanwhile neither wraps nor replaces what the caller raises."""

    async def before(place: int | str) -> None:
        if isinstance(place, int):
            raise refused("UploadMultipartPart", "no")

    store.before = before
    with pytest.raises(MineError):
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[: 2 * MIB])
            while writer.snapshot().parts_in_flight:
                await wait_all_tasks_blocked()
            raise MineError


@pytest.mark.parametrize("place", [MIB, "complete"])
@pytest.mark.parametrize(
    "trouble",
    [unavailable(), ConnectionFailedError("refused", operation="", may_have_taken_effect=False)],
    ids=["service", "connection"],
)
async def test_trouble_that_outlasts_the_retries_keeps_the_upload(
    place: int | str, trouble: GlacierError, store: MemoryStore, resources: TransferResources
) -> None:
    """It becomes an ``UploadFailedError`` that names the upload, and what is safe there can be resumed."""

    async def before(reached: int | str) -> None:
        if reached == place:
            raise trouble

    store.before = before
    with pytest.raises(UploadFailedError) as caught:
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[: 2 * MIB])
            await writer.complete()
    assert caught.value.__cause__ is trouble
    assert (caught.value.upload_id, caught.value.vault) == ("upload-1", "v")
    # A part may be there whose answer was not waited for any more.
    assert caught.value.sent is not None
    assert caught.value.sent <= sum(len(part) for part in store.uploads[UploadId("upload-1")].values())
    assert not store.calls["abort"]


async def test_a_failed_writer_says_what_failed(store: MemoryStore, resources: TransferResources) -> None:
    """Calls after the failure of ``complete`` have it as their cause; aborting then ends a kept upload."""

    async def before(place: int | str) -> None:
        if place == MIB:
            raise unavailable()

    store.before = before
    async with open_writer(store, resources, options()) as writer:
        await writer.write(DATA[: 2 * MIB])
        with pytest.raises(UploadFailedError) as failed:
            await writer.complete()
        with pytest.raises(WriterClosedError) as closed:
            await writer.write(b"x")
        assert closed.value.__cause__ is failed.value
        await writer.abort()
    assert not store.uploads


@pytest.mark.parametrize("error", [refused("InitiateMultipartUpload", "no"), unavailable()])
async def test_an_upload_that_cannot_begin_loses_no_bytes_in_silence(
    error: GlacierError, store: MemoryStore, resources: TransferResources
) -> None:
    """A write that fails is final, even if swallowed: no archive lacks what it brought."""
    failures = [error]

    async def before(place: int | str) -> None:
        if place == "initiate" and failures:
            raise failures.pop()

    store.before = before
    with pytest.raises(type(error) if error.args[0] == "no" else UploadFailedError):
        async with open_writer(store, resources, options()) as writer:
            for start in range(0, 4 * MIB, MIB):
                try:
                    await writer.write(DATA[start : start + MIB])
                except GlacierError:
                    continue
    assert (store.archives, store.uploads) == ([], {})


async def test_a_refused_completion_is_aborted(store: MemoryStore, resources: TransferResources) -> None:
    """If the service refuses it, nothing is unclear, and nothing is left."""

    async def before(place: int | str) -> None:
        if place == "complete":
            raise refused("CompleteMultipartUpload", "no")

    store.before = before
    with pytest.raises(GlacierError, match="no"):
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[: 2 * MIB])
    assert not store.uploads


async def test_an_unknown_outcome_keeps_the_upload(store: MemoryStore, resources: TransferResources) -> None:
    """If the archive may have been made, nothing is aborted: the upload can still settle it."""

    async def before(place: int | str) -> None:
        if place == "complete":
            raise OutcomeUnknownError("lost", size=2 * MIB, tree_hash=tree_hash(DATA[: 2 * MIB]))

    store.before = before
    with pytest.raises(OutcomeUnknownError) as caught:
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[: 2 * MIB])
    assert caught.value.upload_id == "upload-1"
    assert list(store.uploads) == ["upload-1"]
    assert not store.calls["abort"]
