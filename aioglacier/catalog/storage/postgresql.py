"""The catalog in a PostgreSQL database, where several machines share one.

- The tables are in a schema of their own, ``aioglacier``, beside anything else in the database.
- One change is made at a time, as in SQLite: each begins by taking an advisory lock of its transaction. So
  what it reads before it writes stays true, and numbers rise in the order of commits.
- Locks of sources are advisory locks of one connection kept for them; they go when it goes.
- asyncpg runs on an event loop in a thread of its own. Transactions are plain functions in other threads,
  and each of their statements is handed to that loop, so no loop waits for rows to be made into records.
- A password is never shown: ``location`` has none, and messages hold our words and the server's only.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import anyio
import anyio.from_thread
import anyio.to_thread
import asyncpg  # type: ignore[import-untyped]  # has no types

from aioglacier.catalog.storage import migrations
from aioglacier.catalog.storage.backend import BusyError
from aioglacier.catalog.storage.database import busy
from aioglacier.core.errors import CatalogError, GlacierError
from aioglacier.files.locks import LockOwner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from anyio.from_thread import BlockingPortal

    from aioglacier.catalog.storage.backend import Connection

T = TypeVar("T")

_SCHEMA: Final = "aioglacier"
_CONNECT_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = 0.1

#: How long the server lets a change wait for its turn before it says "busy"; the caller has more patience.
_BUSY_MILLISECONDS: Final = 250

#: Any number, the same for all: the lock that is held while something is changed.
_WRITER: Final = 0x61696F676C616369

_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_BEGIN_WRITE: Final = (
    f"BEGIN; SET LOCAL lock_timeout = {_BUSY_MILLISECONDS}; SELECT pg_advisory_xact_lock({_WRITER})"
)

#: Conditions that pass by themselves (PostgreSQL, appendix A): a lock that another holds, a deadlock, a
#: conflict between transactions, a server that is starting or stopping, or has no connection left.
_PASSING: Final = frozenset({"55P03", "40P01", "40001", "57P01", "57P02", "57P03", "53300"})

#: The errors of asyncpg.
_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_log: Final = logging.getLogger("aioglacier.catalog")


class PostgresConnection:
    """One connection of asyncpg's; see ``Connection``. Used by one thread at a time.

    Attributes:
        notes: See ``Connection``; nothing that a failed transaction has noted.
    """

    dialect: Final = "postgresql"

    def __init__(self, raw: Any, portal: BlockingPortal) -> None:
        self.notes: dict[Any, Any] = {}
        self._raw = raw
        self._portal = portal

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See ``Connection``."""
        return [tuple(row) for row in self._portal.call(self._raw.fetch, _numbered(statement), *values)]

    def each(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """See ``Connection``."""
        if many := list(values):
            self._portal.call(self._raw.executemany, _numbered(statement), many)

    def begin(self, *, is_write: bool) -> None:
        """Begin a transaction."""
        self._portal.call(self._raw.execute, _BEGIN_WRITE if is_write else _BEGIN_READ)

    def commit(self) -> None:
        """Commit; the changes are on disk."""
        self._portal.call(self._raw.execute, "COMMIT")

    def roll_back(self) -> None:
        """Undo it, if it has begun; a connection that cannot do that is dropped."""
        self.notes.clear()  # what it has noted may have been made in it
        try:
            self._portal.call(self._raw.execute, "ROLLBACK")
        except _ERRORS:
            self._portal.call(self._raw.terminate)

    @property
    def is_lost(self) -> bool:
        """Whether it leads nowhere any more."""
        return bool(self._raw.is_closed())


@cache
def _numbered(statement: str) -> str:
    """The statement with the marks that the server knows: $1, $2 and so on."""
    first, *others = statement.split("?")
    return first + "".join(f"${number}{text}" for number, text in enumerate(others, 1))


class PostgresStore:
    """An open database; see ``Store``. Made by ``open_postgresql``.

    As many connections are kept as transactions have run at the same time, and lent to the next ones.
    """

    is_shared = True

    def __init__(self, parameters: dict[str, Any], location: str, portal: BlockingPortal) -> None:
        self.location = location
        self._parameters = parameters
        self._portal = portal
        self._idle: list[PostgresConnection] = []
        self._all: list[Any] = []
        self._locks: Any = None
        self._locking = threading.Lock()
        self._held: set[str] = set()

    def run(self, transaction: Callable[[Connection], T], *, is_write: bool) -> T:
        """See ``Store``."""
        connection: PostgresConnection | None = None
        is_ending = False
        try:
            connection = self._lend()
            try:
                connection.begin(is_write=is_write)
                result = transaction(connection)
                is_ending = is_write
                connection.commit()
            except BaseException:
                connection.roll_back()
                raise
        except GlacierError:
            raise
        except _ERRORS as error:
            is_lost = connection is not None and connection.is_lost
            raise self._translate(error, is_lost=is_lost, is_ending=is_ending) from error
        except (ValueError, OverflowError) as error:
            raise CatalogError(
                f"a record in the catalog {self.location!r} cannot be read: {error}", path=self.location
            ) from error
        else:
            return result
        finally:
            if connection is not None and not connection.is_lost:
                self._idle.append(connection)

    def _lend(self) -> PostgresConnection:
        """The connection that was used last, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_lost:
                return connection
        return PostgresConnection(self._portal.call(self._connect), self._portal)

    async def _connect(self) -> Any:
        raw = await asyncpg.connect(**self._parameters)
        self._all = [other for other in self._all if not other.is_closed()] + [raw]
        return raw

    def _translate(self, error: Exception, *, is_lost: bool, is_ending: bool = False) -> Exception:
        state = getattr(error, "sqlstate", None)
        if not is_ending and (state in _PASSING or is_lost):
            return BusyError(_words_of(error))
        if is_ending and is_lost:
            return CatalogError(
                f"the connection to the catalog {self.location!r} was lost while a record was being made, "
                "which may be there or not; run the same command again",
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
            if self._portal.call(self._ask, _TAKE, _key(name)):
                self._held.add(name)
                return True
            return False

    def owner(self, name: str) -> LockOwner | None:
        """See ``Store``."""
        if name in self._held:
            return LockOwner(os.getpid(), socket.gethostname())
        key = _key(name)
        with self._locking:
            found = self._portal.call(self._ask, _OWNER, key >> 32 & 0xFFFFFFFF, key & 0xFFFFFFFF)
        pid, _, host = str(found or "").removeprefix(f"{_SCHEMA} ").partition(" ")
        return LockOwner(int(pid), host) if pid.isdecimal() else None

    def release(self, name: str) -> None:
        """See ``Store``."""
        with self._locking:
            if name in self._held:
                self._held.remove(name)
                self._portal.call(self._ask, _RELEASE, _key(name))

    async def _ask(self, statement: str, *values: int) -> Any:
        for is_last in (False, True):
            try:
                if self._locks is None or self._locks.is_closed():
                    self._locks = None
                    self._locks = await self._connect()
                    await self._take_again(self._locks)
                return await self._locks.fetchval(statement, *values)
            except _ERRORS as error:
                is_lost = self._locks is not None and self._locks.is_closed()
                translated = self._translate(error, is_lost=is_lost)
                if not isinstance(translated, BusyError):
                    raise translated from error
                if is_last:
                    message = f"the catalog {self.location!r} cannot be used: {translated}"
                    raise CatalogError(message, path=self.location) from error
        raise AssertionError

    async def _take_again(self, connection: Any) -> None:
        """Take the locks that went with a connection that was lost."""
        for name in self._held:
            if not await connection.fetchval(_TAKE, _key(name)):
                _log.warning(
                    "the connection to the catalog %r was lost, and another process has taken the lock of a "
                    "source meanwhile",
                    self.location,
                )

    async def aclose(self) -> None:
        """Close every connection; on the portal's loop."""
        for raw in self._all:
            with suppress(*_ERRORS):
                await raw.close(timeout=_CONNECT_SECONDS)


_TAKE: Final = "SELECT pg_try_advisory_lock($1)"
_RELEASE: Final = "SELECT pg_advisory_unlock($1)"
_OWNER: Final = """
SELECT a.application_name FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
AND l.classid = CAST($1::bigint AS oid) AND l.objid = CAST($2::bigint AS oid)
"""


def _key(name: str) -> int:
    """The lock of a name as the server has it, a number of 64 bits."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@asynccontextmanager
async def open_postgresql(url: str, *, busy_timeout_seconds: float) -> AsyncIterator[PostgresStore]:
    """Connect, and see that the tables are those of this version; see ``Catalog.open`` for what it raises."""
    location = _shown(url)
    parameters = {
        "dsn": url,
        "timeout": _CONNECT_SECONDS,
        "server_settings": {
            "search_path": _SCHEMA,
            "application_name": f"{_SCHEMA} {os.getpid()} {socket.gethostname()}"[:63],
            "synchronous_commit": "on",  # recorded means on disk, whatever the server's default
            "timezone": "UTC",
        },
    }
    with anyio.from_thread.start_blocking_portal("asyncio", name="aioglacier-catalog") as portal:
        store = PostgresStore(parameters, location, portal)
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
        store.run(lambda connection: connection.rows(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}"), is_write=True)
    while version < migrations.VERSION and store.run(migrations.upgrade_once, is_write=True):
        pass


def _shown(url: str) -> str:
    """Return a URL without its password."""
    try:
        parsed = urlsplit(url)
        port = parsed.port
    except ValueError:
        # The error, and the URL in it, may hold a password.
        raise CatalogError(
            "the URL of the catalog cannot be read; it is of the form "
            "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    user = f"{unquote(parsed.username)}@" if parsed.username else ""
    where = f"{user}{parsed.hostname or 'localhost'}" + (f":{port}" if port else "")
    return f"postgresql://{where}{parsed.path}"


def _words_of(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
