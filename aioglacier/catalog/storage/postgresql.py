"""The catalog in a PostgreSQL database, where several machines share one.

- The tables are in a schema of their own, ``aioglacier``, beside whatever else the database holds.
- One change is made at a time, as in SQLite: each begins by taking an advisory lock of its transaction. So
  what it reads before it writes stays true, and numbers rise in the order of commits.
- Locks of sources are advisory locks of one connection kept for them; they go when it goes.
- SQLAlchemy talks to asyncpg on an event loop in a thread of its own, so that no other loop waits for rows to
  be made into records.
- A password is never shown: ``location`` has none, and errors are told in words of ours and the server's.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from aioglacier.catalog.storage import migrations
from aioglacier.catalog.storage.backend import BusyError
from aioglacier.catalog.storage.database import READERS, busy
from aioglacier.core.errors import CatalogError, GlacierError
from aioglacier.files.locks import LockOwner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    import sqlalchemy
    from anyio.from_thread import BlockingPortal
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from aioglacier.catalog.storage.backend import Connection

T = TypeVar("T")

_SCHEMA: Final = "aioglacier"
_CONNECT_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = 0.1

#: How long the server lets a change wait for its turn before it says "busy"; whoever calls has more patience.
_BUSY_MILLISECONDS: Final = 250

#: Any number, the same for all: the lock that whoever changes something holds.
_WRITER: Final = 0x61696F676C616369

#: Conditions that pass by themselves (PostgreSQL, appendix A): a lock that was not to be had, a deadlock, a
#: conflict between transactions, a server that is starting or stopping, or has no connection left.
_PASSING: Final = frozenset({"55P03", "40P01", "40001", "57P01", "57P02", "57P03", "53300"})

_log: Final = logging.getLogger("aioglacier.catalog")


class PostgresConnection:
    """One of SQLAlchemy's connections; see ``Connection``."""

    dialect: Final = "postgresql"

    def __init__(self, alchemy: sqlalchemy.Connection) -> None:
        self.alchemy = alchemy

    @property
    def notes(self) -> dict[Any, Any]:
        """See ``Connection``."""
        return self.alchemy.info

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See ``Connection``."""
        result = self.alchemy.exec_driver_sql(_numbered(statement), tuple(values))
        return [tuple(row) for row in result] if result.returns_rows else []

    def each(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """See ``Connection``."""
        if many := [tuple(row) for row in values]:
            self.alchemy.exec_driver_sql(_numbered(statement), many)


@cache
def _numbered(statement: str) -> str:
    """The statement with the marks that asyncpg knows: $1, $2 and so on."""
    first, *others = statement.split("?")
    return first + "".join(f"${number}{text}" for number, text in enumerate(others, 1))


class PostgresStore:
    """An open database; see ``Store``. Made by ``open_postgresql``."""

    def __init__(self, engine: AsyncEngine, location: str, portal: BlockingPortal) -> None:
        self.location = location
        self._engine = engine
        self._portal = portal
        self._locks: AsyncConnection | None = None
        self._locking = threading.Lock()
        self._held: set[str] = set()

    def run(self, transaction: Callable[[Connection], T], *, is_write: bool) -> T:
        """See ``Store``."""
        return self._portal.call(self._run, transaction, is_write)

    async def _run(self, transaction: Callable[[Connection], T], is_write: bool) -> T:
        is_ending = False
        try:
            async with self._engine.connect() as connection:
                if not is_write:
                    await connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                try:
                    async with connection.begin():
                        if is_write:
                            await connection.execute(text(f"SET LOCAL lock_timeout = {_BUSY_MILLISECONDS}"))
                            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITER})"))
                        result = await connection.run_sync(
                            lambda alchemy: transaction(PostgresConnection(alchemy))
                        )
                        is_ending = True
                except BaseException:
                    if not connection.closed and not connection.invalidated:
                        connection.info.clear()  # what was noted may have been made in it
                    raise
                return result
        except GlacierError:
            raise
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise self._translate(error, is_ending=is_ending and is_write) from error
        except (ValueError, OverflowError) as error:
            raise CatalogError(
                f"a record in the catalog {self.location!r} cannot be read: {error}", path=self.location
            ) from error

    def _translate(self, error: Exception, *, is_ending: bool = False) -> Exception:
        if isinstance(error, DBAPIError):
            state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
            if state in _PASSING and not is_ending:
                return BusyError(_words_of(error))
            if error.connection_invalidated:
                if not is_ending:
                    return BusyError(_words_of(error))
                return CatalogError(
                    f"the connection to the catalog {self.location!r} was lost while a record was being "
                    "made, which may be there or not; run the same command again",
                    path=self.location,
                )
        return CatalogError(
            f"the catalog {self.location!r} cannot be used: {_words_of(error)}", path=self.location
        )

    def set_aside(self, reason: str) -> CatalogError:
        """See ``Store``: nothing is moved, a server's files are its own."""
        return CatalogError(f"the catalog {self.location!r} is damaged: {reason}", path=self.location)

    # --- locks

    def acquire(self, name: str) -> bool:
        """See ``Store``."""
        with self._locking:
            if name in self._held:
                return False  # the server would give it to the same connection again
            if self._portal.call(self._ask, _TAKE, name):
                self._held.add(name)
                return True
            return False

    def owner(self, name: str) -> LockOwner | None:
        """See ``Store``."""
        if name in self._held:
            return LockOwner(os.getpid(), socket.gethostname())
        with self._locking:
            told = self._portal.call(self._ask, _OWNER, name)
        pid, _, host = str(told or "").removeprefix(f"{_SCHEMA} ").partition(" ")
        return LockOwner(int(pid), host) if pid.isdecimal() else None

    def release(self, name: str) -> None:
        """See ``Store``."""
        with self._locking:
            if name in self._held:
                self._held.remove(name)
                self._portal.call(self._ask, _RELEASE, name)

    async def _ask(self, statement: str, name: str) -> Any:
        for is_last in (False, True):
            try:
                if self._locks is None or self._locks.closed or self._locks.invalidated:
                    self._locks = await self._engine.connect()
                    await self._locks.execution_options(isolation_level="AUTOCOMMIT")
                    await self._take_again(self._locks)
                return await self._locks.scalar(text(statement), _parameters(statement, name))
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                translated = self._translate(error)
                if not isinstance(translated, BusyError):
                    raise translated from error
                if is_last:
                    message = f"the catalog {self.location!r} cannot be used: {translated}"
                    raise CatalogError(message, path=self.location) from error
        raise AssertionError

    async def _take_again(self, connection: AsyncConnection) -> None:
        """Take the locks that went with a connection that was lost."""
        for name in self._held:
            if not await connection.scalar(text(_TAKE), _parameters(_TAKE, name)):
                _log.warning(
                    "the connection to the catalog %r was lost, and somebody else has taken the lock of a "
                    "source meanwhile",
                    self.location,
                )

    async def aclose(self) -> None:
        """Close every connection; on the portal's loop."""
        if self._locks is not None:
            await self._locks.close()
        await self._engine.dispose()


_TAKE: Final = "SELECT pg_try_advisory_lock(:key)"
_RELEASE: Final = "SELECT pg_advisory_unlock(:key)"
_OWNER: Final = """
SELECT a.application_name FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
AND l.classid = CAST(:high AS BIGINT)::oid AND l.objid = CAST(:low AS BIGINT)::oid
"""


def _parameters(statement: str, name: str) -> dict[str, int]:
    """The lock of a name, as a number of 64 bits and as the two halves that the server lists."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    if ":key" in statement:
        return {"key": key}
    return {"high": key >> 32 & 0xFFFFFFFF, "low": key & 0xFFFFFFFF}


@asynccontextmanager
async def open_postgresql(url: str, *, busy_timeout_seconds: float) -> AsyncIterator[PostgresStore]:
    """Connect, and see that the tables are those of this version; see ``Catalog.open`` for what it raises."""
    parsed, location = _parse(url)
    with anyio.from_thread.start_blocking_portal("asyncio", name="aioglacier-catalog") as portal:
        engine = create_async_engine(
            parsed,
            pool_size=READERS + 2,
            max_overflow=0,
            hide_parameters=True,
            connect_args={
                "timeout": _CONNECT_SECONDS,
                "server_settings": {
                    "search_path": _SCHEMA,
                    "application_name": f"{_SCHEMA} {os.getpid()} {socket.gethostname()}"[:63],
                    "synchronous_commit": "on",  # recorded means on disk, whatever the server's default
                    "timezone": "UTC",
                },
            },
        )
        store = PostgresStore(engine, location, portal)
        try:
            await _prepare(store, busy_timeout_seconds)
            yield store
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(portal.call, store.aclose)


async def _prepare(store: PostgresStore, busy_timeout_seconds: float) -> None:
    started = anyio.current_time()
    while True:
        try:
            await anyio.to_thread.run_sync(_upgrade, store)
        except BusyError as error:
            waited = anyio.current_time() - started
            if waited >= busy_timeout_seconds:
                raise busy(store.location, waited) from error
            await anyio.sleep(_RETRY_SECONDS)
        else:
            return


def _upgrade(store: PostgresStore) -> None:
    version = store.run(migrations.read_version, is_write=False)
    if version > migrations.VERSION:
        raise CatalogError(
            f"the catalog {store.location!r} has version {version}, and this release knows up to "
            f"{migrations.VERSION}; it was left as it is; use a newer aioglacier",
            path=store.location,
        )
    if version == 0:
        store.run(lambda c: c.rows(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}"), is_write=True)
    while version < migrations.VERSION and store.run(migrations.upgrade_once, is_write=True):
        pass


def _parse(url: str) -> tuple[URL, str]:
    """The URL for SQLAlchemy, and what may be shown of it."""
    try:
        parsed = make_url(url)
        port = parsed.port
    except (ArgumentError, ValueError):
        # The error, and the URL in it, may hold a password.
        raise CatalogError(
            "the URL of the catalog cannot be read; it is of the form "
            "postgresql+asyncpg://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    host = parsed.host or parsed.query.get("host") or "localhost"
    user = f"{parsed.username}@" if parsed.username else ""
    where = f"{user}{host}:{port}" if port else f"{user}{host}"
    location = f"postgresql+asyncpg://{where}/{parsed.database or ''}"
    if parsed.drivername not in {"postgresql", "postgresql+asyncpg"}:
        raise CatalogError(
            f"the catalog {location!r} cannot be used through {parsed.drivername!r}; write "
            "postgresql+asyncpg://...",
            path=location,
        )
    return parsed.set(drivername="postgresql+asyncpg"), location


def _words_of(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    words = str(getattr(cause, "__cause__", None) or cause)
    return words.partition("\n")[0] or type(cause).__name__
