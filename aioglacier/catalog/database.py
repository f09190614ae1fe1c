"""Transactions: one writer at a time, a few readers, none of them on the event loop.

A transaction is a plain function of a SQLAlchemy connection. It is given one whole transaction and may be
called again from the start if another process was in the way, so it changes nothing but the database.

- What is written is on disk when ``write`` returns (SQLite: ``synchronous`` is FULL).
- A transaction that has begun is seen through: if its caller is cancelled meanwhile, it is committed or
  rolled back before the cancellation goes on. SQLAlchemy would otherwise throw the connection away with its
  thread in the middle of a statement.
- SQLite goes on writing to a file that has been deleted or replaced. So each transaction looks, before it
  commits, whether the file is still the one that has the catalog's name.
"""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from aioglacier.catalog import files
from aioglacier.core.errors import CatalogBusyError, CatalogError, GlacierError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from anyio.abc import TaskGroup
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

_READERS: Final = 3
_RETRY_SECONDS: Final = 0.02

#: Of each connection, in KiB, and all that listing a million archives was seen to take. There are at most
#: four, and one task alone uses one or two.
_CACHE_SIZE: Final = 16 * 1024

#: Pages of 4 KiB in the write-ahead log before it is moved into the file. An inventory writes the pages of
#: its indexes again and again; four times SQLite's default made merging half as fast again.
_LOG_PAGES: Final = 4000

_PRAGMAS: Final = (
    "foreign_keys = ON",
    "fullfsync = ON",  # macOS: fsync alone leaves the data in the drive
    "cell_size_check = ON",
    "trusted_schema = OFF",
    f"cache_size = -{_CACHE_SIZE}",
    f"wal_autocheckpoint = {_LOG_PAGES}",
)


class Database:
    """The transactions of one catalog. Made by ``open_database``."""

    def __init__(
        self, engine: AsyncEngine, tasks: TaskGroup, path: Path, busy_timeout_seconds: float
    ) -> None:
        self.path = path
        self._engine = engine
        self._tasks = tasks
        self._busy_timeout_seconds = busy_timeout_seconds
        self._identity = _identity_of(path)
        self._writing = anyio.Lock()
        self._reading = anyio.Semaphore(_READERS)
        self._is_closed = False

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Ask in one consistent view of the records.

        Raises:
            CatalogError: They cannot be read.
        """
        async with self._reading:
            return await self._patiently(lambda: self._run(question, is_write=False))

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Change the records; on return the change is on disk.

        An exception of ``change`` undoes it. If cancelled while it waits for its turn, nothing was changed;
        once begun, it is seen through.

        Raises:
            CatalogBusyError: Another process kept the catalog to itself for too long; nothing was changed.
            CatalogError: The change could not be made, or the file is no longer there; nothing was changed.
        """
        async with self._writing:
            return await self._patiently(lambda: self._run(change, is_write=True))

    async def see_through(self, call: Callable[[], Awaitable[T]]) -> T:
        """Await a call that is short; a cancellation goes on only when it has ended."""
        if self._is_closed:
            raise CatalogError("the catalog has been closed", path=str(self.path))
        ended = anyio.Event()
        results: list[T] = []
        failures: list[Exception] = []

        async def run() -> None:
            try:
                with anyio.CancelScope(shield=True):
                    results.append(await call())
            except Exception as error:  # noqa: BLE001  # raised below, in the caller's task
                failures.append(error)
            finally:
                ended.set()

        self._tasks.start_soon(run)
        try:
            await ended.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await ended.wait()
            raise
        if failures:
            raise failures[0]
        return results[0]

    def close(self) -> None:
        """Take no more transactions."""
        self._is_closed = True

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        started = anyio.current_time()
        while True:
            try:
                return await self.see_through(attempt)
            except files.BusyError as error:
                waited = anyio.current_time() - started
                if waited >= self._busy_timeout_seconds:
                    raise busy(self.path, waited) from error
            except files.DamagedError as error:
                raise await anyio.to_thread.run_sync(self._set_aside, str(error)) from error
            await anyio.sleep(_RETRY_SECONDS)

    async def _run(self, transaction: Callable[[Connection], T], *, is_write: bool) -> T:
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(aioglacier_is_write=is_write)
                async with connection.begin():
                    result = await connection.run_sync(transaction)
                    if is_write:
                        await anyio.to_thread.run_sync(self._check_file)
                return result
        except GlacierError:
            raise  # some are a ValueError too
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.Error):
                raise files.translate(error.orig, self.path) from error
            raise self._unusable(error.orig or error) from error
        except SQLAlchemyError as error:
            raise self._unusable(error) from error
        except (ValueError, OverflowError) as error:
            raise CatalogError(
                f"a record in the catalog {str(self.path)!r} cannot be read: {error}; rename the file, and "
                "fill a new one with 'aioglacier inventory VAULT' for each vault",
                path=str(self.path),
            ) from error

    def _set_aside(self, reason: str) -> CatalogError:
        self._check_file()  # another process may have done it, and begun a new one
        return files.move_aside(self.path, reason)

    def _check_file(self) -> None:
        if _identity_of(self.path) != self._identity:
            raise CatalogError(
                f"the catalog {str(self.path)!r} was deleted or replaced while in use, and nothing more "
                "can be recorded; run the same command again",
                path=str(self.path),
            )

    def _unusable(self, error: BaseException) -> CatalogError:
        return CatalogError(f"the catalog {str(self.path)!r} cannot be used: {error}", path=str(self.path))


def busy(path: Path, waited_seconds: float) -> CatalogBusyError:
    """The error of a wait that was too long."""
    return CatalogBusyError(
        f"another process has kept the catalog {str(path)!r} to itself for {waited_seconds:.0f} s; run the "
        "same command again when it is done",
        waited_seconds=waited_seconds,
        path=str(path),
    )


@asynccontextmanager
async def open_database(
    path: Path, *, busy_timeout_seconds: float, is_durable: bool = True
) -> AsyncIterator[Database]:
    """Open the transactions of a catalog that exists.

    Args:
        path: The file.
        busy_timeout_seconds: How long another process may have it to itself.
        is_durable: What is committed is on disk. Not needed before the file has its name.
    """
    url = URL.create("sqlite+aiosqlite", database=files.uri_of(path), query={"mode": "rw", "uri": "true"})
    engine = create_async_engine(
        url,
        # Transactions begin below, explicitly.
        connect_args={"isolation_level": None, "timeout": files.BUSY_SECONDS},
        pool_size=_READERS + 1,
        max_overflow=0,
        pool_use_lifo=True,  # the one whose cache is warm
    )
    event.listen(engine.sync_engine, "connect", partial(_prepare_connection, is_durable=is_durable))
    event.listen(engine.sync_engine, "begin", _begin)
    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as tasks:
            try:
                database = Database(engine, tasks, path, busy_timeout_seconds)
                try:
                    yield database
                finally:
                    database.close()
            except Exception as error:  # noqa: BLE001  # raised below, so that it does not come out as a group
                failure = error
    finally:
        with anyio.CancelScope(shield=True):
            await engine.dispose()
    if failure is not None:
        raise failure


def _prepare_connection(connection: Any, _record: object, *, is_durable: bool) -> None:
    cursor = connection.cursor()
    for pragma in (*_PRAGMAS, f"synchronous = {'FULL' if is_durable else 'OFF'}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    is_write = connection.get_execution_options().get("aioglacier_is_write", False)
    # A reader that becomes a writer could not wait for another: whoever will write says so at once.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
