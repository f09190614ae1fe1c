"""Rows of archives: how they are looked up and written."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.catalog.checksums import checksum
from aioglacier.catalog.records import ArchiveKind, ArchiveState
from aioglacier.catalog.storage.columns import (
    count_microseconds,
    escape,
    escape_path,
    hash_of,
    hash_text,
    instant_of,
    optional,
    unescape,
    unescape_path,
)
from aioglacier.catalog.storage.tables import marks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from aioglacier.catalog.records import ArchiveNumber, UploadNumber
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.models import Archive, ArchiveId

#: Archives read, or written by one statement, at a time. On a busy machine 1,000 kept the interpreter, and so
#: the event loop, for 50 ms; 250 kept it for 6 ms, and are hardly slower.
PAGE: Final = 250


class KnownArchive(NamedTuple):
    """The facts of an archive on record that are compared with another of the same id."""

    number: int
    archive_id: str
    size: int
    tree_hash: bytes
    description: str
    created: datetime
    checksum: int | None


class KeptArchive(NamedTuple):
    """The columns of a record that were not just written."""

    number: ArchiveNumber
    source: str | None
    upload: UploadNumber | None
    seen: datetime | None
    state: ArchiveState


def is_sound(facts: KnownArchive) -> bool:
    """Return whether the facts are those that were recorded; the first version kept no checksum."""
    return facts.checksum is None or facts.checksum == _checksum(
        facts.archive_id, facts.size, facts.tree_hash, facts.description, facts.created
    )


def _checksum(archive_id: str, size: int, tree_hash: bytes, description: str, created: datetime) -> int:
    return checksum((archive_id, size, tree_hash, description, created.timestamp()))


#: The columns of an archive that never change, besides its id.
_FACTS: Final = ("size", "tree_hash", "description", "created", "checksum")


def _facts(archive: Archive) -> tuple[object, ...]:
    size, hash_, text, created = archive.size, archive.tree_hash, archive.description, archive.created
    sum_ = _checksum(archive.id, size, hash_, text, created)
    return size, hash_text(hash_), escape(text), count_microseconds(created), sum_


def known_archive(
    number: int, id_: str, size: int, tree_hash: str, description: str, created: int, sum_: int | None
) -> KnownArchive:
    """Return the archive of a row that has the columns of a ``KnownArchive``."""
    hash_ = hash_of(tree_hash)
    return KnownArchive(number, id_, size, hash_, unescape(description), instant_of(created), sum_)


def find_known(connection: Connection, key: int, ids: Sequence[ArchiveId]) -> Mapping[str, KnownArchive]:
    """Return which of a few hundred archives of a vault are on record, by their ids."""
    return {row[1]: known_archive(*row) for row in connection.rows(_finding(len(ids)), (key, *ids))}


@cache
def _finding(count: int) -> str:
    names = ", ".join(KnownArchive._fields)
    return f"SELECT {names} FROM archives WHERE place = ? AND archive_id IN ({marks(count)})"  # noqa: S608  # names of ours


def list_known(connection: Connection, after: int, limit: int) -> list[KnownArchive]:
    """Return archives of all vaults in the order of recording, from a number on."""
    names = ", ".join(KnownArchive._fields)
    listing = f"SELECT {names} FROM archives WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
    return [known_archive(*row) for row in connection.rows(listing, (after, limit))]


def insert_archives(connection: Connection, place: int, archives: Iterable[Archive], seen: datetime) -> None:
    """Record a few hundred new archives that an inventory lists."""
    state, instant = ArchiveState.STORED.value, count_microseconds(seen)
    connection.each(_INSERT, [(place, archive.id, *_facts(archive), state, instant) for archive in archives])


_INSERTED: Final = ("place", "archive_id", *_FACTS, "state", "seen")
_INSERT: Final = f"INSERT INTO archives ({', '.join(_INSERTED)}) VALUES ({marks(len(_INSERTED))})"  # noqa: S608


class Keeping(NamedTuple):
    """An archive to record, or whose record is to be changed.

    Attributes:
        key: The number of its vault.
        archive: The facts that never change.
        state: Its state.
        more: Of ``source``, ``upload`` and ``kind`` those that are known now.
        is_once: Its id is given once, so that it was made says nothing against a doubt or a deletion.
    """

    key: int
    archive: Archive
    state: ArchiveState
    more: Mapping[str, Any]
    is_once: bool = True

    def row(self) -> tuple[object, ...]:
        """Return the columns of its row."""
        more = self.more
        kind: ArchiveKind = more.get("kind", ArchiveKind.PLAIN)
        source = optional(escape_path, more.get("source"))
        facts = _facts(self.archive)
        return self.key, self.archive.id, *facts, self.state.value, source, more.get("upload"), kind.value


def keep_rows(connection: Connection, kept: Iterable[Keeping]) -> list[KeptArchive]:
    """Record archives, or change their records."""
    rows: list[tuple[Any, ...]] = []
    for (names, is_once), alike in groupby(kept, lambda each: (frozenset(each.more), each.is_once)):
        statement = _keeping(names, is_once=is_once)
        rows += connection.rows_of_each(statement, [each.row() for each in alike])
    return [
        KeptArchive(
            number, optional(unescape_path, source), upload, optional(instant_of, seen), ArchiveState(state)
        )
        for number, source, upload, seen, state in rows
    ]


#: The state that says less. Only inventories end a doubt, and nothing undoes a deletion.
_WORSE: Final = (
    f"CASE WHEN archives.state = '{ArchiveState.STORED}' THEN excluded.state "
    f"WHEN archives.state = '{ArchiveState.SUSPECT}' AND excluded.state <> '{ArchiveState.STORED}' "
    "THEN excluded.state ELSE archives.state END"
)


@cache
def _keeping(names: frozenset[str], *, is_once: bool) -> str:
    """Insert an archive, or change these columns of it besides those that always are."""
    columns = ("place", "archive_id", *_FACTS, "state", "source", "upload", "kind")
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*_FACTS, *sorted(names)))
    changes += f", state = {_WORSE if is_once else 'excluded.state'}"
    return (
        f"INSERT INTO archives ({', '.join(columns)}) VALUES ({marks(len(columns))}) "  # noqa: S608
        f"ON CONFLICT (place, archive_id) DO UPDATE SET {changes} "
        f"RETURNING {', '.join(KeptArchive._fields)}"
    )


def repair_row(connection: Connection, number: int, archive: Archive) -> None:
    """Record the facts of an archive again, in place of damaged ones."""
    changes = ", ".join(f"{name} = ?" for name in _FACTS)
    connection.rows(f"UPDATE archives SET {changes} WHERE number = ?", (*_facts(archive), number))  # noqa: S608


def see_archives(connection: Connection, numbers: Sequence[int], inventoried: datetime) -> None:
    """Record that an inventory lists a few hundred archives."""
    instant = count_microseconds(inventoried)
    connection.rows(_seeing(len(numbers)), (instant, instant, *numbers))


@cache
def _seeing(count: int) -> str:
    return (
        "UPDATE archives SET seen = ? WHERE (seen IS NULL OR seen < ?) "  # noqa: S608
        f"AND number IN ({marks(count)})"
    )


def suspect_archives(connection: Connection, numbers: Sequence[int], inventoried: datetime) -> None:
    """Record that an inventory contradicts the records of a few hundred archives."""
    instant = count_microseconds(inventoried)
    connection.rows(
        f"UPDATE archives SET state = '{ArchiveState.SUSPECT}', doubted = ? "  # noqa: S608
        f"WHERE state IN ('{ArchiveState.STORED}', '{ArchiveState.SUSPECT}') "
        f"AND number IN ({marks(len(numbers))})",
        (instant, *numbers),
    )


def trust_archives(connection: Connection, numbers: Sequence[int], inventoried: datetime) -> None:
    """End the doubt about a few hundred archives that an inventory lists as they are on record.

    An inventory that is older than the doubt, or that contradicts itself, ends none. Call it before
    ``see_archives``.
    """
    instant = count_microseconds(inventoried)
    connection.rows(
        f"UPDATE archives SET state = '{ArchiveState.STORED}', doubted = NULL "  # noqa: S608
        f"WHERE state = '{ArchiveState.SUSPECT}' AND number IN ({marks(len(numbers))}) "
        "AND (doubted IS NULL OR doubted < ? OR (doubted = ? AND (seen IS NULL OR seen < ?)))",
        (*numbers, instant, instant, instant),
    )


def doubt_missing(
    connection: Connection, place: int, proven: datetime, condition: str, *values: object
) -> int:
    """Record that archives of a vault should be at the service and are not; return how many.

    Args:
        connection: The connection that writes.
        place: The number of the vault.
        proven: When they were missed. An archive that an inventory of then or later lists stays.
        condition: Which archives, in SQL.
        values: Of the condition, as the columns keep them.
    """
    instant = count_microseconds(proven)
    return len(
        connection.rows(
            f"UPDATE archives SET state = '{ArchiveState.SUSPECT}', doubted = ? "  # noqa: S608
            f"WHERE place = ? AND state = '{ArchiveState.STORED}' "
            f"AND (seen IS NULL OR seen < ?) AND {condition} RETURNING number",
            (instant, place, instant, *values),
        )
    )
