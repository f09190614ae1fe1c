"""Rows of versions of paths: how they are written, ended and read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from aioglacier.catalog.checksums import checksum
from aioglacier.catalog.folders.entry_records import Entry, StoredEntry
from aioglacier.catalog.records import UploadState
from aioglacier.catalog.storage.tables import ARCHIVES, ENTRIES, UPLOADS
from aioglacier.core.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.sql import ColumnElement

    from aioglacier.catalog.folders.entry_records import RunNumber
    from aioglacier.catalog.storage.backend import Connection

#: Rows read at a time: 2 MB of them, and few enough trips.
PAGE: Final = 5000

#: Uploads in these states have an archive, or may have one, which must not be made again.
COUNTING: Final = (UploadState.COMPLETED, UploadState.COMPLETING)

COLUMNS: Final = [ENTRIES.c[name] for name in Entry._fields]

#: What a comparison needs, in the order that it needs it.
_COMPARED: Final = (
    "path",
    "kind",
    "size",
    "mtime_ns",
    "ctime_ns",
    "inode",
    "mode",
    "uid",
    "gid",
    "target",
    "number",
    "upload",
    "content_hash",
)
_CURRENT: Final = f"SELECT {', '.join(_COMPARED)} FROM entries WHERE tree = ? AND until IS NULL"  # noqa: S608

_INSERT: Final = "INSERT INTO entries ({}, checksum) VALUES ({}?)".format(  # noqa: S608  # names of ours
    ", ".join(Entry._fields), "?, " * len(Entry._fields)
)


def _counts() -> ColumnElement[bool]:
    return ENTRIES.c.upload.is_(None) | UPLOADS.c.state.in_(COUNTING)


def select_current(connection: Connection, tree: int, after: bytes | None) -> Sequence[Any]:
    """One page of the current versions of a folder's paths, as a comparison with the disk needs them."""
    is_after, values = (" AND path > ?", (tree, after)) if after is not None else ("", (tree,))
    return connection.rows(f"{_CURRENT}{is_after} ORDER BY path LIMIT {PAGE}", values)


def select_stored(
    connection: Connection, condition: ColumnElement[bool], run: RunNumber | None, order: Any
) -> list[StoredEntry]:
    """One page of the versions that count, now or as of a run, with their archives.

    Raises:
        CatalogError: A record is not as it was written.
    """
    is_it = condition & _counts()
    if run is None:
        is_it &= ENTRIES.c.until.is_(None)
    else:
        is_it &= (ENTRIES.c.since <= run) & (ENTRIES.c.until.is_(None) | (ENTRIES.c.until > run))
    rows = connection.alchemy.execute(
        select(
            *COLUMNS,
            ENTRIES.c.checksum,
            ARCHIVES.c.archive_id,
            ARCHIVES.c.size,
            ARCHIVES.c.tree_hash,
            ARCHIVES.c.created,
        )
        .outerjoin(UPLOADS, UPLOADS.c.number == ENTRIES.c.upload)
        .outerjoin(ARCHIVES, ARCHIVES.c.upload == ENTRIES.c.upload)
        .where(is_it)
        .order_by(order)
        .limit(PAGE)
    )
    return [_stored(row) for row in rows]


def _stored(row: Any) -> StoredEntry:
    count = len(COLUMNS)
    entry = Entry(*row[:count])
    if row[count] != checksum(entry):
        raise CatalogError(
            f"the record of {entry.path!r} is not as it was written: a bit has flipped on this disk, so "
            "rename the catalog and restore it from a copy"
        )
    return StoredEntry(entry, *row[count + 1 :])


@contextmanager
def few_pages(connection: Connection) -> Iterator[None]:
    """Let SQLite keep few pages: what comes in the order of its keys needs none of them again."""
    if connection.dialect != "sqlite":
        yield
        return
    ((usual,),) = connection.rows("PRAGMA cache_size")
    connection.rows("PRAGMA cache_size = -2048")
    try:
        yield
    finally:
        connection.rows(f"PRAGMA cache_size = {int(usual)}")


def insert_entries(connection: Connection, entries: Iterable[Entry]) -> None:
    """Record versions, each with its checksum."""
    with few_pages(connection):
        connection.each(_INSERT, ((*entry, checksum(entry)) for entry in entries))


def end_entries(connection: Connection, numbers: Sequence[int], run: RunNumber) -> None:
    """End versions that are current, by their rows, with a run."""
    for at in range(0, len(numbers), 500):
        connection.alchemy.execute(
            update(ENTRIES)
            .where(ENTRIES.c.number.in_(numbers[at : at + 500]), ENTRIES.c.until.is_(None))
            .values(until=run)
        )
