"""Pages of records that a restore keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.bulk.restore import kept_pages
from aioglacier.bulk.restore.kept_pages import KeptPages
from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.catalog.folders import entry_rows
from aioglacier.catalog.folders.entry_records import Entry, StoredEntry
from aioglacier.core.models import ArchiveId
from tests.bulk.conftest import make_tree, picture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.bulk.conftest import Place

ARCHIVES = [
    (ArchiveId(f"archive {number}"), 4096, bytes([number]) * 32, datetime(2026, 11, number, tzinfo=UTC))
    for number in (1, 2)
]


def record(number: int) -> StoredEntry:
    """The member at 512 times a number, or a folder, with all kinds of values."""
    path = b"\xff/%05d" % number
    entry = Entry(1, path, 2, "file", number, -1, 1, -(2**63), 3, 0o644, 0, 0, None, b"{}", b"h" * 32, 4)
    return StoredEntry(entry._replace(position=512 * number, stored=512), *ARCHIVES[number % 2], number == 3)


PAGES = [[record(number) for number in range(start, start + 4)] for start in (0, 4, 8)]


async def source() -> AsyncIterator[list[StoredEntry]]:
    """Yield the pages as the catalog does."""
    for page in PAGES:
        yield list(page)


async def taken(pages: AsyncIterator[list[StoredEntry]]) -> list[list[StoredEntry]]:
    """Take all pages."""
    return [page async for page in pages]


async def test_kept_pages_come_back_as_they_were() -> None:
    """Forward and backward, whole and by positions, with the types of the records."""
    kept = KeptPages(kept_pages.MOST_KEPT)
    assert await taken(kept.keep(7, source())) == PAGES
    assert 7 in kept
    assert None not in kept
    assert await taken(kept.pages(7)) == PAGES
    (first, *_), *_ = await taken(kept.pages(7))
    assert (type(first), type(first.entry)) == (StoredEntry, Entry)
    backward = await taken(kept.pages(7, is_descending=True))
    assert [one for page in backward for one in page] == [record(number) for number in range(11, -1, -1)]
    some = await taken(kept.pages(7, start=512 * 3, stop=512 * 6))
    assert some == [[record(3)], [record(4), record(5)]]
    assert await taken(kept.pages(7, stop=1)) == [[record(0)]]
    kept.clear()
    assert 7 not in kept


async def test_a_list_that_was_not_read_to_its_end_is_not_kept() -> None:
    """Nor is one that exceeds the limit; its pages pass through."""
    kept = KeptPages(kept_pages.MOST_KEPT)
    reading = kept.keep(None, source())
    assert await anext(reading) == PAGES[0]
    await reading.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert None not in kept
    small = KeptPages(2000)
    assert await taken(small.keep(None, source())) == PAGES
    assert None not in small


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most", "exclude", "times"),
    [(kept_pages.MOST_KEPT, ["none"], 1), (0, ["none"], 2), (kept_pages.MOST_KEPT, [], 1), (0, [], 1)],
)
async def test_a_restore_reads_each_member_once(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, exclude: list[str], times: int
) -> None:
    """If the records do not fit, it reads them again, and brings the same back. A plan of all reads none."""
    monkeypatch.setattr(kept_pages, "MOST_KEPT", most)
    monkeypatch.setattr(entry_rows, "PAGE", 7)
    tree = make_tree(tmp_path / "tree")
    await place.sync(tree)
    read: list[bytes] = []
    select = entry_rows.select_stored

    def note(*arguments: Any, **options: Any) -> list[StoredEntry]:
        found = select(*arguments, **options)
        read.extend(one.entry.path for one in found if one.entry.path == b"odd/-rf")
        return found

    monkeypatch.setattr("aioglacier.catalog.folders.entries.select_stored", note)
    await place.restore(tmp_path / "back", selection=SelectionOptions(exclude=exclude))
    assert picture(tmp_path / "back") == picture(tree)
    assert len(read) == times
