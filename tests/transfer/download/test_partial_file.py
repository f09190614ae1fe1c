# ruff: noqa: ASYNC240  # small files of the test's own
"""The partial file: what the target may be, and what the next try trusts."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.errors import IntegrityError, TargetError
from aioglacier.files import landing
from aioglacier.transfer.download.download import Download
from aioglacier.transfer.download.partial_file import PartialFile
from tests.transfer.conftest import DATA, MIB, MemoryOutput, thread_resources
from tests.transfer.download.conftest import BYTES, PARTIAL, PIECES, SIZE, names

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.core.ranges import ByteRange
    from aioglacier.transfer.resources import TransferResources

# --- the target


async def test_an_existing_file_is_left_alone(target: Path, resources: TransferResources) -> None:
    """Nothing is fetched, and a dangling link counts as a file."""
    output = MemoryOutput(BYTES)
    target.write_bytes(b"mine")
    link = target.with_name("link")
    link.symlink_to("nowhere")
    for path in (target, link):
        with pytest.raises(TargetError, match="exists") as caught:
            await Download(output, resources, path).run()
        assert caught.value.path == str(path)
    assert target.read_bytes() == b"mine"
    assert not output.asked
    assert names(target) == {"film.mkv", "link"}


async def test_a_file_with_these_bytes_is_done(target: Path, resources: TransferResources) -> None:
    """Nothing is fetched; a file of the same size with other bytes is another file."""
    output = MemoryOutput(BYTES)
    target.write_bytes(BYTES)
    download = Download(output, resources, target)
    await download.run()
    assert download.snapshot().done == SIZE
    assert not output.asked
    target.write_bytes(BYTES[:-1] + b"!")
    with pytest.raises(TargetError, match="exists"):
        await Download(output, resources, target).run()
    assert names(target) == {"film.mkv"}


async def test_an_existing_file_is_replaced_where_asked(target: Path, resources: TransferResources) -> None:
    """At the very end, in one step; until then the old one is there."""
    target.write_bytes(b"old")
    output = MemoryOutput(BYTES)
    seen: list[bytes] = []

    async def look(_: ByteRange) -> None:  # the output awaits it
        seen.append(target.read_bytes())

    output.before = look
    await Download(output, resources, target, overwrite=True).run()
    assert set(seen) == {b"old"}
    assert target.read_bytes() == BYTES
    assert names(target) == {"film.mkv"}


async def test_a_name_taken_meanwhile_is_not_taken_away(target: Path, resources: TransferResources) -> None:
    """Another program's file stays, and so do the bytes, which the error points to."""
    output = MemoryOutput(BYTES)

    async def take(_: ByteRange) -> None:  # the output awaits it
        target.write_bytes(b"theirs")

    output.before = take
    with pytest.raises(TargetError, match="exists with other bytes"):
        await Download(output, resources, target).run()
    assert target.read_bytes() == b"theirs"
    assert names(target) == PARTIAL | {"film.mkv"}


@pytest.mark.parametrize("overwrite", [False, True])
async def test_places_that_cannot_hold_a_file_are_refused(
    target: Path, resources: TransferResources, *, overwrite: bool
) -> None:
    """A folder, and a file in a folder that is not there: before anything is fetched."""
    output = MemoryOutput(BYTES)
    for path in (target.parent, target / "none"):
        with pytest.raises(TargetError):
            await Download(output, resources, path, overwrite=overwrite).run()
    assert not output.asked
    assert names(target) == set()


def test_too_little_room_is_seen_before_the_start(target: Path) -> None:
    """The error has both numbers, and nothing is left."""
    with pytest.raises(TargetError) as caught:
        PartialFile.open(target, 1 << 60, overwrite=False)
    assert caught.value.free is not None
    assert caught.value.needed == 1 << 60
    assert caught.value.free < 1 << 60
    assert names(target) == set()


async def test_a_full_disk_keeps_what_was_written(
    target: Path, resources: TransferResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails under way is a ``TargetError``, of the file as of its journal."""

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("pwrite", "write"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(TargetError, match="No space left"):
                await Download(MemoryOutput(BYTES), resources, target).run()
    assert names(target) == PARTIAL
    await Download(MemoryOutput(BYTES), resources, target).run()
    assert target.read_bytes() == BYTES


async def test_two_downloads_to_one_target_are_told_apart(target: Path, resources: TransferResources) -> None:
    """The second is refused at once and does the first no harm."""
    output = MemoryOutput(BYTES)
    gate = anyio.Event()
    output.before = lambda _: gate.wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Download(output, resources, target).run)
        while not output.opened:
            await wait_all_tasks_blocked()
        with pytest.raises(TargetError, match="another process"):
            await Download(MemoryOutput(BYTES), resources, target).run()
        gate.set()
    assert target.read_bytes() == BYTES
    assert names(target) == {"film.mkv"}


def test_a_file_that_was_just_published_is_not_taken_for_a_partial_one(target: Path) -> None:
    """Had it been opened before and locked after the other download's end, it would be truncated."""
    path = target.with_name(".film.mkv.aioglacier")
    path.write_bytes(b"finished")
    with path.open("r+b") as file:
        path.rename(target)
        with pytest.raises(TargetError, match="another process"):
            landing._lock(file.fileno(), str(path), str(target))
    assert target.read_bytes() == b"finished"


# --- the next try


async def interrupted(output: MemoryOutput, resources: TransferResources, target: Path) -> int:
    """A download that is cancelled after three pieces; returns how many were verified."""

    async def three_only(_: ByteRange) -> None:
        if len(output.asked) > 3:
            await anyio.sleep_forever()

    output.before = three_only
    download = Download(output, resources, target)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(download.run)
        while download.snapshot().parts_done < 3:
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert (resources.buffers.lent, output.opened) == (0, 0)
    assert names(target) == PARTIAL
    output.asked.clear()
    output.before = lambda _: anyio.lowlevel.checkpoint()
    return download.snapshot().parts_done


async def test_an_interrupted_download_goes_on_where_it_was(
    target: Path, resources: TransferResources
) -> None:
    """Only the hidden file is left, and only the missing pieces are fetched."""
    output = MemoryOutput(BYTES)
    done = await interrupted(output, resources, target)
    await Download(output, resources, target).run()
    assert done == 3
    assert len(output.asked) == PIECES - done
    assert target.read_bytes() == BYTES


def rot(path: Path, _: Path) -> None:
    """One byte of the first piece has changed."""
    with path.open("r+b") as file:
        file.write(bytes([BYTES[0] ^ 1]))


def lose_journal(_: Path, journal: Path) -> None:
    """There is no record any more of what was verified."""
    journal.unlink()


def tear_journal(_: Path, journal: Path) -> None:
    """The last line is half of one, as after a power failure."""
    os.truncate(journal, journal.stat().st_size - 5)


def garble_journal(_: Path, journal: Path) -> None:
    """A line of another kind than expected."""
    with journal.open("ab") as file:
        file.write(b"5\n")


def cut(path: Path, _: Path) -> None:
    """The file has lost its end."""
    os.truncate(path, 10)


MISHAPS: dict[Any, int] = {rot: 1, lose_journal: 3, tear_journal: 1, garble_journal: 3, cut: 3}


@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap.__name__)
async def test_only_what_can_be_proven_is_kept(
    mishap: Any, target: Path, resources: TransferResources
) -> None:
    """After any mishap with the hidden files the result is right, and sound pieces are not fetched again."""
    output = MemoryOutput(BYTES)
    done = await interrupted(output, resources, target)
    mishap(target.with_name(".film.mkv.aioglacier"), target.with_name(".film.mkv.aioglacier.journal"))
    await Download(output, resources, target).run()
    assert target.read_bytes() == BYTES
    assert PIECES - done < len(output.asked) <= PIECES - done + MISHAPS[mishap]
    assert names(target) == {"film.mkv"}


async def test_a_torn_journal_is_good_again_after_the_next_try(
    target: Path, resources: TransferResources
) -> None:
    """Half a line does not spoil the lines that are written after it."""
    output = MemoryOutput(BYTES)
    await interrupted(output, resources, target)
    tear_journal(target, target.with_name(".film.mkv.aioglacier.journal"))
    output.damage = {SIZE - 1: 3}
    first = Download(output, resources, target)
    with pytest.raises(IntegrityError):
        await first.run()
    output.asked.clear()
    await Download(output, resources, target).run()
    assert len(output.asked) <= PIECES - first.snapshot().parts_done


async def test_another_job_for_the_same_bytes_goes_on(target: Path, resources: TransferResources) -> None:
    """A job and its output are gone after a day; what was verified of them is not lost."""
    done = await interrupted(MemoryOutput(BYTES), resources, target)
    again = MemoryOutput(BYTES, name="job 2")
    await Download(again, resources, target).run()
    assert len(again.asked) == PIECES - done
    assert target.read_bytes() == BYTES


async def test_another_job_without_a_hash_begins_anew(target: Path, resources: TransferResources) -> None:
    """Nothing says that two outputs of one size are the same."""
    await interrupted(MemoryOutput(BYTES, has_hash=False), resources, target)
    other = MemoryOutput(BYTES, name="job 2", has_hash=False)
    await Download(other, resources, target).run()
    assert len(other.asked) == PIECES


async def test_another_output_begins_anew(target: Path, resources: TransferResources) -> None:
    """Verified pieces of one job are worth nothing to another one, larger or smaller."""
    for data in (DATA[::-1][:SIZE], DATA[::-1][: 2 * MIB]):
        await interrupted(MemoryOutput(BYTES), resources, target)
        other = MemoryOutput(data, name="job 2")
        await Download(other, resources, target).run()
        assert target.read_bytes() == data
        target.unlink()


async def test_a_piece_that_cannot_be_read_back_is_fetched(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad sector under the hidden file costs a piece, not the download."""

    def broken(*_: Any) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    output = MemoryOutput(BYTES)
    async with thread_resources(hash_workers=2, concurrency=2) as resources:
        await interrupted(output, resources, target)
        monkeypatch.setattr(os, "preadv", broken)
        await Download(output, resources, target).run()
    assert target.read_bytes() == BYTES
    assert len(output.asked) == PIECES
