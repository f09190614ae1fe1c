"""Tables whose rows become records: their columns, and the plain statements that write and read them.

``migrations.py`` makes the tables, and a test compares the two. Archives and the versions of paths have
statements of their own, because millions of their rows are written and read.
"""

from __future__ import annotations

import json
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.catalog.records import DownloadState, JobState, UploadState
from aioglacier.catalog.storage.columns import (
    count_microseconds,
    describe_identity,
    escape,
    escape_path,
    identity_of,
    instant_of,
    optional,
    unescape,
    unescape_path,
)
from aioglacier.core.models import InventoryFormat, JobAction, Tier

if TYPE_CHECKING:
    from collections.abc import Callable
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
HASH: Final = Kind(bytes.hex, bytes.fromhex)
IDENTITY: Final = Kind(describe_identity, identity_of)
JSON: Final = Kind(json.dumps, json.loads)


class Table:
    """One table. Rows go in and come out as values by the names of their columns.

    Attributes:
        name: The table's name.
        columns: The kind of each column, in the order of the columns.
    """

    def __init__(self, name: str, **columns: Kind) -> None:
        self.name = name
        self.columns = columns
        self._names = ", ".join(columns)

    def insert(self, connection: Connection, **values: object) -> dict[str, Any]:
        """Make a row; return it as it is in the table."""
        marks = _marks(len(values))
        statement = _inserting(self.name, tuple(values), marks, self._names)
        (row,) = connection.rows(statement, self._kept(values))
        return self._read(row)

    def update(self, connection: Connection, number: int, **values: object) -> dict[str, Any]:
        """Change the row with this number; return it as it is now."""
        statement = _updating(self.name, tuple(values), self._names)
        (row,) = connection.rows(statement, [*self._kept(values), number])
        return self._read(row)

    def select(self, connection: Connection, condition: str, *values: object) -> list[dict[str, Any]]:
        """Return the rows that a condition in SQL is true of; its values are given as they are kept."""
        rows = connection.rows(f"SELECT {self._names} FROM {self.name} WHERE {condition}", values)  # noqa: S608
        return [self._read(row) for row in rows]

    def equal(self, **values: object) -> tuple[str, list[object]]:
        """Return the condition that columns have these values, and the values as they are kept."""
        wanted = {name: value for name, value in values.items() if value is not None}
        parts = [f"{name} = ?" if name in wanted else f"{name} IS NULL" for name in values]
        return " AND ".join(parts), self._kept(wanted)

    def _kept(self, values: dict[str, Any]) -> list[object]:
        return [optional(self.columns[name].keep, value) for name, value in values.items()]

    def _read(self, row: tuple[Any, ...]) -> dict[str, Any]:
        return {
            name: value if value is None else kind.read(value)
            for (name, kind), value in zip(self.columns.items(), row, strict=True)
        }


def _marks(count: int) -> str:
    return ", ".join("?" * count)


@cache
def _inserting(table: str, names: tuple[str, ...], marks: str, returned: str) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) RETURNING {returned}"  # noqa: S608


@cache
def _updating(table: str, names: tuple[str, ...], returned: str) -> str:
    changes = ", ".join(f"{name} = ?" for name in names)
    return f"UPDATE {table} SET {changes} WHERE number = ? RETURNING {returned}"  # noqa: S608


UPLOADS: Final = Table(
    "uploads",
    number=PLAIN,
    place=PLAIN,
    nonce=PLAIN,
    state=_choice(UploadState),
    upload_id=PLAIN,
    part_size=PLAIN,
    size=PLAIN,
    description=TEXT,
    source=PATH,
    source_identity=IDENTITY,
    tree_hash=HASH,
    archive_id=PLAIN,
    outcome=TEXT,
    created=INSTANT,
    active=INSTANT,
)

JOBS: Final = Table(
    "jobs",
    number=PLAIN,
    place=PLAIN,
    nonce=PLAIN,
    state=_choice(JobState),
    job_id=PLAIN,
    action=_choice(JobAction),
    archive_id=PLAIN,
    range_start=PLAIN,
    range_stop=PLAIN,
    tier=_choice(Tier),
    inventory_format=_choice(InventoryFormat),
    inventory_start=INSTANT,
    inventory_end=INSTANT,
    inventory_limit=PLAIN,
    inventory_marker=TEXT,
    outcome=TEXT,
    created=INSTANT,
    changed=INSTANT,
)

DOWNLOADS: Final = Table(
    "downloads",
    number=PLAIN,
    job=PLAIN,
    target=PATH,
    state=_choice(DownloadState),
    outcome=TEXT,
    created=INSTANT,
    changed=INSTANT,
)

STREAMS: Final = Table(
    "streams",
    number=PLAIN,
    place=PLAIN,
    nonce=PLAIN,
    state=PLAIN,
    description=TEXT,
    source=PATH,
    size=PLAIN,
    tree_hash=HASH,
    manifest=PLAIN,
    created=INSTANT,
    changed=INSTANT,
)

TREES: Final = Table(
    "trees",
    number=PLAIN,
    place=PLAIN,
    identity=PLAIN,
    settings=JSON,
    created=INSTANT,
    last_run=PLAIN,
    root=PATH,
    host=TEXT,
    owner=TEXT,
)

RUNS: Final = Table(
    "runs",
    number=PLAIN,
    place=PLAIN,
    tree=PLAIN,
    kind=PLAIN,
    state=PLAIN,
    target=PATH,
    settings=JSON,
    counters=JSON,
    outcome=TEXT,
    started=INSTANT,
    ended=INSTANT,
)

BUNDLES: Final = Table(
    "bundles",
    upload=PLAIN,
    tree=PLAIN,
    run=PLAIN,
    members=PLAIN,
    content_size=PLAIN,
    index_position=PLAIN,
    index_size=PLAIN,
    index_hash=HASH,
    format=PLAIN,
    compression=PLAIN,
    encryption=PLAIN,
)

SPENT: Final = Table(
    "spent",
    number=PLAIN,
    place=PLAIN,
    run=PLAIN,
    operation=PLAIN,
    day=INSTANT,
    requests=PLAIN,
    sent=PLAIN,
    received=PLAIN,
    price=PLAIN,
    currency=PLAIN,
)

#: Those that a test compares with what the migrations make.
TABLES: Final = (UPLOADS, JOBS, DOWNLOADS, STREAMS, TREES, RUNS, BUNDLES, SPENT)
