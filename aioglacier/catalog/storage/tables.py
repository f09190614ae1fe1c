"""Tables whose rows become records: their columns, and the plain statements that write and read them.

``migrations.py`` makes the tables, and a test compares the two. Archives and the versions of paths have
statements of their own, because millions of their rows are written and read.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.catalog.records import DownloadState, JobState, MoveState, UploadState
from aioglacier.catalog.storage.columns import (
    count_microseconds,
    describe_identity,
    escape,
    escape_path,
    hash_of,
    hash_text,
    identity_of,
    instant_of,
    optional,
    unescape,
    unescape_path,
)
from aioglacier.core.models import InventoryFormat, JobAction, Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from enum import StrEnum

    from aioglacier.catalog.storage.backend import Connection


class Kind(NamedTuple):
    """The conversions of a column's values to the database and back; ``None`` stays ``None``."""

    keep: Callable[[Any], object]
    read: Callable[[Any], Any]


def _same(value: object) -> object:
    return value


def _choice(of: type[StrEnum]) -> Kind:
    return Kind(attrgetter("value"), of)


PLAIN: Final = Kind(_same, _same)
TEXT: Final = Kind(escape, unescape)
PATH: Final = Kind(escape_path, unescape_path)
INSTANT: Final = Kind(count_microseconds, instant_of)
HASH: Final = Kind(hash_text, hash_of)
IDENTITY: Final = Kind(describe_identity, identity_of)
JSON: Final = Kind(json.dumps, json.loads)


class Table:
    """One table. Rows go in and come out as values by the names of their columns.

    Attributes:
        name: The table's name.
        columns: The kind of each column.
    """

    def __init__(self, name: str, kinds: Mapping[Kind, str]) -> None:
        self.name = name
        self.columns = {column: kind for kind, columns in kinds.items() for column in columns.split()}
        self._names = ", ".join(self.columns)

    def insert(self, connection: Connection, **values: object) -> dict[str, Any]:
        """Make a row; return it as it is in the table."""
        statement = _inserting(self.name, tuple(values), self._names)
        (row,) = connection.rows(statement, self._kept(values))
        return self._read(row)

    def insert_each(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> list[int]:
        """Make rows with values for the same columns; return their numbers."""
        if not rows:
            return []
        statement = _inserting(self.name, tuple(rows[0]), "number")
        made = connection.rows_of_each(statement, [self._kept(values) for values in rows])
        return [number for (number,) in made]

    def update_each(
        self, connection: Connection, changes: Iterable[tuple[int, Mapping[str, object]]]
    ) -> None:
        """Change rows, each by its number and its new values."""
        for names, alike in groupby(changes, lambda change: tuple(change[1])):
            statement = _updating(self.name, names)
            connection.each(statement, [[*self._kept(values), number] for number, values in alike])

    def update(self, connection: Connection, number: int, **values: object) -> dict[str, Any]:
        """Change the row with this number; return it as it is now."""
        statement = f"{_updating(self.name, tuple(values))} RETURNING {self._names}"
        (row,) = connection.rows(statement, [*self._kept(values), number])
        return self._read(row)

    def select(self, connection: Connection, condition: str, *values: object) -> list[dict[str, Any]]:
        """Return the rows that a condition in SQL is true of; its values are given as they are kept."""
        rows = connection.rows(f"SELECT {self._names} FROM {self.name} WHERE {condition}", values)  # noqa: S608
        return [self._read(row) for row in rows]

    def select_each(
        self, connection: Connection, column: str, values: Iterable[object]
    ) -> list[dict[str, Any]]:
        """Return the rows that have one of these values, as they are kept, in this column."""
        statement = f"SELECT {self._names} FROM {self.name} WHERE {column} = ?"  # noqa: S608
        return [self._read(row) for row in connection.rows_of_each(statement, [(value,) for value in values])]

    def _kept(self, values: Mapping[str, Any]) -> list[object]:
        return [optional(self.columns[name].keep, value) for name, value in values.items()]

    def _read(self, row: tuple[Any, ...]) -> dict[str, Any]:
        return {
            name: value if value is None else kind.read(value)
            for (name, kind), value in zip(self.columns.items(), row, strict=True)
        }


def marks(count: int) -> str:
    """Return the marks of so many values in a statement."""
    return ", ".join("?" * count)


@cache
def _inserting(table: str, names: tuple[str, ...], returned: str) -> str:
    columns = ", ".join(names)
    return f"INSERT INTO {table} ({columns}) VALUES ({marks(len(names))}) RETURNING {returned}"  # noqa: S608


@cache
def _updating(table: str, names: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = ?" for name in names)
    return f"UPDATE {table} SET {changes} WHERE number = ?"  # noqa: S608


UPLOADS: Final = Table(
    "uploads",
    {
        PLAIN: "number place nonce upload_id part_size size archive_id",
        _choice(UploadState): "state",
        TEXT: "description outcome object_key",
        JSON: "object_facts",
        PATH: "source",
        IDENTITY: "source_identity",
        HASH: "tree_hash",
        INSTANT: "created active",
    },
)
JOBS: Final = Table(
    "jobs",
    {
        PLAIN: "number place nonce job_id archive_id range_start range_stop inventory_limit days",
        _choice(JobState): "state",
        _choice(JobAction): "action",
        _choice(Tier): "tier",
        _choice(InventoryFormat): "inventory_format",
        TEXT: "inventory_marker outcome",
        INSTANT: "inventory_start inventory_end created changed",
    },
)
DOWNLOADS: Final = Table(
    "downloads",
    {
        PLAIN: "number job",
        PATH: "target",
        _choice(DownloadState): "state",
        TEXT: "outcome",
        INSTANT: "created changed",
    },
)
STREAMS: Final = Table(
    "streams",
    {
        PLAIN: "number place nonce state size manifest",
        TEXT: "description",
        PATH: "source",
        HASH: "tree_hash",
        INSTANT: "created changed",
    },
)
TREES: Final = Table(
    "trees",
    {
        PLAIN: "number place identity last_run",
        JSON: "settings",
        INSTANT: "created",
        PATH: "root",
        TEXT: "host owner",
    },
)
RUNS: Final = Table(
    "runs",
    {
        PLAIN: "number place tree kind state",
        PATH: "target",
        JSON: "settings counters",
        TEXT: "outcome",
        INSTANT: "started ended",
    },
)
BUNDLES: Final = Table(
    "bundles",
    {
        PLAIN: "upload tree run members content_size index_position index_size format compression encryption",
        HASH: "index_hash",
    },
)
SPENT: Final = Table(
    "spent", {PLAIN: "number place run operation requests sent received price currency", INSTANT: "day"}
)
MOVES: Final = Table("moves", {PLAIN: "number place", PATH: "target", JSON: "settings", INSTANT: "started"})
MOVED: Final = Table(
    "moved",
    {
        PLAIN: "number move archive size job_id token upload_id part_size line_number bundle position",
        _choice(MoveState): "state",
        TEXT: "name outcome line",
        INSTANT: "requested ready_until changed",
    },
)

MOVED_BUNDLES: Final = Table(
    "moved_bundles", {PLAIN: "number move token size", TEXT: "name", HASH: "tree_hash checksum"}
)

#: Those that a test compares with what the migrations make.
TABLES: Final = (UPLOADS, JOBS, DOWNLOADS, STREAMS, TREES, RUNS, BUNDLES, SPENT, MOVES, MOVED, MOVED_BUNDLES)
