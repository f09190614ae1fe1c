"""The bytes behind objects and open uploads of S3, as rows of parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioglacier.server.state import bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.core.ranges import ByteRange
    from aioglacier.server.state.bodies import Slice


@dataclass(frozen=True, slots=True)
class ReceivedPart:
    """A part or a whole small object on disk, with its hashes.

    Attributes:
        algorithm: The name of the algorithm of the checksum that is kept.
    """

    file: str
    size: int
    md5: bytes
    algorithm: str | None
    checksum: bytes | None


def put_part(db: sqlite3.Connection, body: int, number: int, part: ReceivedPart, *, now: int) -> None:
    """Record a part; it replaces one with the same number."""
    db.execute(
        "INSERT OR IGNORE INTO doomed SELECT file FROM object_parts WHERE body = ? AND number = ?",
        (body, number),
    )
    db.execute(
        "INSERT OR REPLACE INTO object_parts (body, number, start, size, file, md5, checksum, modified) "
        "VALUES (?, ?, 0, ?, ?, ?, ?, ?)",
        (body, number, part.size, part.file, part.md5, part.checksum, now),
    )


def join_parts(db: sqlite3.Connection, body: int, numbers: list[int]) -> None:
    """Make an object of the parts with these numbers, in order: number them from 1, and drop the others."""
    rows = db.execute("SELECT number, size, file FROM object_parts WHERE body = ? ORDER BY number", (body,))
    wanted = set(numbers)
    position = start = 0
    for number, size, file in rows.fetchall():
        if number not in wanted:
            db.execute("INSERT OR IGNORE INTO doomed VALUES (?)", (file,))
            db.execute("DELETE FROM object_parts WHERE body = ? AND number = ?", (body, number))
            continue
        position += 1
        # A new number is never above the old one, so it is free.
        db.execute(
            "UPDATE object_parts SET number = ?, start = ? WHERE body = ? AND number = ?",
            (position, start, body, number),
        )
        start += size


def release(db: sqlite3.Connection, body: int) -> None:
    """Mark a body's files for removal if no object points to it."""
    if db.execute("SELECT 1 FROM objects WHERE body = ?", (body,)).fetchone():
        return
    db.execute("INSERT OR IGNORE INTO doomed SELECT file FROM object_parts WHERE body = ?", (body,))
    db.execute("DELETE FROM object_parts WHERE body = ?", (body,))
    db.execute("DELETE FROM bodies WHERE number = ?", (body,))


def slices(db: sqlite3.Connection, body: int, wanted: ByteRange) -> tuple[Slice, ...]:
    """Return the slices of files that hold these bytes of an object."""
    return bodies.slices(db, body, wanted, table="object_parts")
