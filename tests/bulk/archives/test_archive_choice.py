"""The choice of archives in a vault."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from typing import TYPE_CHECKING

from aioglacier.bulk.archives.archive_choice import ArchiveChoice, ArchiveOptions
from aioglacier.catalog import ArchiveRecord, ArchiveState
from aioglacier.catalog.records import ArchiveNumber
from tests.catalog.samples import NOON, PHOTOS, archive

if TYPE_CHECKING:
    from aioglacier import Archive


def record(number: int, state: ArchiveState = ArchiveState.STORED, size: int = 5) -> ArchiveRecord:
    """Return an archive on record."""
    made: Archive = archive(number, size=size)
    return ArchiveRecord(ArchiveNumber(number), PHOTOS, made, state, None, None, NOON)


def chosen(options: ArchiveOptions, *records: ArchiveRecord) -> list[int]:
    """Return the numbers of the archives that are selected."""
    choice = ArchiveChoice(options)
    return [each.number for each in records if choice.selects(each)]


def test_each_condition_must_be_met() -> None:
    """Sizes include both ends, dates the first one."""
    records = [record(number, size=number * 10) for number in range(1, 6)]
    assert chosen(ArchiveOptions(larger=20, smaller=40), *records) == [2, 3, 4]
    second = NOON + timedelta(seconds=2)
    assert chosen(ArchiveOptions(created_after=second), *records) == [2, 3, 4, 5]
    assert chosen(ArchiveOptions(created_before=second), *records) == [1]
    assert chosen(ArchiveOptions(patterns=("*3", "*4"), smaller=30), *records) == [3]
    assert chosen(ArchiveOptions(ids=[records[0].archive.id]), *records) == [1]


def test_suspect_archives_are_left_out_and_counted() -> None:
    """An archive that an inventory contradicts is never paid for."""
    choice = ArchiveChoice(ArchiveOptions())
    assert not choice.selects(record(1, ArchiveState.SUSPECT))
    assert choice.suspect == 1


def test_choosing_among_many_needs_no_memory() -> None:
    """Only the archive that is looked at is held."""
    choice = ArchiveChoice(ArchiveOptions(patterns=("*7",)))
    tracemalloc.start()
    found = sum(choice.selects(record(number)) for number in range(1_000))
    assert found == 100
    assert tracemalloc.get_traced_memory()[1] < 500_000
    tracemalloc.stop()
