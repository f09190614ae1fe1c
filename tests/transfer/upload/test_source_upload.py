# ruff: noqa: PT012  # a block that must raise is the whole of it
"""Uploads to a served Glacier: how many requests, what faults cost, and who hashes."""

from __future__ import annotations

import asyncio
import os
import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint

from aioglacier.core import ledger, treehash
from aioglacier.core.errors import (
    EmptyArchiveError,
    GlacierError,
    IntegrityError,
    TooManyPartsError,
    UploadExpiredError,
    UploadFailedError,
    VaultNotFoundError,
)
from aioglacier.core.limits import VAULT
from aioglacier.core.treehash import tree_hash
from aioglacier.server.requests.faults import Fault, FaultKind, Moment
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from tests.transfer.conftest import (
    DATA,
    MIB,
    MemoryStore,
    Served,
    cancel_when_blocked,
    count_descriptors,
    options,
    refused,
    saved,
    serve,
    upload,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aioglacier.transfer.budget.allowance import HashIn
    from aioglacier.transfer.resources import TransferResources

SIZE = 3 * MIB + 5
UPLOAD_PART = "UploadMultipartPart"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (MIB, {"UploadArchive": 1, "*": 1}),
        (
            MIB + 1,
            {"InitiateMultipartUpload": 1, "UploadMultipartPart": 2, "CompleteMultipartUpload": 1, "*": 4},
        ),
        (
            SIZE,
            {"InitiateMultipartUpload": 1, "UploadMultipartPart": 4, "CompleteMultipartUpload": 1, "*": 6},
        ),
    ],
)
@pytest.mark.parametrize("way", ["writer", "bytes", "file"])
async def test_no_request_is_sent_twice_or_in_vain(
    way: str, size: int, expected: dict[str, int], served: Served, tmp_path: Path
) -> None:
    """One request for what fits a part; else initiate, one for each part, complete, and nothing more."""
    counts = served.watch(*expected)
    if way == "writer":
        async with served.vault.open_writer(description="d", part_size=MIB) as writer:
            await writer.write(DATA[:size])
        archive = writer.archive
    elif way == "bytes":
        archive = await served.vault.upload(DATA[:size], description="d", part_size=MIB)
    else:
        (tmp_path / "source").write_bytes(DATA[:size])
        archive = await served.vault.upload(tmp_path / "source", description="d", part_size=MIB)
    assert counts() == expected
    assert archive is not None
    assert (archive.size, archive.tree_hash) == (size, tree_hash(DATA[:size]))
    assert (archive.vault, archive.description) == ("v", "d")
    assert await served.archives() == [(size, tree_hash(DATA[:size]))]


async def test_an_empty_source_sends_nothing(served: Served, tmp_path: Path) -> None:
    """The path is named, and the service is not even asked."""
    (tmp_path / "empty").touch()
    counts = served.watch("*")
    for source in (tmp_path / "empty", b""):
        with pytest.raises(EmptyArchiveError) as caught:
            await served.vault.upload(source)
        assert caught.value.vault == "v"
    assert counts() == {"*": 0}


FAULTS = {
    "503 twice": Fault("UploadMultipartPart", where=f"bytes {MIB}-", count=2, status=503),
    "throttled": Fault("UploadMultipartPart", count=3, code="ThrottlingException"),
    "cut in the body": Fault(
        "UploadMultipartPart", kind=FaultKind.RESET, moment=Moment.BODY, after_bytes=MIB // 2, count=2
    ),
    "cut before the commit": Fault(
        "UploadMultipartPart", kind=FaultKind.RESET, moment=Moment.BEFORE_COMMIT, count=2
    ),
    "answer lost": Fault("UploadMultipartPart", kind=FaultKind.RESET, moment=Moment.AFTER_COMMIT, count=2),
    "echo wrong once": Fault("UploadMultipartPart", kind=FaultKind.WRONG_HASH),
    "echo missing once": Fault("UploadMultipartPart", kind=FaultKind.OMIT_HEADER),
    "complete refused": Fault("CompleteMultipartUpload", count=2, status=500),
    "complete's answer lost": Fault(
        "CompleteMultipartUpload", kind=FaultKind.RESET, moment=Moment.AFTER_COMMIT
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_passing_trouble_costs_only_time(fault: str, served: Served) -> None:
    """One archive, whole, and no upload left, whatever went wrong in between."""
    served.fail(FAULTS[fault])
    archive = await served.vault.upload(DATA[:SIZE], part_size=MIB)
    assert archive.tree_hash == tree_hash(DATA[:SIZE])
    assert await served.archives() == [(SIZE, archive.tree_hash)]
    assert await served.uploads() == []


async def test_an_echo_that_stays_wrong_is_an_error(served: Served) -> None:
    """A part that the service will not vouch for is never taken as sent."""
    served.fail(Fault("UploadMultipartPart", kind=FaultKind.WRONG_HASH, where=f"bytes {MIB}-", count=None))
    with pytest.raises(IntegrityError) as caught:
        await served.vault.upload(DATA[:SIZE], part_size=MIB)
    assert str(caught.value.byte_range) == f"{MIB}-{2 * MIB - 1}"
    assert await served.archives() == []
    assert await served.uploads() == []


@pytest.mark.slow
async def test_trouble_that_stays_keeps_what_is_safe(served: Served) -> None:
    """The error names the upload and its safe bytes; resuming sends the rest only."""
    served.fail(Fault("UploadMultipartPart", where=f"bytes {2 * MIB}-", count=None, status=503))
    with pytest.raises(UploadFailedError) as caught:
        await served.vault.upload(DATA[:SIZE], part_size=MIB)
    assert caught.value.upload_id is not None
    upload = await served.vault.unfinished_upload(caught.value.upload_id)
    parts = [part.start async for part in upload.parts()]
    assert caught.value.sent == sum(min(MIB, SIZE - start) for start in parts)
    served.server.faults.clear()
    counts = served.watch("UploadMultipartPart")
    archive = await served.vault.resume(upload.id, DATA[:SIZE])
    assert counts() == {"UploadMultipartPart": 4 - len(parts)}
    assert await served.archives() == [(SIZE, archive.tree_hash)]


async def test_a_vault_that_is_not_there_is_named(served: Served) -> None:
    """The first request says it, with the vault's name, and the source is not read to its end."""
    taken = 0

    async def source() -> object:  # an endless one
        nonlocal taken
        while True:
            taken += 1
            yield DATA[:MIB]

    with pytest.raises(VaultNotFoundError) as caught:
        await served.glacier.vault("nope").upload(source(), part_size=MIB)  # type: ignore[arg-type]
    assert caught.value.vault == "nope"
    assert taken < 5


@pytest.mark.parametrize("times", [1, 4])
async def test_a_file_whose_upload_expires_under_way_goes_up_again(
    times: int,
    tmp_path: Path,
    store: MemoryStore,
    resources: TransferResources,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All of the file is sent again, and a warning says so; but not without end."""
    left = times

    async def before(place: int | str) -> None:
        nonlocal left
        if place == 2 * MIB and left:
            left -= 1
            raise UploadExpiredError("gone")

    store.before = before
    path = saved(tmp_path / "source", DATA[: 3 * MIB])
    upload = SourceUpload(store, resources, options(), await as_source(path))
    if times == 1:
        archive = await upload.run()
        assert archive.tree_hash == tree_hash(DATA[: 3 * MIB])
        assert store.archives == [DATA[: 3 * MIB]]
    else:
        with pytest.raises(UploadExpiredError):
            await upload.run()
        assert not store.archives
    assert store.calls["initiate"] == min(times + 1, 4)
    assert "again from its start" in caplog.text


async def test_an_upload_that_expires_under_way_says_so(served: Served) -> None:
    """Its parts are gone, so there is nothing to keep and nothing to abort."""
    with pytest.raises(UploadExpiredError) as caught:
        async with served.vault.open_writer(part_size=MIB) as writer:
            await writer.write(DATA[: 2 * MIB])
            assert writer.upload_id is not None
            while writer.snapshot().parts_in_flight:
                await checkpoint()
            await (await served.vault.unfinished_upload(writer.upload_id)).abort()
            await writer.write(DATA[: 2 * MIB])
    assert caught.value.sent is None


@pytest.mark.slow
async def test_many_archives_share_one_budget(tmp_path: Path) -> None:
    """A hundred uploads at once neither pass the memory limit nor the number of connections."""
    limits = Limits(memory=4 * MIB, concurrency=3)
    async with serve(tmp_path, limits, "threads") as served, anyio.create_task_group() as tasks:
        for size in range(100, 10_100, 100):
            tasks.start_soon(served.vault.upload, DATA[:size])
        for _ in range(3):
            tasks.start_soon(lambda: served.vault.upload(DATA[: 3 * MIB], part_size=MIB))
        while served.resources.buffers.lent == 0:
            await checkpoint()
        while served.resources.buffers.lent:
            assert served.resources.buffers._allocated <= 4 * MIB
            assert served.resources.connections.in_use <= 3
            await checkpoint()
    assert not served.resources.buffers._waiting


def noting(calls: list[tuple[int, int]]) -> Callable[..., Any]:
    """A ``sha256`` that notes which thread hashes how much."""

    class Noting:
        def __init__(self, data: bytes | memoryview = b"") -> None:
            self._hash = sha256()
            self.update(data)

        def update(self, data: bytes | memoryview) -> None:
            calls.append((threading.get_ident(), memoryview(data).nbytes))
            self._hash.update(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._hash, name)

    return Noting


@pytest.mark.parametrize("hash_in", ["threads", "processes"])
async def test_no_byte_of_an_archive_is_hashed_on_the_event_loop(
    hash_in: HashIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop combines hashes, 64 bytes at a time; bytes are hashed by workers, up and down."""
    calls: list[tuple[int, int]] = []
    loop_thread = threading.get_ident()
    limits = Limits(memory=24 * MIB, hash_workers=2)
    async with serve(tmp_path / "glacier", limits, hash_in) as served:
        monkeypatch.setattr(treehash, "_NEW_PAIR", treehash._HashlibPair)  # whose calls can be seen
        monkeypatch.setattr(treehash, "sha256", noting(calls))
        # What signs requests is given the hash, too; it would hash a body if it were not.
        monkeypatch.setattr("botocore.auth.sha256", noting(calls))
        path = tmp_path / "source"
        path.write_bytes(DATA[:SIZE])
        archive = await served.vault.upload(path, part_size=2 * MIB)
        await served.vault.upload(DATA[:SIZE], part_size=2 * MIB)
        async with served.vault.open_writer(part_size=2 * MIB) as writer:
            await writer.write(DATA[: 2 * MIB])
        in_threads = any(thread != loop_thread and size == MIB for thread, size in calls)
        job = await served.vault.retrieve(archive.id)
        await job.download(tmp_path / "target")
        async with job.open_reader() as reader:
            assert b"".join([block async for block in reader]) == DATA[:SIZE]
        monkeypatch.undo()
    assert in_threads is (hash_in == "threads")
    assert not [size for thread, size in calls if thread == loop_thread and size > 4096]


def count_tasks() -> int:
    """Tasks of this loop, without those in which the server keeps its connections."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    return sum("RequestHandler" not in getattr(each, "__qualname__", "") for each in coroutines)


@pytest.mark.slow
async def test_nothing_is_left_after_many_uploads(tmp_path: Path) -> None:
    """Uploads that succeed and that fail leave no descriptor, task or buffer behind."""
    limits = Limits(memory=8 * MIB, hash_workers=2)
    async with serve(tmp_path, limits, "processes") as served:

        async def round_trip() -> None:
            await served.vault.upload(DATA[: 2 * MIB + 1], part_size=MIB)
            served.fail(Fault("UploadMultipartPart", status=400, code="InvalidParameterValueException"))
            with pytest.raises(Exception, match="scripted"):
                await served.vault.upload(DATA[: 2 * MIB + 1], part_size=MIB)

        for _ in range(3):
            await round_trip()
        before, tasks = count_descriptors(), count_tasks()
        for _ in range(20):
            await round_trip()
        assert count_descriptors() <= before + 8  # idle connections of the pool come and go
        with anyio.fail_after(20):  # the server ends what it refused in its own time
            while count_tasks() > tasks:  # noqa: ASYNC110  # tasks of others have no event here
                await anyio.sleep(0.01)
        assert await served.uploads() == []


async def test_a_stream_may_fill_the_last_part_there_can_be(
    store: MemoryStore, resources: TransferResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that ends with the last allowed part is archived; one byte more is too many."""
    monkeypatch.setattr(ledger, "VAULT", VAULT._replace(max_parts=3))
    await upload([DATA[: 3 * MIB]], store, resources)
    with pytest.raises(TooManyPartsError):
        await upload([DATA[: 3 * MIB + 1]], store, resources)
    assert store.archives == [DATA[: 3 * MIB]]


async def test_waiting_for_a_pipe_can_be_cancelled(store: MemoryStore, resources: TransferResources) -> None:
    """A pipe that gives nothing does not hold up a cancellation."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as pipe, os.fdopen(writing, "wb", buffering=0) as other:
        other.write(DATA[:100])
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(cancel_when_blocked, scope)
                await upload(pipe, store, resources)
        assert scope.cancelled_caught
    assert not store.calls


async def test_a_failed_part_ends_the_wait_for_a_slow_source(
    store: MemoryStore, resources: TransferResources
) -> None:
    """An upload that has failed does not wait for bytes it will never send."""
    error = refused("UploadMultipartPart", "no")

    async def before(place: int | str) -> None:
        if place == 0:
            raise error

    store.before = before
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as pipe, os.fdopen(writing, "wb", buffering=0) as other:
        thread = threading.Thread(target=other.write, args=(DATA[: MIB + 1],))
        thread.start()
        with pytest.raises(GlacierError) as caught:
            await upload(pipe, store, resources)
        await to_thread.run_sync(thread.join)
    assert caught.value is error
    assert not store.uploads
