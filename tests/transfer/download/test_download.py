# ruff: noqa: ASYNC240  # small files of the test's own
"""Downloads: verified pieces, a name only at the end, and a next try that trusts nothing it cannot prove."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.errors import IntegrityError
from aioglacier.core.ranges import ByteRange
from aioglacier.server.requests.faults import Fault, FaultKind
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.download.download import Download
from aioglacier.transfer.resources import open_resources
from tests.transfer.conftest import (
    DATA,
    MIB,
    MemoryOutput,
    Served,
    cancel_when_blocked,
    count_descriptors,
    thread_resources,
)
from tests.transfer.download.conftest import BYTES, PARTIAL, PIECES, SIZE, names

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.transfer.budget.allowance import HashIn
    from aioglacier.transfer.resources import TransferResources


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, SIZE])
@pytest.mark.parametrize("hash_in", ["threads", "processes"])
async def test_the_file_is_the_archive(size: int, hash_in: HashIn, target: Path) -> None:
    """Every byte, under its name alone: nothing hidden is left, and no descriptor."""
    output = MemoryOutput(DATA[:size])
    async with open_resources(Limits(memory=8 * MIB, concurrency=2, hash_workers=2), hash_in) as resources:
        download = Download(output, resources, target)
        before = count_descriptors()
        await download.run()
        assert resources.buffers.lent == 0
    assert target.read_bytes() == DATA[:size]
    assert names(target) == {"film.mkv"}
    assert count_descriptors() <= before + 12  # buffers and workers, kept until the resources are closed
    counters = download.snapshot()
    assert (counters.size, counters.moved, counters.done, counters.parts_in_flight) == (size, size, size, 0)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"n" * 255, b"-\n%s", "\N{SNOWMAN}".encode()])
async def test_any_name_a_file_can_have_works(
    name: bytes, tmp_path: Path, resources: TransferResources
) -> None:
    """Also one so long that the hidden file beside it needs a shorter one."""
    target = tmp_path / os.fsdecode(name)
    await Download(MemoryOutput(BYTES), resources, target).run()
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [name]


async def test_damage_on_the_way_costs_that_piece_once_more(
    target: Path, resources: TransferResources
) -> None:
    """A flipped bit never reaches the file."""
    output = MemoryOutput(BYTES)
    output.damage = {3 * MIB + 1: 2}
    await Download(output, resources, target).run()
    assert target.read_bytes() == BYTES
    assert len(output.asked) == PIECES + 2


async def test_lasting_damage_gives_no_file(target: Path, resources: TransferResources) -> None:
    """The range is named; what was verified stays for the next try, which fetches the rest only."""
    output = MemoryOutput(BYTES)
    output.damage = {3 * MIB + 1: 3}
    download = Download(output, resources, target)
    with pytest.raises(IntegrityError) as caught:
        await download.run()
    assert caught.value.byte_range == ByteRange(3 * MIB, 4 * MIB)
    assert names(target) == PARTIAL
    done = download.snapshot().parts_done
    output.asked.clear()
    await Download(output, resources, target).run()
    assert target.read_bytes() == BYTES
    # What was recorded, and not counted yet when the damage stopped it, is not fetched again either.
    assert ByteRange(3 * MIB, 4 * MIB) in output.asked
    assert len(output.asked) <= PIECES - done


async def test_a_whole_that_differs_gives_no_file(target: Path, resources: TransferResources) -> None:
    """If pieces come without hashes, the whole is compared before the file gets its name."""
    output = MemoryOutput(BYTES)
    output.vouches = False
    await Download(output, resources, target.with_name("good")).run()
    output.damage = {5: 1}
    with pytest.raises(IntegrityError, match="the whole of job 1 differs"):
        await Download(output, resources, target).run()
    assert names(target) == {"good"} | PARTIAL


async def test_output_without_any_hash_is_taken_by_its_size(
    target: Path, resources: TransferResources
) -> None:
    """As an inventory, which comes with none."""
    output = MemoryOutput(BYTES, has_hash=False)
    output.vouches = False
    await Download(output, resources, target).run()
    assert target.read_bytes() == BYTES


async def test_the_budget_holds_for_downloads(target: Path) -> None:
    """Pieces wait for buffers; with the smallest budget they come one after the other."""
    output = MemoryOutput(BYTES)
    async with thread_resources(MIB) as resources:
        await Download(output, resources, target).run()
    assert target.read_bytes() == BYTES


async def test_one_piece_waits_for_a_connection(target: Path) -> None:
    """Only one piece waits if the number of connections cannot grow: more would only hold memory."""
    most = 0
    async with open_resources(Limits(memory=8 * MIB, concurrency=2, hash_workers=2)) as resources:
        output = MemoryOutput(BYTES)
        download = Download(output, resources, target)

        async def note(_: ByteRange) -> None:
            nonlocal most
            await wait_all_tasks_blocked()
            most = max(most, download.snapshot().parts_in_flight)

        output.before = note
        await download.run()
    assert most == 3
    assert target.read_bytes() == BYTES


async def test_a_cancelled_start_leaves_nothing_locked(target: Path, resources: TransferResources) -> None:
    """Cancelled while the first pieces come, the hidden file is free for the next try at once."""
    output = MemoryOutput(BYTES)
    output.before = lambda _: anyio.sleep_forever()
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel_when_blocked, scope)
            await Download(output, resources, target).run()
    output.before = lambda _: anyio.lowlevel.checkpoint()
    await Download(output, resources, target).run()
    assert target.read_bytes() == BYTES


# --- a served Glacier

FAULTS = {
    "flipped once": Fault("GetJobOutput", kind=FaultKind.FLIP, after_bytes=100),
    "cut short": Fault("GetJobOutput", kind=FaultKind.TRUNCATE, after_bytes=300_000, count=3),
    "no hash": Fault("GetJobOutput", kind=FaultKind.OMIT_HEADER, count=None),
    "refused": Fault("GetJobOutput", count=3, status=503),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_passing_trouble_costs_only_time(fault: str, served: Served, target: Path) -> None:
    """Through the real gateway the file is right, whatever went wrong in between."""
    archive = await served.vault.upload(DATA, part_size=4 * MIB)
    job = await served.vault.retrieve(archive.id)
    served.fail(FAULTS[fault])
    await job.download(target)
    assert target.read_bytes() == DATA
    assert names(target) == {"film.mkv"}


async def test_output_that_stays_damaged_gets_no_name(served: Served, target: Path) -> None:
    """A byte that comes wrong each time leaves only the hidden file."""
    archive = await served.vault.upload(BYTES, part_size=MIB)
    job = await served.vault.retrieve(archive.id)
    served.fail(Fault("GetJobOutput", kind=FaultKind.FLIP, after_bytes=100, count=None))
    with pytest.raises(IntegrityError):
        await job.download(target)
    assert names(target) == PARTIAL
