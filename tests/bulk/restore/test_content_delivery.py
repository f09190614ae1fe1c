"""Members of a bundle are read in runs, and placed whatever happens to their neighbours."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING, cast

import pytest

from aioglacier.bulk.formats import tar
from aioglacier.bulk.restore import content_delivery
from aioglacier.bulk.restore.content_delivery import ContentDelivery, Unlanded
from aioglacier.bulk.restore.placer import Placer, Written, temporary_name
from aioglacier.bulk.restore.restore_progress import RestoreProgress
from aioglacier.catalog.folders.entry_records import Entry, StoredEntry
from aioglacier.core.errors import IntegrityError
from aioglacier.core.treehash import tree_hash

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from aioglacier.bulk.path_failures import PathFailure
    from aioglacier.bulk.restore.folder_version import FolderVersion
    from aioglacier.bulk.restore.placer import Content, Placed
    from aioglacier.transfer.download.reader import ArchiveReader


class Bundle:
    """Members of a bundle, read as an ``ArchiveReader`` is: at most so many bytes at once.

    Attributes:
        members: The records of the members.
        data: The bundle.
        fails_at: Where reading raises an error.
        ahead: Bytes that may be fetched ahead.
    """

    def __init__(self) -> None:
        self.members: list[StoredEntry] = []
        self.data = b""
        self.fails_at = 1 << 62
        self.ahead = 0
        self._position = 0

    def add(self, path: bytes, content: bytes) -> None:
        """Append a member."""
        member = tar.member_header(path, size=len(content)) + content + tar.padding(len(content))
        self.point(path, content, len(self.data), len(member))
        self.data += member

    def point(self, path: bytes, content: bytes, position: int, stored: int) -> None:
        """Record a path whose content is a member that is there."""
        facts = Entry(1, path, 1, "file", len(content), 0, 0, 0, 0, 0o644, os.geteuid(), os.getegid())
        entry = facts._replace(content_hash=tree_hash(content), position=position, stored=stored)
        self.members.append(StoredEntry(entry, None, 0, None, None, is_older=False))

    def narrow(self, size: int) -> None:
        """Note how much is to be fetched ahead."""
        self.ahead = size

    async def read(self, size: int) -> bytes:
        """Return the next bytes."""
        if self._position >= self.fails_at:
            raise IntegrityError("a piece is damaged", expected=b"", actual=b"")
        block = self.data[self._position : self._position + min(size, 3000)]
        self._position += len(block)
        return block

    async def readinto(self, buffer: memoryview) -> int:
        """Read the next bytes into a buffer."""
        block = await self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    async def pages(self) -> AsyncIterator[list[StoredEntry]]:
        """Yield the records, three at a time."""
        for at in range(0, len(self.members), 3):
            yield self.members[at : at + 3]


class Everything:
    """A version of a folder of which every path is selected."""

    def paths_of(self, entry: Entry) -> list[bytes]:
        """Return the path itself."""
        return [entry.path]


async def deliver(bundle: Bundle, target: Path) -> RestoreProgress:
    """Put the members into a folder."""
    progress = RestoreProgress()
    delivery = ContentDelivery(None, cast("FolderVersion", Everything()), progress)
    placer = Placer(os.fsencode(target), overwrite=False)
    try:
        await delivery.deliver_members(cast("ArchiveReader", bundle), 0, bundle.pages(), placer)
    finally:
        placer.close()
    assert bundle.ahead == content_delivery._AHEAD
    return progress


def found(target: Path) -> dict[str, bytes]:
    """Return the files in a folder with their contents."""
    return {path.name: path.read_bytes() for path in target.iterdir()}


@pytest.mark.parametrize("at_once", [1, 2, 500])
async def test_members_come_back_in_runs_of_any_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Also those that share their content, and those behind bytes that nothing is needed of."""
    monkeypatch.setattr(content_delivery, "_MEMBERS_AT_ONCE", at_once)
    bundle = Bundle()
    expected = {f"f{number}": b"%d" % number * 1000 * (number + 1) for number in range(8)}
    for name, content in expected.items():
        bundle.add(name.encode(), content)
        if name == "f3":
            last = bundle.members[-1].entry
            for twin in ("t0", "t1", "t2"):
                bundle.point(twin.encode(), content, last.position or 0, last.stored or 0)
        if name == "f5":
            bundle.data += bytes(200_000)  # deleted since
    progress = await deliver(bundle, tmp_path)
    twins = dict.fromkeys(("t0", "t1", "t2"), expected["f3"])
    assert found(tmp_path) == expected | twins
    assert (progress.restored, progress.failures.count) == (11, 0)
    assert progress.fetched == len(bundle.data)


async def test_a_damaged_member_costs_no_other(tmp_path: Path) -> None:
    """It is reported by its path, and so is one whose record lies past the end of the bundle."""
    bundle = Bundle()
    for name in (b"a", b"b", b"c"):
        bundle.add(name, name * 2000)
    at = (bundle.members[1].entry.position or 0) + 600
    bundle.data = bundle.data[:at] + b"x" + bundle.data[at + 1 :]
    bundle.point(b"d", b"d", len(bundle.data) + 512, 1024)
    progress = await deliver(bundle, tmp_path)
    assert found(tmp_path) == {"a": b"a" * 2000, "c": b"c" * 2000}
    assert sorted(failure.path for failure in progress.failures.kept) == [b"b", b"d"]


async def test_what_was_read_before_a_failure_is_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error follows, and the rest is for another retrieval."""
    monkeypatch.setattr(content_delivery, "_MEMBERS_AT_ONCE", 1)
    bundle = Bundle()
    for name in (b"a", b"b", b"c"):
        bundle.add(name, name * 2000)
    bundle.fails_at = (bundle.members[1].entry.position or 0) + 1
    with pytest.raises(IntegrityError, match="a piece is damaged"):
        await deliver(bundle, tmp_path)
    assert found(tmp_path).keys() == {"a", "b"}


async def test_a_file_is_on_disk_before_its_name_and_its_name_before_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sync covers what was there when it began, whatever is written and named meanwhile."""
    monkeypatch.setattr(content_delivery, "_MEMBERS_AT_ONCE", 1)
    monkeypatch.setattr(content_delivery, "_LANDED_FILES", 1)
    bundle, names = Bundle(), [b"%03d" % number for number in range(40)]
    hidden = {os.fsdecode(temporary_name(name)): os.fsdecode(name) for name in names}
    synced = set[str]()
    unsafe: list[str] = []
    reported: list[str] = []
    sync, note_placed = Placer.sync, RestoreProgress.note_placed

    def look_and_sync(placer: Placer) -> None:
        there = {path.name for path in tmp_path.iterdir()}
        unsafe.extend(name for name in there - hidden.keys() if name not in map(hidden.get, synced))
        sync(placer)
        synced.update(there)

    def look_and_note(progress: RestoreProgress, placed: Iterable[Placed]) -> None:
        paths = [os.fsdecode(each.path) for each in placed]
        unsafe.extend(path for path in paths if path not in synced)
        reported.extend(paths)
        note_placed(progress, ())

    monkeypatch.setattr(Placer, "sync", look_and_sync)
    monkeypatch.setattr(RestoreProgress, "note_placed", look_and_note)
    for name in names:
        bundle.add(name, name)
    await deliver(bundle, tmp_path)
    assert unsafe == []
    assert sorted(reported) == sorted(found(tmp_path)) == sorted(hidden.values())


@pytest.mark.parametrize("limit", ["_MOST_FILES", "_MOST_BYTES"])
def test_a_landing_is_overdue_at_each_limit(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """A disk that is slower than the service holds back no more than that."""
    unlanded = Unlanded()
    unlanded.add([Written(b"a", b"hidden", 1)])
    overdue = [unlanded.is_overdue]
    monkeypatch.setattr(content_delivery, limit, 1)
    overdue.append(unlanded.is_overdue)
    unlanded.take()
    assert [*overdue, unlanded.is_overdue] == [False, True, False]


@pytest.mark.parametrize("limit", ["_LANDED_FILES", "_LANDED_BYTES", "_LANDED_SECONDS"])
def test_a_landing_is_due_at_each_limit(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """So a power failure, or a slow service, holds back no more than that."""
    unlanded = Unlanded()
    due = [unlanded.is_due]
    unlanded.add([Written(b"a", b"hidden", 1)])
    due.append(unlanded.is_due)
    monkeypatch.setattr(content_delivery, limit, 0)
    due.append(unlanded.is_due)
    assert unlanded.take() == [Written(b"a", b"hidden", 1)]
    assert [*due, unlanded.is_due] == [False, False, True, False]


async def test_members_in_memory_keep_to_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after an output has failed: a member is read once those that leave it no room are written."""
    monkeypatch.setattr(content_delivery, "_MEMBERS_AT_ONCE", 1)
    monkeypatch.setattr(content_delivery, "_MOST_IN_MEMORY", 5000)  # a member has 3,584
    written: list[bytes] = []
    unwritten: list[int] = []
    write = Placer.write_files

    def write_and_note(placer: Placer, contents: Iterable[Content]) -> list[PathFailure]:
        there = list(contents)
        failed = write(placer, there)
        written.extend(content.path for content in there)
        return failed

    class Watched(Bundle):
        async def readinto(self, buffer: memoryview) -> int:
            unwritten.append(self._position // 3584 - len(written))
            return await super().readinto(buffer)

    monkeypatch.setattr(Placer, "write_files", write_and_note)
    delivery = ContentDelivery(None, cast("FolderVersion", Everything()), RestoreProgress())
    with closing(Placer(os.fsencode(tmp_path), overwrite=False)) as placer:
        for fails_at in (2 * 3584, 1 << 62):
            bundle = Watched()
            for number in range(8):
                bundle.add(b"%d-%d" % (fails_at, number), bytes(3000))
            bundle.fails_at = fails_at
            written.clear()
            with suppress(IntegrityError):
                await delivery.deliver_members(cast("ArchiveReader", bundle), 0, bundle.pages(), placer)
    assert set(unwritten) == {0}
    assert len(written) == 8


def test_a_block_is_lent_again_once_all_have_let_go_of_it() -> None:
    """Bytes that are still read are never overwritten; a large block is not kept."""
    blocks = content_delivery.Blocks()
    first = blocks.lend(3)
    first.data[:] = b"abc"
    first.hold()
    first.let_go()
    second = blocks.lend(3)
    second.data[:] = b"xyz"
    assert bytes(first.data) == b"abc"
    first.let_go()
    third = blocks.lend(2)
    assert bytes(third.data) == b"ab"
    second.let_go()
    third.let_go()
    large = blocks.lend(content_delivery._BYTES_AT_ONCE + 1)
    assert blocks._idle == []
    large.let_go()
    assert blocks._idle == []
