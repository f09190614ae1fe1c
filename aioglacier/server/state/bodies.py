"""Bodies: the bytes behind uploads, archives and jobs, as rows of pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioglacier.core.limits import LEAF_SIZE
from aioglacier.core.ranges import ByteRange, is_tree_hash_aligned
from aioglacier.core.treehash import HASH_SIZE, combine, combine_leaves

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.state.files import Received


@dataclass(frozen=True, slots=True)
class Slice:
    """Some bytes of one file."""

    file: str
    start: int
    size: int


def new_body(db: sqlite3.Connection) -> int:
    """Return the number of a new body, which has no pieces yet."""
    number = db.execute("INSERT INTO bodies DEFAULT VALUES").lastrowid
    if number is None:
        raise RuntimeError("SQLite gave no row number")
    return number


def put_piece(db: sqlite3.Connection, body: int, start: int, received: Received) -> None:
    """Record a piece; it replaces one that begins at the same byte."""
    db.execute(
        # The housekeeping removes files, after the commit.
        "INSERT OR IGNORE INTO doomed SELECT file FROM pieces WHERE body = ? AND start = ?",
        (body, start),
    )
    db.execute(
        "INSERT OR REPLACE INTO pieces (body, start, size, file, tree_hash, leaves) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (body, start, received.size, received.file, received.tree_hash, received.leaves),
    )


def is_recorded(db: sqlite3.Connection, file: str) -> bool:
    """Return whether a file belongs to a body or is a job's output."""
    found = db.execute(
        "SELECT 1 FROM pieces WHERE file = :file UNION ALL SELECT 1 FROM jobs WHERE output_file = :file "
        "UNION ALL SELECT 1 FROM object_parts WHERE file = :file",
        {"file": file},
    )
    return found.fetchone() is not None


def release(db: sqlite3.Connection, body: int) -> None:
    """Mark a body's files for removal if no record points to it."""
    held = db.execute(
        "SELECT 1 FROM archives WHERE body = :body AND deleted_run IS NULL "
        "UNION ALL SELECT 1 FROM uploads WHERE body = :body AND state = 'open' "
        "UNION ALL SELECT 1 FROM jobs WHERE body = :body AND status = 'Succeeded'",
        {"body": body},
    ).fetchone()
    if held:  # a job keeps the bytes of an archive that was deleted since
        return
    db.execute("INSERT OR IGNORE INTO doomed SELECT file FROM pieces WHERE body = ?", (body,))
    db.execute("DELETE FROM pieces WHERE body = ?", (body,))
    db.execute("DELETE FROM bodies WHERE number = ?", (body,))


def slices(
    db: sqlite3.Connection, body: int, wanted: ByteRange, *, table: str = "pieces"
) -> tuple[Slice, ...]:
    """Return the slices of files that hold these bytes of a body; objects have theirs in ``object_parts``."""
    found = []
    for start, size, file in db.execute(
        f"SELECT start, size, file FROM {table} "  # noqa: S608  # one of two names of ours
        "WHERE body = ? AND start < ? AND start + size > ? ORDER BY start",
        (body, wanted.stop, wanted.start),
    ):
        first, stop = max(start, wanted.start), min(start + size, wanted.stop)
        found.append(Slice(file, first - start, stop - first))
    return tuple(found)


def range_hash(db: sqlite3.Connection, body: int, size: int, wanted: ByteRange) -> bytes | None:
    """Return the tree hash of these bytes of a body of ``size`` bytes; ``None`` if they are not a node.

    A node consists of whole pieces or lies inside one, because all pieces of an archive have the same power
    of two as their size.
    """
    if not is_tree_hash_aligned(wanted, size):
        return None
    pieces = db.execute(
        "SELECT start, size, tree_hash FROM pieces "
        "WHERE body = ? AND start < ? AND start + size > ? ORDER BY start",
        (body, wanted.stop, wanted.start),
    ).fetchall()
    if pieces[0][0] == wanted.start and pieces[-1][0] + pieces[-1][1] == wanted.stop:
        return combine(tree_hash for _, _, tree_hash in pieces)
    (piece,) = pieces  # a node that is no run of whole pieces lies inside one
    first = (wanted.start - piece[0]) // LEAF_SIZE
    count = -(-wanted.size // LEAF_SIZE)
    (leaves,) = db.execute(
        "SELECT SUBSTR(leaves, ?, ?) FROM pieces WHERE body = ? AND start = ?",
        (first * HASH_SIZE + 1, count * HASH_SIZE, body, piece[0]),
    ).fetchone()
    return combine_leaves(leaves)
