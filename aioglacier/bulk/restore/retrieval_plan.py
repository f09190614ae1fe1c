"""The ranges of archives that a restore retrieves.

Members that are near each other come in one range: a gap is fetched as long as that costs less than another
job. Ranges begin and end at whole MiB, as the service requires, so two ranges may share one MiB. Each
retrieval therefore says which members it is for, and no member is in two.

A member that lies in the range of a job that exists comes from there, because that job is paid for. From an
archive that comes only whole, all members come from one retrieval.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.limits import MIB
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from aioglacier.catalog.folders.entry_records import StoredEntry
    from aioglacier.core.models import ArchiveId

#: The largest range. An output is kept for a day; what was not fetched by then has to be paid for again.
LARGEST_RANGE: Final = 1024 * MIB


class Needed(NamedTuple):
    """Bytes of an archive that are needed."""

    upload: int  # the upload that made the archive, as the catalog has it
    archive_id: ArchiveId
    archive_size: int
    position: int
    stored: int
    is_whole: bool  # the archive is one file


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One job to start or to use."""

    upload: int
    archive_id: ArchiveId
    archive_size: int
    byte_range: ByteRange | None  # ``None`` for all of the archive
    is_whole: bool
    first: int  # where the first of its members begins
    stop: int  # where the last one ends
    members: int  # the number of members
    is_asked: bool = False  # whether the job exists
    is_detached: bool = False  # whether its members are hard links that become files of their own

    @property
    def size(self) -> int:
        """Bytes that are retrieved."""
        return self.byte_range.size if self.byte_range is not None else self.archive_size

    @property
    def fetched(self) -> int:
        """Bytes of the output that are fetched: whole MiB, whose hashes the service gives."""
        return min(self.size, -(-self.stop // MIB) * MIB - self.first // MIB * MIB)


def plan_retrievals(
    needed: Iterable[Needed],
    gap: int,
    largest: int | None = None,
    asked: Mapping[ArchiveId, Sequence[ByteRange]] | None = None,
    whole: Container[ArchiveId] = (),
) -> Iterator[Retrieval]:
    """Yield the ranges that cover the needed bytes, in their order.

    Args:
        needed: In the order of uploads, and of positions in each.
        gap: The largest gap between two members of one range.
        largest: The most bytes of a range of several members; a GiB if not given.
        asked: The ranges that have jobs, in the order of ``start``.
        whole: The archives that can only be retrieved whole.
    """
    run: _Run | None = None
    jobs = _Jobs(asked or {})
    for each in needed:
        asked_for = there = jobs.covering(each) if asked else None
        if there is None and each.archive_id in whole:
            there = ByteRange(0, each.archive_size)  # all its members come from one retrieval
        if run is not None and run.takes(each, there, gap, largest or LARGEST_RANGE):
            continue
        if run is not None:
            yield run.retrieval()
        run = _Run(each, there, is_asked=asked_for is not None)
    if run is not None:
        yield run.retrieval()


class _Jobs:
    """The ranges that have jobs, looked up in the order of positions."""

    def __init__(self, asked: Mapping[ArchiveId, Sequence[ByteRange]]) -> None:
        self._asked = asked
        self._archive: ArchiveId | None = None
        self._passed = 0

    def covering(self, needed: Needed) -> ByteRange | None:
        """Return the first job that has all of the bytes. So a later member is never in an earlier job."""
        ranges = self._asked.get(needed.archive_id)
        if not ranges:
            return None
        if needed.archive_id != self._archive:
            self._archive, self._passed = needed.archive_id, 0
        while self._passed < len(ranges) and ranges[self._passed].stop <= needed.position:
            self._passed += 1
        stop = needed.position + needed.stored
        for one in itertools.islice(ranges, self._passed, None):
            if one.start > needed.position:
                break
            if stop <= one.stop:
                return one
        return None


class _Run:
    """Members in a row that come from one job."""

    def __init__(self, first: Needed, there: ByteRange | None, *, is_asked: bool) -> None:
        self._first = self._last = first
        self._is_asked = is_asked
        self._there = there
        self._start, self._stop = (there.start, there.stop) if there is not None else _aligned(first)
        self._members = 1

    def takes(self, each: Needed, there: ByteRange | None, gap: int, largest: int) -> bool:
        """Add a member if it may come from the same job; return whether it was added."""
        upload, _, _, position, stored, is_whole = each
        if upload != self._first.upload or there != self._there:
            return False
        if there is None and (is_whole or position + stored > self._stop):  # others lie in what is fetched
            begins, ends = _aligned(each)
            stop = max(self._stop, ends)
            if begins - self._stop > gap or stop - self._start > largest:
                return False
            self._stop = stop
        self._last = each
        self._members += 1
        return True

    def retrieval(self) -> Retrieval:
        """Return the retrieval to request."""
        first = self._first
        is_all = self._start == 0 and self._stop == first.archive_size
        return Retrieval(
            first.upload,
            first.archive_id,
            first.archive_size,
            None if is_all else ByteRange(self._start, self._stop),
            first.is_whole,
            first.position,
            self._last.position + self._last.stored,
            self._members,
            is_asked=self._is_asked,
        )


def _aligned(needed: Needed) -> tuple[int, int]:
    if needed.is_whole:
        return 0, needed.archive_size
    start = needed.position // MIB * MIB
    stop = -(-(needed.position + needed.stored) // MIB) * MIB
    return start, min(stop, needed.archive_size)


def needed_of(stored: StoredEntry) -> Needed:
    """Return where the content of a version lies."""
    entry, archive_id, archive_size, *_ = stored
    assert archive_id is not None  # noqa: S101  # only such are wanted
    position = entry.position
    facts = (
        entry.upload or 0,
        archive_id,
        archive_size,
        position or 0,
        entry.stored or archive_size,
        position is None,
    )
    # The class's own constructor takes twice as long, and this runs for each of a million files.
    return tuple.__new__(Needed, facts)
