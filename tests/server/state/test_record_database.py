"""The records: one writer, changes committed together, each undone alone."""

from __future__ import annotations

import sqlite3
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from anyio import create_task_group

from aioglacier.server.state.record_database import Database

if TYPE_CHECKING:
    from pathlib import Path


def put(db: sqlite3.Connection, name: str) -> None:
    """Add one row."""
    db.execute("INSERT INTO settings VALUES (?, '')", (name,))


def names_in(db: sqlite3.Connection) -> list[int]:
    """Return all rows' names."""
    return [int(name) for (name,) in db.execute("SELECT name FROM settings")]


async def test_a_change_that_fails_undoes_itself_and_no_other(tmp_path: Path) -> None:
    """Of many changes committed together only the failing ones are missing."""
    failed: list[int] = []

    def change(db: sqlite3.Connection, number: int) -> int:
        put(db, f"{number:03d}")
        if number % 3 == 0:
            raise LookupError(number)
        return number

    async with Database(tmp_path / "db", is_durable=True) as database:

        async def make(number: int) -> None:
            try:
                assert await database.write(lambda db: change(db, number)) == number
            except LookupError:
                failed.append(number)

        async with create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(make, number)
        names = await database.read(names_in)
    assert sorted(failed) == [number for number in range(100) if number % 3 == 0]
    assert sorted(names) == [number for number in range(100) if number % 3]


async def test_a_change_is_visible_to_the_next_reader(tmp_path: Path) -> None:
    """The change is visible as soon as it was acknowledged."""
    async with Database(tmp_path / "db", is_durable=True) as database:
        for number in range(20):
            await database.write(partial(put, name=str(number)))
            count = await database.read(lambda db: db.execute("SELECT COUNT(*) FROM settings").fetchone()[0])
            assert count == number + 1


async def test_a_failing_reader_gets_its_own_error(tmp_path: Path) -> None:
    """The connection of a failed reader serves others afterwards."""
    async with Database(tmp_path / "db", is_durable=True) as database:
        for _ in range(10):
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                await database.read(lambda db: db.execute("SELECT * FROM nowhere"))
        assert await database.read(lambda db: db.execute("SELECT 1").fetchone()[0]) == 1


async def test_the_writing_thread_ends_with_the_block(tmp_path: Path) -> None:
    """No thread is left of it; a server that other tests share may run on."""
    before = set(threading.enumerate())
    async with Database(tmp_path / "db", is_durable=False) as database:
        await database.read(lambda db: db.total_changes)
        assert "local-glacier-records" in {thread.name for thread in {*threading.enumerate()} - before}
    assert "local-glacier-records" not in {thread.name for thread in {*threading.enumerate()} - before}


async def test_the_journal_is_written_ahead_and_synced(tmp_path: Path) -> None:
    """The database uses WAL and a full sync of every commit."""
    async with Database(tmp_path / "db", is_durable=True) as database:
        mode = await database.write(lambda db: db.execute("PRAGMA journal_mode").fetchone()[0])
        synchronous = await database.write(lambda db: db.execute("PRAGMA synchronous").fetchone()[0])
    assert (mode, synchronous) == ("wal", 2)
