# ruff: noqa: PT012  # a block that must raise is the whole of it
"""The reader: every range, verified before it is given out, in memory that others can share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from hypothesis import given, settings, strategies as st

from aioglacier.core.errors import IntegrityError, InvalidRangeError, WriterBusyError, WriterClosedError
from aioglacier.core.ranges import ByteRange
from aioglacier.server.requests.faults import Fault, FaultKind
from aioglacier.transfer.download.reader import open_reader
from aioglacier.transfer.upload.writer import open_writer
from tests.transfer.conftest import (
    DATA,
    MIB,
    MemoryOutput,
    MemoryStore,
    Served,
    cancel_when_blocked,
    options,
    thread_resources,
)

if TYPE_CHECKING:
    from aioglacier.client.job import Job
    from aioglacier.transfer.resources import TransferResources

SIZE = 5 * MIB + 77
BYTES = DATA[:SIZE]


class MineError(Exception):
    """An error of the caller's own."""


@settings(settings.get_profile("transfer"))
@given(
    size=st.integers(1, SIZE),
    ends=st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)),
    reads=st.lists(st.integers(1, 2 * MIB), min_size=1, max_size=4),
    memory=st.sampled_from([1, 2, 5, 16]),
)
async def test_every_range_is_that_slice(
    size: int, ends: tuple[int, int], reads: list[int], memory: int
) -> None:
    """A range is what the archive holds there, in reads of any size and within any budget."""
    start, stop = min(ends), max(ends)
    start = min(start, size - 1)
    stop = max(stop, start + 1)
    output = MemoryOutput(BYTES[:size])
    got = bytearray()
    async with (
        thread_resources(memory * MIB) as resources,
        open_reader(output, resources, (start, stop)) as reader,
    ):
        assert reader.size == min(stop, size) - start
        while block := await reader.read(reads[len(got) % len(reads)]):
            got += block
        assert await reader.read(5) == b""
    assert got == BYTES[start : min(stop, size)]
    assert output.opened == 0
    assert all(
        piece.start % MIB == 0 and (piece.stop % MIB == 0 or piece.stop == size) for piece in output.asked
    )


async def test_all_ways_of_reading_give_the_same(resources: TransferResources) -> None:
    """Iteration, one read of all, and counters and name to look at meanwhile."""
    async with open_reader(MemoryOutput(BYTES), resources) as reader:
        assert await reader.read(0) == b""
        blocks = [block async for block in reader]
        assert max(map(len, blocks)) <= MIB
        counters = reader.snapshot()
        assert f"job 1 position={SIZE} of {SIZE}" in repr(reader)
    assert b"".join(blocks) == BYTES
    assert (counters.size, counters.taken, counters.moved, counters.done) == (SIZE, SIZE, SIZE, SIZE)
    async with open_reader(MemoryOutput(BYTES), resources, ByteRange(5, 50)) as reader:
        assert await reader.read() == BYTES[5:50]


@pytest.mark.parametrize(
    "byte_range", [(5, 5), (6, 5), (-1, 5), (SIZE, SIZE + 1), (1, 2, 3), 7, ("a", "b"), (0.0, 5)]
)
async def test_ranges_that_are_none_are_refused(byte_range: object, resources: TransferResources) -> None:
    """Nothing is asked for that is not there."""
    output = MemoryOutput(BYTES)
    with pytest.raises(InvalidRangeError):
        async with open_reader(output, resources, byte_range):  # type: ignore[arg-type]  # that is the question
            pass
    assert not output.asked


async def test_damage_on_the_way_costs_that_piece_once_more(
    resources: TransferResources, caplog: pytest.LogCaptureFixture
) -> None:
    """A flipped bit is found before anybody sees it, and only its piece is fetched again."""
    output = MemoryOutput(BYTES)
    output.damage = {3 * MIB + 1: 2}
    async with open_reader(output, resources) as reader:
        assert await reader.read() == BYTES
        assert reader.snapshot().moved == SIZE
    damaged = [piece for piece in output.asked if piece.start <= 3 * MIB + 1 < piece.stop]
    assert len(damaged) == 3
    assert len(output.asked) == len(set(output.asked)) + 2
    assert len(caplog.records) == 2


async def test_lasting_damage_is_an_error_when_it_is_reached(resources: TransferResources) -> None:
    """The bytes before the damage are given out, and nothing after it, however often it is asked for."""
    output = MemoryOutput(BYTES)
    output.damage = {3 * MIB + 1: 99}
    got = bytearray()
    async with open_reader(output, resources) as reader:
        with pytest.raises(IntegrityError) as caught:
            while block := await reader.read(MIB):
                got += block
        with pytest.raises(IntegrityError):
            await reader.read(1)
    assert caught.value.byte_range is not None
    assert got == BYTES[: caught.value.byte_range.start]
    assert caught.value.byte_range.start <= 3 * MIB + 1 < caught.value.byte_range.stop


async def test_without_hashes_of_pieces_the_whole_is_still_verified(resources: TransferResources) -> None:
    """Missing hashes are tolerated, damage is not: the last block is not given out."""
    output = MemoryOutput(BYTES)
    output.vouches = False
    async with open_reader(output, resources) as reader:
        assert await reader.read() == BYTES
    output.damage = {5: 1}
    async with open_reader(output, resources) as reader:
        with pytest.raises(IntegrityError, match="the whole of job 1 differs"):
            await reader.read()
        with pytest.raises(IntegrityError, match="the whole of job 1 differs"):
            await reader.read(1)


async def test_output_without_any_hash_is_given_as_it_comes(resources: TransferResources) -> None:
    """An inventory has none: its size is all that can be checked."""
    output = MemoryOutput(BYTES, has_hash=False)
    output.vouches = False
    async with open_reader(output, resources) as reader:
        assert await reader.read() == BYTES


async def test_one_task_reads_at_a_time(resources: TransferResources) -> None:
    """A second task gets an error; after its block the reader is closed."""
    output = MemoryOutput(BYTES)
    gate = anyio.Event()
    output.before = lambda _: gate.wait()
    async with anyio.create_task_group() as tasks:
        async with open_reader(output, resources) as reader:
            tasks.start_soon(reader.read, 5)
            await wait_all_tasks_blocked()
            with pytest.raises(WriterBusyError):
                await reader.read(5)
            gate.set()
            while reader.snapshot().taken < 5:
                await wait_all_tasks_blocked()
        with pytest.raises(WriterClosedError):
            await reader.read(5)


async def test_reading_ahead_stops_at_a_quarter_of_the_memory() -> None:
    """A caller who takes his time holds no more than that, and leaves the rest to others."""
    output = MemoryOutput(DATA)
    async with (
        thread_resources(8 * MIB, concurrency=8) as resources,
        open_reader(output, resources) as reader,
    ):
        await reader.read(1)
        await wait_all_tasks_blocked()
        assert resources.buffers.lent == 2
        assert len(output.asked) == 2
        assert await reader.read() == DATA[1:]


@pytest.mark.slow
@pytest.mark.parametrize("is_narrow", [False, True])
async def test_more_is_read_ahead_where_the_reader_waits(*, is_narrow: bool) -> None:
    """Two pieces are fetched at once at first, and twice as many if the reader waits in every round.

    A reader that was narrowed keeps to its two.
    """
    output = MemoryOutput(DATA)
    lent: list[int] = []
    async with (
        thread_resources(32 * MIB, concurrency=8) as resources,
        open_reader(output, resources) as reader,
    ):

        async def held(_: ByteRange) -> None:
            lent.append(resources.buffers.lent)
            await wait_all_tasks_blocked()

        output.before = held
        if is_narrow:
            reader.narrow(1)
        assert await reader.read() == DATA
    assert lent[0] == 2
    assert (max(lent) > 2) is not is_narrow


async def test_a_buffer_is_filled() -> None:
    """Reading into memory of the caller's own gives the same bytes, piece by piece, and then nothing."""
    got = bytearray(len(DATA) + 1)
    filled = 0
    async with thread_resources(8 * MIB) as resources, open_reader(MemoryOutput(DATA), resources) as reader:
        with memoryview(got) as view:
            while count := await reader.readinto(view[filled:]):
                filled += count
    assert bytes(got[:filled]) == DATA


@pytest.mark.slow
@pytest.mark.parametrize("memory", [2, 3, 5])
async def test_two_archives_are_read_in_turn_in_little_memory(memory: int) -> None:
    """A task that reads a block here and a block there never waits for itself."""
    first, second = MemoryOutput(DATA), MemoryOutput(DATA[::-1])
    got = bytearray(), bytearray()
    async with (
        thread_resources(memory * MIB) as resources,
        open_reader(first, resources) as one,
        open_reader(second, resources) as two,
    ):
        for _ in range(len(DATA) // 500_000 + 20):
            got[0].extend(await one.read(500_000))
            got[1].extend(await two.read(500_000))
    assert (bytes(got[0]), bytes(got[1])) == (DATA, DATA[::-1])


async def test_an_archive_is_copied_in_little_memory(store: MemoryStore) -> None:
    """The buffers that a reader holds ahead do not keep the writer of the same task from its own."""
    async with (
        thread_resources(4 * MIB) as resources,
        open_reader(MemoryOutput(DATA), resources) as reader,
        open_writer(store, resources, options(2 * MIB)) as writer,
    ):
        async for block in reader:
            await writer.write(block)
    assert store.archives == [DATA]


@pytest.mark.parametrize("way", ["leave", "raise", "cancel"])
async def test_leaving_early_drops_everything(way: str, resources: TransferResources) -> None:
    """Connections and buffers are given back, and the caller's own error is his own."""
    output = MemoryOutput(DATA)
    asked = 0

    async def first_two_only(_: ByteRange) -> None:
        nonlocal asked
        asked += 1
        if asked > 2:
            await anyio.sleep_forever()

    output.before = first_two_only
    with anyio.CancelScope() as scope:
        try:
            async with open_reader(output, resources) as reader:
                assert await reader.read(5) == DATA[:5]
                await wait_all_tasks_blocked()
                if way == "raise":
                    raise MineError
                if way == "cancel":
                    scope.cancel()
                    await anyio.sleep_forever()
        except MineError:
            assert way == "raise"
    assert (output.opened, resources.buffers.lent) == (0, 0)
    assert scope.cancelled_caught is (way == "cancel")


async def test_a_failed_task_group_of_the_caller_does_not_disturb_the_end(
    resources: TransferResources,
) -> None:
    """Before Python 3.13 such a group leaves its task marked as being cancelled."""

    async def fail_soon() -> None:
        await asyncio.sleep(0)
        raise MineError

    output = MemoryOutput(DATA)
    async with open_reader(output, resources) as reader:
        assert await reader.read(5) == DATA[:5]
        output.before = lambda _: anyio.sleep_forever()
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail_soon())
    assert (output.opened, resources.buffers.lent) == (0, 0)


async def test_a_cancelled_read_may_be_repeated(resources: TransferResources) -> None:
    """Nothing is lost to a cancelled ``read``: the next one gives the same bytes."""
    output = MemoryOutput(BYTES)
    gate = anyio.Event()
    output.before = lambda _: gate.wait()
    async with open_reader(output, resources) as reader, anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel_when_blocked, scope)
            await reader.read(7)
        assert scope.cancelled_caught
        gate.set()
        assert await reader.read() == BYTES


# --- a served Glacier


async def retrieved(served: Served, byte_range: tuple[int, int] | None = None) -> Job:
    """A finished job with the bytes of an archive."""
    archive = await served.vault.upload(BYTES, part_size=MIB)
    return await served.vault.retrieve(archive.id, byte_range=byte_range)


@pytest.mark.slow
@pytest.mark.parametrize(
    "byte_range", [None, (0, 1), (MIB - 1, MIB + 1), (5, SIZE), (3 * MIB, 4 * MIB), (SIZE - 1, SIZE + 9)]
)
async def test_ranges_of_a_job_are_those_of_its_archive(
    byte_range: tuple[int, int] | None, served: Served
) -> None:
    """Through the real gateway, however the range lies to the tree."""
    start, stop = byte_range or (0, SIZE)
    async with (await retrieved(served)).open_reader(byte_range) as reader:
        assert await reader.read() == BYTES[start:stop]


async def test_a_job_for_a_range_counts_from_its_start(served: Served) -> None:
    """The output of a ranged retrieval is a document of its own, verified as far as the service vouches."""
    for begin, end in ((MIB, 4 * MIB), (2 * MIB, 4 * MIB), (4 * MIB, SIZE)):
        job = await retrieved(served, (begin, end))
        async with job.open_reader(unverified=True) as reader:
            assert await reader.read() == BYTES[begin:end]
        async with job.open_reader((10, 100), unverified=True) as reader:
            assert await reader.read() == BYTES[begin + 10 : begin + 100]


FAULTS = {
    "flipped once": Fault("GetJobOutput", kind=FaultKind.FLIP, after_bytes=100),
    "cut short": Fault("GetJobOutput", kind=FaultKind.TRUNCATE, after_bytes=300_000, count=2),
    "no hash": Fault("GetJobOutput", kind=FaultKind.OMIT_HEADER, count=None),
    "refused": Fault("GetJobOutput", count=3, status=503),
    "reset": Fault("GetJobOutput", kind=FaultKind.RESET, count=2),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_passing_trouble_is_not_seen_by_the_reader(fault: str, served: Served) -> None:
    """The bytes are right after every fault."""
    job = await retrieved(served)
    served.fail(FAULTS[fault])
    async with job.open_reader() as reader:
        assert await reader.read() == BYTES


async def test_output_that_stays_damaged_is_never_given_out(served: Served) -> None:
    """A byte that comes wrong each time is an error with the range it is in."""
    job = await retrieved(served)
    served.fail(Fault("GetJobOutput", kind=FaultKind.FLIP, after_bytes=100, count=None))
    async with job.open_reader() as reader:
        with pytest.raises(IntegrityError, match="came damaged 3 times"):
            await reader.read(1)
