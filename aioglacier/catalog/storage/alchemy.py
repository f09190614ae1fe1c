"""SQLAlchemy on connections to the file that are open and in a transaction already."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

from sqlalchemy import NullPool, create_engine

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Alchemy:
    """Makes SQLAlchemy's connections out of SQLite's. Transactions are none of its business."""

    def __init__(self) -> None:
        self._given: list[sqlite3.Connection] = []
        self._giving = threading.Lock()
        self._engine = create_engine(
            "sqlite+pysqlite://", creator=self._give, poolclass=NullPool, hide_parameters=True
        )
        # The first connection is looked at, and what it has begun rolled back: so that is none of ours.
        self._engine.connect().close()

    def over(self, connection: sqlite3.Connection) -> Connection:
        """A connection of SQLAlchemy's that is this one; to close it closes this one."""
        with self._giving:
            self._given.append(connection)
            return self._engine.connect()

    def _give(self) -> sqlite3.Connection:
        return self._given.pop() if self._given else sqlite3.connect(":memory:")
