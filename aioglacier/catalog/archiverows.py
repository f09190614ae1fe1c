"""Rows of archives: how they are looked up and written.

SQLAlchemy takes several times as long for a row as SQLite itself does, and holds the interpreter meanwhile,
which SQLite does not. So what is done for each archive goes past it where the database is SQLite.
"""

from __future__ import annotations

from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from aioglacier.catalog.checksums import checksum
from aioglacier.catalog.columns import (
    count_microseconds,
    escape,
    escape_path,
    instant_of,
    unescape,
    unescape_path,
)
from aioglacier.catalog.records import ArchiveKind, ArchiveState
from aioglacier.catalog.tables import ARCHIVES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Executable

    from aioglacier.catalog.records import ArchiveNumber, UploadNumber
    from aioglacier.core.models import Archive, ArchiveId


class KnownArchive(NamedTuple):
    """What is compared with an archive of the same id."""

    number: int
    archive_id: str
    size: int
    tree_hash: bytes
    description: str
    created: datetime
    checksum: int | None


class KeptArchive(NamedTuple):
    """What a record has besides what was just recorded."""

    number: ArchiveNumber
    source: str | None
    upload: UploadNumber | None
    seen: datetime | None


def is_sound(row: Any) -> bool:
    """Whether the facts are those that were recorded; those of the first version cannot be told."""
    facts = (row.archive_id, row.size, row.tree_hash, row.description, row.created)
    return row.checksum is None or row.checksum == _checksum(*facts)


def values_of(archive: Archive) -> dict[str, object]:
    """What is recorded of an archive for good, by columns."""
    return {
        "size": archive.size,
        "tree_hash": archive.tree_hash,
        "description": archive.description,
        "created": archive.created,
        "checksum": _checksum(
            archive.id, archive.size, archive.tree_hash, archive.description, archive.created
        ),
    }


def _checksum(archive_id: str, size: int, tree_hash: bytes, description: str, created: datetime) -> int:
    return checksum((archive_id, size, tree_hash, description, created.timestamp()))


def find_known(connection: Connection, place: int, ids: Sequence[ArchiveId]) -> Mapping[str, KnownArchive]:
    """Those of a few hundred archives of a vault that are on record, by their ids."""
    if connection.dialect.name == "sqlite":
        with closing(connection.connection.cursor()) as cursor:
            rows = cursor.execute(_finding(len(ids)), (place, *ids)).fetchall()
        return {row[1]: _known(*row) for row in rows}
    found = connection.execute(_KNOWN, {"of_place": place, "of_ids": ids})
    return {row.archive_id: KnownArchive(*row) for row in found}


def _known(
    number: int, id_: str, size: int, tree_hash: str, description: str, created: int, sum_: int | None
) -> KnownArchive:
    hash_ = bytes.fromhex(tree_hash)
    return KnownArchive(number, id_, size, hash_, unescape(description), instant_of(created), sum_)


_KNOWN: Final = select(*(ARCHIVES.c[name] for name in KnownArchive._fields)).where(
    ARCHIVES.c.place == bindparam("of_place"), ARCHIVES.c.archive_id.in_(bindparam("of_ids", expanding=True))
)


@cache
def _finding(count: int) -> str:
    names = ", ".join(KnownArchive._fields)
    marks = ", ".join("?" * count)
    return f"SELECT {names} FROM archives WHERE place = ? AND archive_id IN ({marks})"  # noqa: S608  # names of ours


def insert_archives(
    connection: Connection,
    place: int,
    archives: Iterable[tuple[Archive, str | None]],
    *,
    seen: datetime | None = None,
) -> None:
    """Record a few hundred archives, none of which is on record, with their sources."""
    if connection.dialect.name == "sqlite":
        state, instant = ArchiveState.STORED.value, None if seen is None else count_microseconds(seen)
        rows = [
            (
                place,
                archive.id,
                *_row(archive),
                state,
                None if source is None else escape_path(source),
                instant,
            )
            for archive, source in archives
        ]
        connection.exec_driver_sql(_INSERT, rows)
        return
    always = {"place": place, "state": ArchiveState.STORED, "seen": seen}
    connection.execute(
        insert(ARCHIVES),
        [
            {"archive_id": archive.id, "source": source, **always, **values_of(archive)}
            for archive, source in archives
        ],
    )


def _row(archive: Archive) -> tuple[object, ...]:
    """The values in the order of ``values_of``, as SQLite has them."""
    size, hash_, text, created = archive.size, archive.tree_hash, archive.description, archive.created
    sum_ = _checksum(archive.id, size, hash_, text, created)
    return size, hash_.hex(), escape(text), count_microseconds(created), sum_


_INSERT: Final = (
    "INSERT INTO archives "
    "(place, archive_id, size, tree_hash, description, created, checksum, state, source, seen) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def keep_row(
    connection: Connection,
    place: int,
    archive: Archive,
    *,
    state: ArchiveState,
    more: Mapping[str, Any],
) -> KeptArchive:
    """Record an archive, or change what is recorded of it.

    Args:
        connection: Where to.
        place: The number of its vault.
        archive: What is recorded for good.
        state: Its state.
        more: Of ``source``, ``upload`` and ``kind`` those that are known now.
    """
    new = {"source": None, "upload": None, "kind": ArchiveKind.PLAIN, **more}
    if connection.dialect.name == "sqlite":
        source: str | None = new["source"]
        row = (
            place,
            archive.id,
            *_row(archive),
            state.value,
            None if source is None else escape_path(source),
            new["upload"],
            new["kind"].value,
        )
        with closing(connection.connection.cursor()) as cursor:
            ((number, source, upload, seen),) = cursor.execute(_keeping_row(frozenset(more)), row).fetchall()
        return KeptArchive(
            number,
            None if source is None else unescape_path(source),
            upload,
            None if seen is None else instant_of(seen),
        )
    values = {"place": place, "archive_id": archive.id, "state": state, **values_of(archive), **new}
    return KeptArchive(*connection.execute(_keeping(frozenset(more)), values).one())


_ALWAYS: Final = ("size", "tree_hash", "description", "created", "checksum", "state")


@cache
def _keeping_row(names: frozenset[str]) -> str:
    """Insert an archive, or change these columns of it besides those that always are."""
    columns = ("place", "archive_id", *_ALWAYS, "source", "upload", "kind")
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*_ALWAYS, *sorted(names)))
    return (
        f"INSERT INTO archives ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608
        f"ON CONFLICT (place, archive_id) DO UPDATE SET {changes} "
        f"RETURNING {', '.join(KeptArchive._fields)}"
    )


@cache
def _keeping(names: frozenset[str]) -> Executable:
    """The same for PostgreSQL. Made once: making a statement takes as long as running it."""
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # 20 ms, which SQLite needs not

    new = postgresql.insert(ARCHIVES)
    keeping: Executable = new.on_conflict_do_update(
        index_elements=[ARCHIVES.c.place, ARCHIVES.c.archive_id],
        set_={name: new.excluded[name] for name in (*_ALWAYS, *sorted(names))},
    ).returning(*(ARCHIVES.c[name] for name in KeptArchive._fields))
    return keeping


def see_archives(connection: Connection, numbers: Sequence[int], inventoried: datetime) -> None:
    """Record of a few hundred archives that an inventory lists them."""
    if connection.dialect.name == "sqlite":
        instant = count_microseconds(inventoried)
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute(_seeing(len(numbers)), (instant, instant, *numbers))
        return
    connection.execute(
        update(ARCHIVES)
        .where(ARCHIVES.c.number.in_(numbers), ARCHIVES.c.seen.is_(None) | (ARCHIVES.c.seen < inventoried))
        .values(seen=inventoried)
    )


@cache
def _seeing(count: int) -> str:
    marks = ", ".join("?" * count)
    return f"UPDATE archives SET seen = ? WHERE (seen IS NULL OR seen < ?) AND number IN ({marks})"  # noqa: S608
