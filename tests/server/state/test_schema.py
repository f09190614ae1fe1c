"""The tables of the records, and databases of older versions."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from aioglacier.server.state import schema

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """An empty database in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def tables_of(db: sqlite3.Connection) -> set[str]:
    """Return the definitions of a database's tables and indexes."""
    return {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def test_an_old_database_gets_what_it_lacks(db: sqlite3.Connection) -> None:
    """One of version 1 keeps its rows and has the same tables as a new one then."""
    db.executescript(f"{schema.TABLES[1]} PRAGMA user_version = 1")
    db.execute("INSERT INTO vaults (name, created) VALUES ('photos', 0)")
    schema.prepare(db)
    new = sqlite3.connect(":memory:", isolation_level=None)
    schema.prepare(new)
    assert tables_of(db) == tables_of(new)
    new.close()
    assert db.execute("SELECT name FROM vaults").fetchall() == [("photos",)]
    schema.prepare(db)


def test_a_newer_database_is_refused(db: sqlite3.Connection) -> None:
    """The message names both versions."""
    db.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    with pytest.raises(schema.SchemaError, match="newer aioglacier"):
        schema.prepare(db)
