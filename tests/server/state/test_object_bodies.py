"""The bytes behind objects: parts in order, slices of them, and the files that nothing needs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.ranges import ByteRange
from aioglacier.server.state import bodies, object_bodies, schema
from aioglacier.server.state.bodies import Slice
from aioglacier.server.state.object_bodies import ReceivedPart

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Empty records in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.prepare(connection)
        yield connection


def put(db: sqlite3.Connection, body: int, number: int, size: int, file: str) -> None:
    """Record a part in a file of this name."""
    object_bodies.put_part(db, body, number, ReceivedPart(file, size, b"", None, None), now=1)


def doomed(db: sqlite3.Connection) -> set[str]:
    """The files to remove."""
    return {file for (file,) in db.execute("SELECT * FROM doomed")}


def test_a_part_replaces_one_with_its_number(db: sqlite3.Connection) -> None:
    """The file of the replaced part is removed."""
    body = bodies.new_body(db)
    put(db, body, 1, 5, "old")
    put(db, body, 1, 6, "new")
    assert doomed(db) == {"old"}
    assert object_bodies.slices(db, body, ByteRange(0, 6)) == (Slice("new", 0, 6),)


def test_parts_that_the_completion_does_not_name_are_dropped(db: sqlite3.Connection) -> None:
    """The others follow each other without a gap, numbered from 1."""
    body = bodies.new_body(db)
    for number in (2, 5, 9):
        put(db, body, number, 10, f"f{number}")
    object_bodies.join_parts(db, body, [2, 9])
    rows = db.execute("SELECT number, start, file FROM object_parts ORDER BY number").fetchall()
    assert rows == [(1, 0, "f2"), (2, 10, "f9")]
    assert doomed(db) == {"f5"}
    assert object_bodies.slices(db, body, ByteRange(8, 13)) == (Slice("f2", 8, 2), Slice("f9", 0, 3))


def test_a_body_without_an_object_is_released(db: sqlite3.Connection) -> None:
    """All its files are removed, once."""
    body = bodies.new_body(db)
    put(db, body, 1, 5, "a")
    object_bodies.release(db, body)
    assert doomed(db) == {"a"}
    assert db.execute("SELECT COUNT(*) FROM bodies").fetchone() == (0,)
