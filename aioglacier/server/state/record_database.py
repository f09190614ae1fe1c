"""SQLite, kept off the event loop: one thread writes, a few read.

One thread makes all changes. The changes that wait when a transaction begins are committed together, each in
a savepoint of its own, so parallel requests share one sync of the disk, and one refused change does not undo
the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from anyio import CancelScope, CapacityLimiter, to_thread

from aioglacier.server.state import schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

#: Changes of one transaction, at most; more would delay the first of them for little gain.
_MAX_BATCH: Final = 64
_READERS: Final = 4


class Database:
    """The server's records in one file. Use as ``async with``, once.

    ``read`` and ``write`` take plain functions of a connection and run them in threads. A function given to
    ``write`` may raise to undo its change.
    """

    def __init__(self, path: Path, *, is_durable: bool) -> None:
        self._path = path
        self._synchronous = "FULL" if is_durable else "OFF"
        self._changes: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="local-glacier-records", daemon=True)
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._read_limiter: CapacityLimiter
        self._connection: sqlite3.Connection

    async def __aenter__(self) -> Self:
        self._read_limiter = CapacityLimiter(_READERS)
        self._connection = await to_thread.run_sync(self._open_first)
        self._writer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._changes.put(None)
        with CancelScope(shield=True):
            await to_thread.run_sync(self._close)

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query in one consistent view of the records."""
        return await to_thread.run_sync(self._read, question, limiter=self._read_limiter)

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Change the records; on return the change is on disk.

        If cancelled, the change may or may not be made.
        """
        loop = asyncio.get_running_loop()
        waiting = _Change(change, loop.create_future(), loop)
        self._changes.put(waiting)
        result: T = await waiting.future
        return result

    def open_reader(self) -> sqlite3.Connection:
        """Open a connection for a long reading, which the caller closes; this blocks."""
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection

    def _open_first(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            schema.prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._readers.get_nowait()
        except queue.Empty:
            connection = self._connect()
        try:
            connection.execute("BEGIN")
            return question(connection)
        finally:
            connection.execute("ROLLBACK")
            self._readers.put(connection)

    def _write_all(self) -> None:
        while (first := self._changes.get()) is not None:
            batch = [first]
            is_last = False
            with contextlib.suppress(queue.Empty):
                while len(batch) < _MAX_BATCH:
                    following = self._changes.get_nowait()
                    if following is None:
                        is_last = True
                        break
                    batch.append(following)
            self._commit(batch)
            if is_last:
                return

    def _commit(self, batch: list[_Change]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for change in batch:
                change.make(self._connection)
            self._connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001  # each waiting request gets it
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            for change in batch:
                change.error = change.error or error
        for change in batch:
            change.report()

    def _close(self) -> None:
        self._writer.join()
        while not self._readers.empty():
            self._readers.get_nowait().close()
        self._connection.close()


class _Change:
    """One change on its way through the writing thread and back."""

    __slots__ = ("_loop", "_make", "_result", "error", "future")

    def __init__(
        self,
        make: Callable[[sqlite3.Connection], Any],
        future: asyncio.Future[Any],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._make = make
        self._loop = loop
        self._result: Any = None
        self.future = future
        self.error: BaseException | None = None

    def make(self, connection: sqlite3.Connection) -> None:
        connection.execute("SAVEPOINT change")
        try:
            self._result = self._make(connection)
        except Exception as error:  # noqa: BLE001  # carried to the request that waits for it
            self.error = error
            connection.execute("ROLLBACK TO change")
        connection.execute("RELEASE change")

    def report(self) -> None:
        # The loop may have been closed by a program that never left the server's block.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self._result)
