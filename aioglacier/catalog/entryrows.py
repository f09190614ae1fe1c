"""Rows of versions of paths: how they are written, ended and read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from aioglacier.catalog.checksums import checksum
from aioglacier.catalog.entryrecords import Entry, StoredEntry
from aioglacier.catalog.records import UploadState
from aioglacier.catalog.tables import ARCHIVES, ENTRIES, UPLOADS
from aioglacier.core.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.sql import ColumnElement

    from aioglacier.catalog.entryrecords import RunNumber

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
_CURRENT: Final = (
    f"SELECT {', '.join(_COMPARED)} FROM entries WHERE tree = ? AND until IS NULL AND path > ? "  # noqa: S608
    f"ORDER BY path LIMIT {PAGE}"
)

_INSERT: Final = "INSERT INTO entries ({}, checksum) VALUES ({}?)".format(  # noqa: S608  # names of ours
    ", ".join(Entry._fields), "?, " * len(Entry._fields)
)


def _counts() -> ColumnElement[bool]:
    return ENTRIES.c.upload.is_(None) | UPLOADS.c.state.in_(COUNTING)


def select_current(connection: Connection, tree: int, after: bytes | None) -> Sequence[Any]:
    """One page of the current versions of a folder's paths, as a comparison with the disk needs them."""
    if connection.dialect.name == "sqlite" and after is not None:
        # Past SQLAlchemy here, too: its rows take as long to make as SQLite takes to find them.
        cursor = connection.connection.cursor()
        try:
            found: list[tuple[Any, ...]] = cursor.execute(_CURRENT, (tree, after)).fetchall()
            return found
        finally:
            cursor.close()
    is_it = (ENTRIES.c.tree == tree) & ENTRIES.c.until.is_(None)
    if after is not None:
        is_it &= ENTRIES.c.path > after
    compared = [ENTRIES.c[name] for name in _COMPARED]
    rows = connection.execute(select(*compared).where(is_it).order_by(ENTRIES.c.path).limit(PAGE))
    return rows.fetchall()


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
    rows = connection.execute(
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
    if connection.dialect.name != "sqlite":
        yield
        return
    usual = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
    connection.exec_driver_sql("PRAGMA cache_size = -2048")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA cache_size = {int(usual)}")


def insert_entries(connection: Connection, entries: Iterable[Entry]) -> None:
    """Record versions, each with its checksum."""
    if connection.dialect.name == "sqlite":
        # Past SQLAlchemy, which takes three times as long for a row as SQLite itself does.
        with few_pages(connection):
            connection.exec_driver_sql(_INSERT, [(*entry, checksum(entry)) for entry in entries])
        return
    names = Entry._fields
    connection.execute(
        insert(ENTRIES),
        [{**dict(zip(names, entry, strict=True)), "checksum": checksum(entry)} for entry in entries],
    )


def end_entries(connection: Connection, numbers: Sequence[int], run: RunNumber) -> None:
    """End versions that are current, by their rows, with a run."""
    for at in range(0, len(numbers), 500):
        connection.execute(
            update(ENTRIES)
            .where(ENTRIES.c.number.in_(numbers[at : at + 500]), ENTRIES.c.until.is_(None))
            .values(until=run)
        )
