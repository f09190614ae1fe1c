"""Bodies: which bytes of which files, the hash of a range, and what is removed."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import chunk_hashes, tree_hash
from aioglacier.server.state import bodies, schema
from aioglacier.server.state.files import Received

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
DATA = random.Random(3).randbytes(7 * MIB + 5)  # noqa: S311  # repeatable, not secret


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Empty records in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.prepare(connection)
        yield connection


def put(db: sqlite3.Connection, part_size: int) -> int:
    """Record the data as a body of pieces named by their start; return its number."""
    body = bodies.new_body(db)
    for start in range(0, len(DATA), part_size):
        part = DATA[start : start + part_size]
        received = Received(f"{start}", len(part), b"", tree_hash(part), b"".join(chunk_hashes(part)))
        bodies.put_piece(db, body, start, received)
    return body


@pytest.mark.parametrize("part_size", [MIB, 2 * MIB, 4 * MIB, 8 * MIB])
def test_a_range_is_found_in_its_pieces_with_its_hash(db: sqlite3.Connection, part_size: int) -> None:
    """The slices join to the bytes; what is a node of the tree has a hash, whatever the pieces are."""
    body = put(db, part_size)
    for start, stop, is_node in [
        (0, len(DATA), True),
        (MIB, 2 * MIB, True),
        (2 * MIB, 4 * MIB, True),
        (4 * MIB, len(DATA), True),
        (7 * MIB, len(DATA), True),
        (MIB, 3 * MIB, False),
        (5, 4 * MIB + 7, False),
    ]:
        wanted = ByteRange(start, stop)
        joined = b""
        for one in bodies.slices(db, body, wanted):
            first = int(one.file) + one.start
            joined += DATA[first : first + one.size]
        assert joined == DATA[start:stop]
        found = bodies.range_hash(db, body, len(DATA), wanted)
        assert found == (tree_hash(DATA[start:stop]) if is_node else None)


def test_a_piece_that_is_replaced_leaves_its_file_to_be_removed(db: sqlite3.Connection) -> None:
    """The new file is on record, the old one is not."""
    body = put(db, 8 * MIB)
    bodies.put_piece(db, body, 0, Received("new", 1, b"", bytes(32), bytes(32)))
    assert db.execute("SELECT file FROM doomed").fetchall() == [("0",)]
    assert (bodies.is_recorded(db, "new"), bodies.is_recorded(db, "0")) == (True, False)


def test_a_body_goes_with_the_last_record_that_points_to_it(db: sqlite3.Connection) -> None:
    """An open upload keeps its files; without it they are to be removed."""
    body = put(db, 4 * MIB)
    db.execute(
        "INSERT INTO uploads (id, vault, body, part_size, created, active, state) "
        "VALUES ('u', 1, ?, 1048576, 0, 0, 'open')",
        (body,),
    )
    bodies.release(db, body)
    assert bodies.is_recorded(db, "0")
    db.execute("UPDATE uploads SET state = 'aborted'")
    bodies.release(db, body)
    assert not bodies.is_recorded(db, "0")
    assert sorted(db.execute("SELECT file FROM doomed")) == [("0",), ("4194304",)]
