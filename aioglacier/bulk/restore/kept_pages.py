"""Pages of records that a restore needs again, packed into a tenth of their memory.

A restore plans by the same records that it writes files by later, and needs those of folders three times. A
page from here costs a tenth of one from the catalog. What does not fit is read from the catalog again.
"""

from __future__ import annotations

import marshal
import zlib
from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.catalog.folders.entry_records import Entry, StoredEntry
from aioglacier.core.limits import MIB
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

#: Some 250,000 records.
MOST_KEPT: Final = 16 * MIB

#: What a page takes besides its bytes: in a folder of big files, each has a page of its own.
_OVERHEAD: Final = 1024


class _Page(NamedTuple):
    first: int  # the positions of its first and last member
    last: int
    packed: bytes
    archives: tuple[tuple[object, ...], ...]  # the facts of the archives of its records


class KeptPages:
    """Pages of records, by a key for each list of pages. ``most`` bytes of them are kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._pages: dict[int | None, list[_Page]] = {}
        self._last: tuple[_Page, list[StoredEntry]] | None = None

    def __contains__(self, key: int | None) -> bool:
        """Return whether all pages of a list are kept."""
        return key in self._pages

    def clear(self) -> None:
        """Keep nothing."""
        self._size, self._last = 0, None
        self._pages.clear()

    async def keep(
        self, key: int | None, pages: AsyncIterator[list[StoredEntry]]
    ) -> AsyncIterator[list[StoredEntry]]:
        """Yield pages and keep them: all of them if they fit and the caller takes the last one, else none."""
        kept = []
        async for page in pages:
            if page and self._size < self._most:
                kept.append(await run_in_thread(partial(_pack, page)))
                self._size += len(kept[-1].packed) + _OVERHEAD
            yield page
        if self._size < self._most:
            self._pages[key] = kept

    async def pages(
        self, key: int | None, *, start: int = 0, stop: int | None = None, is_descending: bool = False
    ) -> AsyncIterator[list[StoredEntry]]:
        """Yield the pages of a list that are kept; with bounds, only members whose positions lie in them."""
        kept = self._pages[key]
        for page in reversed(kept) if is_descending else kept:
            if page.last >= start and (stop is None or page.first < stop):
                found = await run_in_thread(partial(self._unpack, page))
                if start or stop is not None:
                    end = None if stop is None else bisect_left(found, stop, key=_position)
                    found = found[bisect_left(found, start, key=_position) : end]
                yield found[::-1] if is_descending else found

    def _unpack(self, page: _Page) -> list[StoredEntry]:
        last = self._last
        if last is not None and last[0] is page:  # many small ranges may lie in one page
            return last[1]
        rows = marshal.loads(zlib.decompress(page.packed))  # noqa: S302  # packed by this process
        found: list[StoredEntry] = [
            # As the classes do it, in half the time.
            tuple.__new__(StoredEntry, (tuple.__new__(Entry, row), *page.archives[archive], is_older))
            for row, archive, is_older in rows
        ]
        self._last = page, found
        return found


def _pack(page: Sequence[StoredEntry]) -> _Page:
    archives: dict[tuple[object, ...], int] = {}
    rows = [
        (tuple(entry), archives.setdefault(tuple(archive), len(archives)), is_older)
        for entry, *archive, is_older in page
    ]
    packed = zlib.compress(marshal.dumps(rows), 1)
    return _Page(_position(page[0]), _position(page[-1]), packed, tuple(archives))


def _position(stored: StoredEntry) -> int:
    return stored.entry.position or 0
