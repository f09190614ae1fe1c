"""Rows of versions of paths: how they are written, and which of them count.

No row says whether it is current. That follows from the archives, at the moment of the question: the current
version of a path is the newest one whose archive is proven. So when an archive stops being proven, its
versions stop being current in the same transaction, and the next older one is current again.

``until`` is set by one thing only: the end of a run that looked at the folder and did not find the path.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from aioglacier.catalog.checksums import checksum
from aioglacier.catalog.folders.entry_records import ContentPlace, Entry, Standing, StoredEntry
from aioglacier.catalog.records import ArchiveState, UploadState
from aioglacier.catalog.storage.columns import instant_of
from aioglacier.catalog.storage.tables import marks
from aioglacier.core.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aioglacier.catalog.storage.backend import Connection

#: Rows read at a time: 2 MB of them, and few enough trips.
PAGE: Final = 5000

#: Values in one IN (...): SQLite took 999 for long.
MANY: Final = 500

#: After every run.
_NOW: Final = 2**62

_AWAITED: Final = frozenset({UploadState.INTENT, UploadState.OPEN, UploadState.COMPLETING})

COLUMNS: Final = ", ".join(f"e.{name}" for name in Entry._fields)

#: The columns of a comparison, in its order; the standing follows.
_COMPARED: Final = (
    "e.path, e.kind, e.size, e.mtime_ns, e.ctime_ns, e.inode, e.mode, e.uid, e.gid, e.target, e.number, "
    "e.upload, e.content_hash"
)
_UPLOAD: Final = _COMPARED.split(", ").index("e.upload")

#: Where the columns of the archive begin in a row of ``_STORED``.
_ARCHIVE: Final = len(Entry._fields) + 1

_INSERT: Final = "INSERT INTO entries ({}, checksum) VALUES ({}?)".format(  # noqa: S608  # names of ours
    ", ".join(Entry._fields), "?, " * len(Entry._fields)
)

#: Rows that SQLite inserts by one statement, of 945 values: sqlite3 gives the GIL away at each statement, and
#: waits for it behind the threads that pack.
_ROWS: Final = 45

# Statements call the row in question e, its upload u, its archive a; other rows of the same path n, nu, na.


def proven(row: str, upload: str, archive: str) -> str:
    """Return the condition that a row is proven, given the names of the three tables in the statement."""
    return (
        f"({row}.upload IS NULL OR ({upload}.state = '{UploadState.COMPLETED}' "
        f"AND {archive}.state = '{ArchiveState.STORED}'))"
    )


def _joined(row: str, upload: str, archive: str) -> str:
    return (
        f"entries AS {row} LEFT JOIN uploads AS {upload} ON {upload}.number = {row}.upload "
        f"LEFT JOIN archives AS {archive} ON {archive}.upload = {row}.upload "
        f"AND {archive}.state = '{ArchiveState.STORED}'"
    )


_SAME_PATH: Final = "n.tree = e.tree AND n.path = e.path"
_NEWER: Final = (
    f"EXISTS (SELECT 1 FROM entries AS n WHERE {_SAME_PATH} AND n.since > e.since AND n.since <= ?)"  # noqa: S608
)
_NEWER_PROVEN: Final = (
    f"EXISTS (SELECT 1 FROM {_joined('n', 'nu', 'na')} "  # noqa: S608
    f"WHERE {_SAME_PATH} AND n.since > e.since AND n.since <= ? AND {proven('n', 'nu', 'na')})"
)
_ANY_PROVEN: Final = _NEWER_PROVEN.replace("n.since > e.since AND ", "")

#: A path is gone if its newest row has ended.
_NOT_GONE: Final = (
    f"coalesce((SELECT n.until FROM entries AS n WHERE {_SAME_PATH} AND n.since <= ? "  # noqa: S608
    f"ORDER BY n.since DESC LIMIT 1), {_NOW}) > ?"
)

#: Most paths have one version, and for those the slower questions about other versions are not asked.
_COUNTS: Final = (
    f"CASE WHEN {_NEWER} THEN NOT {_NEWER_PROVEN} AND {_NOT_GONE} ELSE coalesce(e.until, {_NOW}) > ? END"
)
_STORED: Final = (
    f"SELECT {COLUMNS}, e.checksum, a.archive_id, a.size, a.tree_hash, a.created, {_NEWER} "  # noqa: S608
    f"FROM {_joined('e', 'u', 'a')} WHERE e.since <= ? AND {proven('e', 'u', 'a')}"
)
_PLACES: Final = (
    "SELECT e.path, e.size, e.position, e.stored, e.encryption, a.archive_id, a.size "  # noqa: S608
    f"FROM {_joined('e', 'u', 'a')} WHERE e.since <= ? AND {proven('e', 'u', 'a')} "
    "AND e.kind = 'file' AND e.size > 0"
)
_BARE: Final = f"(e.kind <> 'file' OR e.size = 0 OR {_NEWER})"
_UNPROVEN: Final = (
    f"SELECT {COLUMNS}, e.checksum FROM entries AS e "  # noqa: S608
    f"WHERE e.since <= ? AND NOT {_NEWER} AND coalesce(e.until, {_NOW}) > ? AND NOT {_ANY_PROVEN}"
)
_CURRENT: Final = (
    f"SELECT {_COMPARED} FROM entries AS e "  # noqa: S608
    f"WHERE e.tree = ? AND e.until IS NULL "
    f"AND NOT EXISTS (SELECT 1 FROM entries AS n WHERE {_SAME_PATH} AND n.since > e.since)"
)


def select_current(connection: Connection, tree: int, after: bytes | None) -> Sequence[Any]:
    """Return one page of the newest versions of a folder's paths, as a comparison needs them.

    Paths that are gone are left out. The last column of each row is its ``Standing``.
    """
    is_after, values = (" AND e.path > ?", (tree, after)) if after is not None else ("", (tree,))
    rows = connection.rows(f"{_CURRENT}{is_after} ORDER BY e.path LIMIT {PAGE}", values)
    standings = find_standings(connection, {row[_UPLOAD] for row in rows} - {None})
    return [(*row, standings.get(row[_UPLOAD], Standing.PROVEN)) for row in rows]


def find_standings(connection: Connection, uploads: Iterable[int]) -> dict[int, Standing]:
    """Return the standing of every version that lies in the archives of these uploads."""
    found: dict[int, Standing] = {}
    for some in in_parts(sorted(uploads)):
        rows = connection.rows(
            "SELECT u.number, u.state, count(a.number) FROM uploads AS u "  # noqa: S608
            f"LEFT JOIN archives AS a ON a.upload = u.number AND a.state = '{ArchiveState.STORED}' "
            f"WHERE u.number IN ({marks(len(some))}) GROUP BY u.number, u.state",
            some,
        )
        for number, state, archives in rows:
            if state in _AWAITED:
                found[number] = Standing.AWAITED
            elif state == UploadState.COMPLETED and archives:
                found[number] = Standing.PROVEN
            else:
                found[number] = Standing.LOST
    return found


def select_stored(
    connection: Connection,
    condition: str,
    values: Sequence[object],
    run: int | None,
    order: str,
    *,
    is_outline: bool = False,
) -> list[StoredEntry]:
    """Return one page of the versions that count, now or as of a run, with their archives.

    With ``is_outline``, files with content are left out, but for those that have a newer version.

    Raises:
        CatalogError: A record is not as it was written.
    """
    at = _NOW - 1 if run is None else run
    # Before ``_COUNTS``, which asks about newer versions again: SQLite takes conditions in their order.
    statement, instants = (f"{_STORED} AND {_BARE}", [at] * 8) if is_outline else (_STORED, [at] * 7)
    rows = connection.rows(
        f"{statement} AND {_COUNTS} AND {condition} ORDER BY {order} LIMIT {PAGE}", (*instants, *values)
    )
    archives: dict[str | None, tuple[Any, int, Any, Any]] = {None: (None, 0, None, None)}
    stored = []
    for row in rows:
        archive_id, size, tree_hash, created, is_older = row[_ARCHIVE:]
        archive = archives.get(archive_id)
        if archive is None:
            archive = (archive_id, size, bytes.fromhex(tree_hash), instant_of(created))
            archives[archive_id] = archive
        # The class's own constructor takes twice as long, and this runs for each of a million rows.
        stored.append(tuple.__new__(StoredEntry, (checked(row[:_ARCHIVE]), *archive, bool(is_older))))
    return stored


def select_places(
    connection: Connection, condition: str, values: Sequence[object], run: int | None, order: str
) -> list[ContentPlace]:
    """Return the places of one page of what ``select_stored`` returns, for files with content only.

    It takes a third of the time: no record is compared with its checksum.
    """
    at = _NOW - 1 if run is None else run
    rows = connection.rows(
        f"{_PLACES} AND {_COUNTS} AND {condition} ORDER BY {order} LIMIT {PAGE}", (*[at] * 6, *values)
    )
    return [tuple.__new__(ContentPlace, row) for row in rows]


def select_unproven(
    connection: Connection, condition: str, values: Sequence[object], run: int | None
) -> list[tuple[Entry, Standing]]:
    """Return one page of the newest versions of paths that have no proven version at all.

    Raises:
        CatalogError: A record is not as it was written.
    """
    at = _NOW - 1 if run is None else run
    rows = connection.rows(
        f"{_UNPROVEN} AND {condition} ORDER BY e.path LIMIT {PAGE}", (at, at, at, at, *values)
    )
    entries = [checked(row) for row in rows]
    standings = find_standings(connection, {entry.upload for entry in entries if entry.upload is not None})
    return [(entry, standings.get(entry.upload or 0, Standing.LOST)) for entry in entries]


def checked(row: Sequence[Any]) -> Entry:
    """Return the version of a row that ends with its checksum.

    Raises:
        CatalogError: The record is not as it was written.
    """
    values = tuple(row[:-1])
    entry: Entry = tuple.__new__(Entry, values)  # half a microsecond less, for each of a million rows
    if row[-1] != checksum(values):
        raise CatalogError(
            f"the record of {entry.path!r} is not as it was written: a bit has flipped on this disk, so "
            "rename the catalog and restore it from a copy"
        )
    return entry


@contextmanager
def few_pages(connection: Connection) -> Iterator[None]:
    """Let SQLite keep few pages: rows that come in the order of their keys need none of them again."""
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
    rows = ((*entry, checksum(entry)) for entry in entries)
    if connection.dialect != "sqlite":
        connection.each(_INSERT, rows)
        return
    more = f", ({', '.join('?' * (len(Entry._fields) + 1))})"
    with few_pages(connection):
        while some := list(islice(rows, _ROWS)):
            connection.rows(_INSERT + more * (len(some) - 1), list(chain.from_iterable(some)))


def end_paths(connection: Connection, tree: int, numbers: Sequence[int], run: int) -> None:
    """Record that a run found the paths of these rows gone.

    All rows of such a path end: should the newest of them be dropped, an older one must not bring it back.
    """
    for some in in_parts(numbers):
        connection.rows(
            f"UPDATE entries SET until = ? WHERE tree = ? AND until IS NULL "  # noqa: S608
            f"AND path IN (SELECT path FROM entries WHERE tree = ? AND number IN ({marks(len(some))}))",
            (run, tree, tree, *some),
        )


def in_parts(values: Sequence[int]) -> Iterator[Sequence[int]]:
    """Divide values into as many as one statement takes."""
    for at in range(0, len(values), MANY):
        yield values[at : at + MANY]
