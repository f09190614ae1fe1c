# ruff: noqa: PT012  # a block that must raise is the whole of it
"""The writer: any stream in, exactly its archive out, or none and a clear reason."""

from __future__ import annotations

import asyncio
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from hypothesis import given, settings, strategies as st

from aioglacier.core import ledger
from aioglacier.core.errors import (
    EmptyArchiveError,
    InputTypeError,
    InvalidPartSizeError,
    LengthMismatchError,
    MemoryLimitError,
    TemporaryServiceError,
    TooManyPartsError,
    WriterBusyError,
    WriterClosedError,
)
from aioglacier.core.limits import VAULT
from aioglacier.core.treehash import tree_hash
from aioglacier.transfer.upload.writer import open_writer
from tests.transfer.conftest import DATA, MIB, MemoryStore, cancel_when_blocked, options, thread_resources

if TYPE_CHECKING:
    from aioglacier.core.models import Archive
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.upload.writer import ArchiveWriter


class MineError(Exception):
    """An error of the caller's own."""


def unavailable() -> TemporaryServiceError:
    """Return the error that is left when every retry failed."""
    return TemporaryServiceError("not now", operation="", code="ServiceUnavailableException", status=503)


# --- what goes in comes out


@settings(settings.get_profile("transfer"))
@given(size=st.integers(1, 3 * MIB + 10), cuts=st.lists(st.integers(0, 3 * MIB + 10), max_size=12))
async def test_any_split_of_the_bytes_gives_the_same_archive(size: int, cuts: list[int]) -> None:
    """However a stream is cut into writes, the archive is its bytes, in parts of exactly the part size."""
    store = MemoryStore()
    marks = sorted({0, size, *(cut for cut in cuts if cut < size)})
    async with thread_resources() as resources, open_writer(store, resources, options()) as writer:
        for start, stop in pairwise(marks):
            await writer.write(DATA[start:stop])
        assert writer.position == size
    assert store.archives == [DATA[:size]]
    assert (writer.archive.size, writer.archive.tree_hash) == (size, tree_hash(DATA[:size]))
    parts = {place for place in store.calls if isinstance(place, int)}
    assert parts == (set() if size <= MIB else set(range(0, size, MIB)))


async def test_several_blocks_are_written_in_order(resources: TransferResources) -> None:
    """``writelines`` takes any iterable of bytes-like objects, as the writers of asyncio do."""
    store = MemoryStore()
    async with open_writer(store, resources, options()) as writer:
        await writer.writelines(memoryview(DATA)[start : start + 9_999] for start in range(0, MIB, 9_999))
        await writer.writelines([])
    assert store.archives == [DATA[: writer.position]]


@pytest.mark.parametrize(
    ("size", "calls"),
    [
        (1, {"whole": 1}),
        (MIB - 1, {"whole": 1}),
        (MIB, {"whole": 1}),
        (MIB + 1, {"initiate": 1, 0: 1, MIB: 1, "complete": 1}),
        (2 * MIB, {"initiate": 1, 0: 1, MIB: 1, "complete": 1}),
    ],
)
@pytest.mark.parametrize("is_declared", [False, True])
async def test_what_fits_one_part_goes_in_one_request(
    size: int,
    calls: dict[int | str, int],
    store: MemoryStore,
    resources: TransferResources,
    *,
    is_declared: bool,
) -> None:
    """An upload begins with the second part and not before, whether the size was declared or not."""
    chosen = options(expected_size=size if is_declared else None)
    async with open_writer(store, resources, chosen) as writer:
        await writer.write(DATA[:size])
    assert store.calls == calls
    assert store.archives == [DATA[:size]]


async def test_the_caller_may_reuse_his_buffer(store: MemoryStore, resources: TransferResources) -> None:
    """Bytes are copied before ``write`` returns."""
    block = bytearray(300_000)
    async with open_writer(store, resources, options()) as writer:
        for start in range(0, 3 * MIB, len(block)):
            piece = DATA[start : min(start + len(block), 3 * MIB)]
            block[: len(piece)] = piece
            await writer.write(memoryview(block)[: len(piece)])
            block[:] = bytes(len(block))
    assert store.archives == [DATA[: 3 * MIB]]


async def test_anything_bytes_like_is_taken_as_it_lies_in_memory(
    store: MemoryStore, resources: TransferResources
) -> None:
    """Empty writes, arrays of numbers and views of more dimensions are bytes like any other."""
    numbers = array("I", range(7))
    square = memoryview(bytes(range(16))).cast("B", (4, 4))
    async with open_writer(store, resources, options()) as writer:
        for data in (
            b"",
            b"bytes",
            bytearray(b"array"),
            memoryview(b"views")[1:3],
            numbers,
            square,
            array("i"),
        ):
            await writer.write(data)
    assert store.archives == [b"bytesarrayie" + numbers.tobytes() + bytes(range(16))]


@pytest.mark.parametrize("data", ["text", None, 7, [b"x"], memoryview(b"every other")[::2]])
async def test_what_is_not_bytes_is_refused(
    data: object, store: MemoryStore, resources: TransferResources
) -> None:
    """Nothing of it is accepted, the type is named, and the writer goes on."""
    async with open_writer(store, resources, options()) as writer:
        await writer.write(b"before")
        with pytest.raises(InputTypeError, match=type(data).__name__) as caught:
            await writer.write(data)  # type: ignore[arg-type]  # that is the question
        assert caught.value.type_name == type(data).__name__
        await writer.write(b", after")
    assert store.archives == [b"before, after"]


@settings(settings.get_profile("transfer"))
@given(st.permutations(range(5)))
async def test_parts_may_arrive_in_any_order(order: list[int]) -> None:
    """The archive and its hash do not depend on which part is done first."""
    store = MemoryStore()
    size = 4 * MIB + 5
    gates = [anyio.Event() for _ in range(5)]
    done = [anyio.Event() for _ in range(5)]

    async def before(place: int | str) -> None:
        if isinstance(place, int):
            await gates[place // MIB].wait()

    async def after(place: int | str) -> None:
        if isinstance(place, int):
            done[place // MIB].set()

    store.before, store.after = before, after
    async with (
        thread_resources(hash_workers=2, concurrency=5) as resources,
        anyio.create_task_group() as tasks,
    ):

        async def send() -> None:
            async with open_writer(store, resources, options()) as writer:
                await writer.write(DATA[:size])

        tasks.start_soon(send)
        for index in order:
            gates[index].set()
            await done[index].wait()
    assert store.archives == [DATA[:size]]


# --- wrong order of calls


async def test_two_tasks_cannot_write_at_once(store: MemoryStore, resources: TransferResources) -> None:
    """A stream has one order, so a second task gets an error, and the first is not disturbed."""
    gate = anyio.Event()
    store.before = lambda _: gate.wait()
    async with anyio.create_task_group() as tasks, open_writer(store, resources, options()) as writer:
        tasks.start_soon(writer.write, DATA[: 8 * MIB])
        await wait_all_tasks_blocked()
        for call in (writer.write(b"x"), writer.complete()):
            with pytest.raises(WriterBusyError):
                await call
        gate.set()
        while writer.position < 8 * MIB:
            await wait_all_tasks_blocked()
    assert store.archives == [DATA[: 8 * MIB]]


async def test_a_completed_writer_stays_complete(store: MemoryStore, resources: TransferResources) -> None:
    """Completing again gives the same archive, aborting does nothing, writing is refused."""
    async with open_writer(store, resources, options()) as writer:
        await writer.write(b"data")
        archive = await writer.complete()
        assert resources.buffers.lent == 0
        await writer.abort()
        assert await writer.complete() == archive == writer.archive
        with pytest.raises(WriterClosedError, match="completed"):
            await writer.write(b"more")
        assert "completed" in repr(writer)
    assert len(store.archives) == 1


async def test_a_left_writer_is_closed(store: MemoryStore, resources: TransferResources) -> None:
    """After its block, left by an error, nothing completes the archive any more."""
    with pytest.raises(MineError):
        async with open_writer(store, resources, options()) as writer:
            await writer.write(b"data")
            raise MineError
    for call in (writer.write(b"x"), writer.complete()):
        with pytest.raises(WriterClosedError):
            await call
    assert not store.calls


async def test_an_aborted_writer_makes_nothing(store: MemoryStore, resources: TransferResources) -> None:
    """Aborting, also twice, ends the parts, and leaving the block takes the upload away, even a kept one."""
    async with open_writer(store, resources, options(keep_unfinished=True)) as writer:
        await writer.write(DATA[: 3 * MIB])
        await writer.abort()
        await writer.abort()
        with pytest.raises(WriterClosedError, match="aborted"):
            await writer.write(b"x")
        with pytest.raises(WriterClosedError, match="aborted"):
            await writer.complete()
    assert (store.archives, store.uploads) == ([], {})
    assert store.calls["abort"] == 1


# --- nothing is made of what is not whole


@pytest.mark.parametrize("size", [1, 3 * MIB])
async def test_an_error_in_the_block_makes_no_archive(
    size: int, store: MemoryStore, resources: TransferResources
) -> None:
    """The caller's own error leaves the block unwrapped, and the upload is aborted."""
    error = MineError()
    with pytest.raises(MineError) as caught:
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[:size])
            raise error
    assert caught.value is error
    assert error.__cause__ is None
    assert (store.archives, store.uploads) == ([], {})
    assert resources.buffers.lent == 0


async def test_a_cancelled_block_makes_no_archive(store: MemoryStore, resources: TransferResources) -> None:
    """Cancellation is like any other error: the upload is aborted, although the task is cancelled."""
    with anyio.CancelScope() as scope:
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[: 3 * MIB])
            scope.cancel()
            await anyio.sleep_forever()
    assert (store.archives, store.uploads) == ([], {})
    assert store.calls["abort"] == 1


async def test_an_unfinished_upload_is_kept_where_asked(
    store: MemoryStore, resources: TransferResources
) -> None:
    """With ``keep_unfinished`` the parts stay at the service, and the error says which upload it is."""
    with pytest.raises(MineError) as caught:
        async with open_writer(store, resources, options(keep_unfinished=True)) as writer:
            await writer.write(DATA[: 3 * MIB])
            while writer.snapshot().parts_done < 3:
                await wait_all_tasks_blocked()
            raise MineError
    assert list(store.uploads) == [writer.upload_id]
    assert caught.value.__notes__ == [f"upload upload-1 was kept with {3 * MIB} bytes and can be resumed"]


async def test_an_abort_that_fails_is_told(
    store: MemoryStore, resources: TransferResources, caplog: pytest.LogCaptureFixture
) -> None:
    """An upload that could not be aborted is named in a note, or in the log if there is no error."""

    async def before(place: int | str) -> None:
        if place == "abort":
            raise unavailable()

    store.before = before
    with pytest.raises(MineError) as caught:
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[: 2 * MIB])
            raise MineError
    assert "upload-1 could not be aborted and is still open: " in caught.value.__notes__[0]
    async with open_writer(store, resources, options()) as writer:
        await writer.write(DATA[: 2 * MIB])
        await writer.abort()
    assert "upload-2 could not be aborted" in caplog.text


async def test_nothing_written_is_no_archive(store: MemoryStore, resources: TransferResources) -> None:
    """The service keeps no empty archives: not one request is sent."""
    with pytest.raises(EmptyArchiveError) as caught:
        async with open_writer(store, resources, options()):
            pass
    assert caught.value.vault == "v"
    assert not store.calls


@pytest.mark.parametrize("actual", [1, MIB, 3 * MIB - 1])
async def test_fewer_bytes_than_declared_are_no_archive(
    actual: int, store: MemoryStore, resources: TransferResources
) -> None:
    """A stream that ends early is an error with both numbers."""
    with pytest.raises(LengthMismatchError) as caught:
        async with open_writer(store, resources, options(expected_size=3 * MIB)) as writer:
            await writer.write(DATA[:actual])
    assert (caught.value.expected, caught.value.actual) == (3 * MIB, actual)
    assert (store.archives, store.uploads) == ([], {})


@pytest.mark.parametrize("expected", [1, MIB, 2 * MIB])
async def test_more_bytes_than_declared_are_no_archive(
    expected: int, store: MemoryStore, resources: TransferResources
) -> None:
    """Excess is refused when it comes, and swallowing that error does not bring the archive back."""
    with pytest.raises(LengthMismatchError) as caught:
        async with open_writer(store, resources, options(expected_size=expected)) as writer:
            await writer.write(DATA[:expected])
            with pytest.raises(LengthMismatchError):
                await writer.write(b"x")
    assert (caught.value.expected, caught.value.actual) == (expected, expected + 1)
    assert (store.archives, store.uploads) == ([], {})


@pytest.mark.parametrize("part_size", [0, -1, 3 * MIB, MIB // 2, 8 * 1024 * MIB])
async def test_part_sizes_that_cannot_be_are_refused(
    part_size: int, store: MemoryStore, resources: TransferResources
) -> None:
    """Before anything is sent, with the nearest sizes that can."""
    with pytest.raises(InvalidPartSizeError):
        async with open_writer(store, resources, options(part_size)):
            pass
    assert not store.calls


async def test_a_part_beyond_the_memory_limit_is_refused(
    store: MemoryStore, resources: TransferResources
) -> None:
    """A part that could never get a buffer is refused when the writer is opened."""
    with pytest.raises(MemoryLimitError):
        async with open_writer(store, resources, options(32 * MIB)):
            pass
    async with open_writer(store, resources, options(32 * MIB, expected_size=9)) as writer:
        await writer.write(b"nine char")
    assert store.archives == [b"nine char"]


async def test_a_stream_ends_at_the_last_part_there_can_be(
    store: MemoryStore, resources: TransferResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the parts the service takes may be filled; one byte more is an error that says what to choose."""
    monkeypatch.setattr(ledger, "VAULT", VAULT._replace(max_parts=3))
    async with open_writer(store, resources, options()) as writer:
        await writer.write(DATA[: 3 * MIB])
    with pytest.raises(TooManyPartsError) as caught:
        async with open_writer(store, resources, options()) as writer:
            await writer.write(DATA[: 3 * MIB + 1])
    assert (caught.value.part_size, caught.value.suggested_part_size) == (MIB, 2 * MIB)
    assert store.archives == [DATA[: 3 * MIB]]
    assert not store.uploads


# --- memory and waiting


async def test_write_waits_while_every_buffer_is_in_use(store: MemoryStore) -> None:
    """A source faster than the network is held back within the budget, and goes on when a part is sent."""
    gate = anyio.Event()

    async def before(place: int | str) -> None:
        if isinstance(place, int):
            await gate.wait()

    store.before = before
    async with thread_resources(4 * MIB, concurrency=8) as resources, anyio.create_task_group() as tasks:

        async def send() -> None:
            async with open_writer(store, resources, options()) as writer:
                for start in range(0, len(DATA), 100_000):
                    writers[:] = [writer]
                    await writer.write(DATA[start : start + 100_000])

        writers: list[ArchiveWriter[Archive]] = []
        tasks.start_soon(send)
        while store.bodies < 4:
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        assert writers[0].position == 4 * MIB
        assert (resources.buffers.lent, store.bodies) == (4, 4)
        gate.set()
    assert store.archives == [DATA]


async def test_waiting_does_not_spin(store: MemoryStore, resources: TransferResources) -> None:
    """While a writer waits for the network the event loop sleeps."""
    gate = anyio.Event()

    async def before(place: int | str) -> None:
        if isinstance(place, int):
            await gate.wait()

    store.before = before
    turns = 0
    loop = asyncio.get_running_loop()

    def count() -> None:
        nonlocal turns
        turns += 1
        run_once()

    async with anyio.create_task_group() as tasks:

        async def send() -> None:
            async with open_writer(store, resources, options()) as writer:
                await writer.write(DATA)

        tasks.start_soon(send)
        while store.bodies < 2:
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        run_once = loop._run_once  # type: ignore[attr-defined]  # the one place that every turn goes through
        loop._run_once = count  # type: ignore[attr-defined]
        await anyio.sleep(0.3)
        del loop._run_once  # type: ignore[attr-defined]
        gate.set()
    assert turns < 20
    assert store.archives == [DATA]


async def test_a_cancelled_write_tells_how_far_it_got(store: MemoryStore) -> None:
    """Exactly ``position`` bytes were accepted, and writing may go on from there."""
    gate = anyio.Event()

    async def before(place: int | str) -> None:
        if isinstance(place, int):
            await gate.wait()

    store.before = before
    async with thread_resources(3 * MIB) as resources, open_writer(store, resources, options()) as writer:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(cancel_when_blocked, scope)
                await writer.write(DATA[: 6 * MIB])
        assert scope.cancelled_caught
        assert 0 < writer.position < 6 * MIB
        gate.set()
        await writer.write(DATA[writer.position : 6 * MIB])
    assert store.archives == [DATA[: 6 * MIB]]


async def test_progress_is_there_to_be_polled(store: MemoryStore, resources: TransferResources) -> None:
    """The counters tell what was taken, moved and acknowledged, and the name what the writer is at."""
    async with open_writer(store, resources, options(expected_size=2 * MIB + 1)) as writer:
        assert not store.calls
        await writer.write(DATA[: 2 * MIB + 1])
        assert "<ArchiveWriter v part_size=1MiB position=2097153" in repr(writer)
        await writer.complete()
        counters = writer.snapshot()
        assert writer.upload_id == "upload-1"
    assert (counters.size, counters.taken, counters.moved, counters.done) == (2 * MIB + 1,) * 4
    assert (counters.parts_done, counters.parts_in_flight) == (3, 0)
