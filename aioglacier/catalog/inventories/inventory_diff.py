"""Compare two inventories of a vault, in files of any size and order.

Neither is sorted, and either may have more archives than memory. So the older one goes into a table in a
temporary file, and the newer one is compared with it, a few thousand archives at a time. Archives of the
older one that were not met at the end are gone. The file is removed even if the comparison fails.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.models import Archive, ArchiveId

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from aioglacier.catalog.inventories.inventory_document import InventoryDocument

_TOGETHER: Final = 2000
_CACHE_KIB: Final = 16 * 1024


class Change(StrEnum):
    """The difference between two inventories in one archive.

    Attributes:
        ADDED: Only the newer inventory lists it.
        REMOVED: Only the older one does.
        CHANGED: Both do, with another size, tree hash, date or description. The service never does that.
    """

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Difference(NamedTuple):
    """One archive that differs; of a changed one ``archive`` is as the newer inventory has it."""

    change: Change
    archive: Archive


def compare(older: InventoryDocument, newer: InventoryDocument) -> Generator[list[Difference], None, None]:
    """Yield the differences, some at a time: additions and changes in the order of the newer, then removals.

    An archive that one of them lists twice counts once.

    Raises:
        InventoryError: One of them is not an inventory.
        OSError: One of them cannot be read, or there is no space for the table.
    """
    with _table() as table:
        for archives in older.read():
            table.executemany(
                "INSERT OR REPLACE INTO older VALUES (?, ?, ?, ?, ?, 0)", map(_row_of, archives)
            )
        for archives in newer.read():
            for some in _some(archives):
                if differences := _hold_against(table, some):
                    yield differences
        gone = table.execute(
            "SELECT archive_id, size, tree_hash, created, description FROM older WHERE met = 0 ORDER BY rowid"
        )
        while rows := gone.fetchmany(_TOGETHER):
            yield [Difference(Change.REMOVED, _archive_of(row, older.vault)) for row in rows]


def _hold_against(table: sqlite3.Connection, archives: list[Archive]) -> list[Difference]:
    differences = []
    for archive in archives:
        row = table.execute(
            "SELECT archive_id, size, tree_hash, created, description, met FROM older WHERE archive_id = ?",
            (archive.id,),
        ).fetchone()
        if row is None:
            differences.append(Difference(Change.ADDED, archive))
            # Met now, should it be listed again.
            table.execute("INSERT INTO older VALUES (?, ?, ?, ?, ?, 1)", _row_of(archive))
        elif not row[5]:
            if row[:5] != _row_of(archive):
                differences.append(Difference(Change.CHANGED, archive))
            table.execute("UPDATE older SET met = 1 WHERE archive_id = ?", (archive.id,))
    return differences


def _some(archives: Iterable[Archive]) -> Iterator[list[Archive]]:
    rest = iter(archives)
    while some := list(islice(rest, _TOGETHER)):
        yield some


def _row_of(archive: Archive) -> tuple[str, int, bytes, str, bytes]:
    # Bytes, since a description may hold bytes that are not UTF-8.
    description = archive.description.encode("utf-8", "surrogatepass")
    return archive.id, archive.size, archive.tree_hash, archive.created.isoformat(), description


def _archive_of(row: tuple[str, int, bytes, str, bytes], vault: str) -> Archive:
    id_, size, tree_hash, created, description = row
    return Archive(
        id=ArchiveId(id_),
        vault=vault,
        size=size,
        tree_hash=tree_hash,
        description=description.decode("utf-8", "surrogatepass"),
        created=datetime.fromisoformat(created),
    )


@contextmanager
def _table() -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory(prefix="aioglacier-") as folder:
        connection = sqlite3.connect(Path(folder, "older"), isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute(
                "CREATE TABLE older (archive_id TEXT PRIMARY KEY, size INTEGER, tree_hash BLOB, created TEXT,"
                " description BLOB, met INTEGER)"
            )
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise OSError(f"the table for comparing inventories cannot be used: {error}") from error
        finally:
            connection.close()
