"""The catalog in a PostgreSQL database, where several machines share one.

- The tables are in a schema of their own, ``aioglacier``, beside anything else in the database.
- One change is made at a time, as in SQLite: each begins by taking an advisory lock of its transaction. So
  what it reads before it writes stays true, and numbers rise in the order of commits.
- Locks of sources are advisory locks of one connection kept for them; they go when it goes.
- Transactions are plain functions in threads. Each connection of asyncpg has a loop of its own, and the
  thread that needs an answer runs it until the answer is there. A statement handed to a loop in another
  thread took 2.7 times the CPU.
- A password is never shown: ``location`` has none, and messages hold our words and the server's only.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import socket
import threading
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread
import asyncpg  # type: ignore[import-untyped]  # has no types

from aioglacier.catalog.storage import migrations
from aioglacier.catalog.storage.backend import BusyError
from aioglacier.catalog.storage.database import busy
from aioglacier.core.errors import CatalogError, GlacierError
from aioglacier.files.locks import LockOwner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence

    from aioglacier.catalog.storage.backend import Connection

T = TypeVar("T")

_SCHEMA: Final = "aioglacier"
_CONNECT_SECONDS: Final = 15.0
_CLOSE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.1

#: How long the server lets a change wait for its turn before it says "busy"; the caller has more patience.
_BUSY_MILLISECONDS: Final = 250

#: Any number, the same for all: the lock that is held while something is changed.
_WRITER: Final = 0x61696F676C616369

#: Characters of a statement that is planned once for all its values. Longer ones ask for hundreds of values;
#: without statistics, which a new table lacks for a minute, the server's plan for any values read all rows.
_LARGEST_KEPT_STATEMENT: Final = 1200

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
    """One connection of asyncpg's; see ``Connection``. Used by one thread at a time, any thread.

    Attributes:
        notes: See ``Connection``; nothing that a failed transaction has noted.
    """

    dialect: Final = "postgresql"

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.notes: dict[Any, Any] = {}
        self._joined: dict[str, str] = {}  # statements for many rows, by those for one
        self._loop = asyncio.new_event_loop()
        try:
            self._raw: Any = self.wait(asyncpg.connect(**parameters))
        except BaseException:
            self._loop.close()
            raise

    def wait(self, answer: Coroutine[Any, Any, T]) -> T:
        """Run the connection's loop, in this thread, until an answer is there."""
        return self._loop.run_until_complete(answer)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See ``Connection``."""
        return [tuple(row) for row in self.wait(self._raw.fetch(_numbered(statement), *values))]

    def each(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """See ``Connection``."""
        many = list(values)
        if (joined := self._join(statement, many)) is not None:
            self.wait(self._raw.execute(joined, *map(list, zip(*many, strict=True))))
        elif many:
            self.wait(self._raw.executemany(_numbered(statement), many))

    def rows_of_each(self, statement: str, values: Iterable[Sequence[object]]) -> list[tuple[Any, ...]]:
        """See ``Connection``."""
        many = list(values)
        if (joined := self._join(statement, many)) is not None:
            return [
                tuple(row) for row in self.wait(self._raw.fetch(joined, *map(list, zip(*many, strict=True))))
            ]
        found = self.wait(self._raw.fetchmany(_numbered(statement), many)) if many else []
        return [tuple(row) for row in found]

    def _join(self, statement: str, many: Sequence[Sequence[object]]) -> str | None:
        """Return one statement for all rows, given as columns; ``None`` if there is none."""
        one = _row_statement(statement) if len(many) > 1 else None
        if one is None:
            return None
        if one.unique and len({tuple(row[at] for at in one.unique) for row in many}) < len(many):
            return None  # one statement changes no row twice
        if statement not in self._joined:
            prepared = self.wait(self._raw.prepare(_numbered(statement)))
            self._joined[statement] = one.join([kind.name for kind in prepared.get_parameters()])
        return self._joined[statement]

    def begin(self, *, is_write: bool) -> None:
        """Begin a transaction."""
        self.wait(self._raw.execute(_BEGIN_WRITE if is_write else _BEGIN_READ))

    def commit(self) -> None:
        """Commit; the changes are on disk."""
        self.wait(self._raw.execute("COMMIT"))

    def roll_back(self) -> None:
        """Undo it, if it has begun; a connection that cannot do that is dropped."""
        self.notes.clear()  # what it has noted may have been made in it
        try:
            self.wait(self._raw.execute("ROLLBACK"))
        except _ERRORS:
            self.close()

    def close(self) -> None:
        """Close it, if it is open."""
        if self._loop.is_closed():
            return
        with suppress(*_ERRORS):
            self.wait(self._raw.close(timeout=_CLOSE_SECONDS))
        self._loop.close()

    @property
    def is_lost(self) -> bool:
        """Whether it leads nowhere any more."""
        return self._loop.is_closed() or bool(self._raw.is_closed())


_INSERTION: Final = re.compile(
    r"(?P<start>INSERT INTO \w+(?: \((?P<columns>[^)]*)\))?) VALUES \(\?(?:, \?)*\)"
    r"(?P<end>(?: ON CONFLICT \((?P<unique>[^)]*)\))?.*)",
    re.DOTALL,
)
_UPDATE: Final = re.compile(
    r"UPDATE (?P<table>\w+) SET (?P<changes>\w+ = \?(?:, \w+ = \?)*) WHERE number = \?"
)
_LOOKUP: Final = re.compile(r"SELECT [\w, ]+ FROM \w+ WHERE \w+ = \?(?: AND \w+ = \?)*")


class _RowStatement(NamedTuple):
    """A statement that inserts, changes or finds one row.

    Attributes:
        many: The statement for many rows; {names} and {arrays} stand for those of their columns.
        unique: The positions of the values that must not be those of another row of the same statement.
    """

    many: str
    unique: tuple[int, ...]

    def join(self, kinds: Sequence[str]) -> str:
        """Return the statement for many rows in order, whose values are columns of these types.

        A row in it takes the server a third of the time of a statement of its own.
        """
        arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, 1))
        return self.many.format(names=", ".join(f"v{at}" for at in range(len(kinds))), arrays=arrays)


@cache
def _row_statement(statement: str) -> _RowStatement | None:
    if match := _INSERTION.fullmatch(statement):
        at = {name.strip(): position for position, name in enumerate((match["columns"] or "").split(","))}
        keys = tuple(at[name.strip()] for name in match["unique"].split(",")) if match["unique"] else ()
        rows = "SELECT {names} FROM unnest({arrays}) WITH ORDINALITY AS v ({names}, at) ORDER BY at"
        return _RowStatement(f"{match['start']} {rows}{match['end']}", keys)
    if match := _UPDATE.fullmatch(statement):
        columns = [change.partition(" ")[0] for change in match["changes"].split(", ")]
        changes = ", ".join(f"{name} = v{position}" for position, name in enumerate(columns))
        key = len(columns)
        rows = f"FROM unnest({{arrays}}) AS v ({{names}}) WHERE {match['table']}.number = v{key}"
        return _RowStatement(f"UPDATE {match['table']} SET {changes} {rows}", (key,))  # noqa: S608  # names of ours
    if _LOOKUP.fullmatch(statement):
        # OFFSET 0 keeps it a search by index for each row. For a condition of many values, the server read
        # all rows of a table that had no statistics yet, or had them from when it was empty.
        conditions = "".join(f"{text} v{at}" for at, text in enumerate(statement.split(" ?")[:-1]))
        rows = "FROM unnest({arrays}) WITH ORDINALITY AS v ({names}, at)"
        many = f"SELECT found.* {rows}, LATERAL ({conditions} OFFSET 0) AS found ORDER BY at"
        return _RowStatement(many, ())
    return None


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

    def __init__(self, parameters: dict[str, Any], location: str) -> None:
        self.location = location
        self._parameters = parameters
        self._idle: list[PostgresConnection] = []
        self._locks: PostgresConnection | None = None
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
            if connection is not None:
                self._keep(connection)

    def _lend(self) -> PostgresConnection:
        """Return the connection that was used last, or a new one."""
        return self._idle.pop() if self._idle else PostgresConnection(self._parameters)

    def _keep(self, connection: PostgresConnection) -> None:
        if connection.is_lost:
            connection.close()
        else:
            self._idle.append(connection)

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
            if self._ask(_TAKE, _key(name)):
                self._held.add(name)
                return True
            return False

    def owner(self, name: str) -> LockOwner | None:
        """See ``Store``."""
        if name in self._held:
            return LockOwner(os.getpid(), socket.gethostname())
        key = _key(name)
        with self._locking:
            found = self._ask(_OWNER, key >> 32 & 0xFFFFFFFF, key & 0xFFFFFFFF)
        pid, _, host = str(found or "").removeprefix(f"{_SCHEMA} ").partition(" ")
        return LockOwner(int(pid), host) if pid.isdecimal() else None

    def release(self, name: str) -> None:
        """See ``Store``."""
        with self._locking:
            if name in self._held:
                self._held.remove(name)
                self._ask(_RELEASE, _key(name))

    def _ask(self, statement: str, *values: int) -> Any:
        for is_last in (False, True):
            try:
                if self._locks is None or self._locks.is_lost:
                    self._close_locks()
                    self._locks = PostgresConnection(self._parameters)
                    self._take_again(self._locks)
                rows = self._locks.rows(statement, values)
                return rows[0][0] if rows else None
            except _ERRORS as error:
                is_lost = self._locks is not None and self._locks.is_lost
                translated = self._translate(error, is_lost=is_lost)
                if not isinstance(translated, BusyError):
                    raise translated from error
                if is_last:
                    message = f"the catalog {self.location!r} cannot be used: {translated}"
                    raise CatalogError(message, path=self.location) from error
        raise AssertionError

    def _take_again(self, connection: PostgresConnection) -> None:
        """Take the locks that went with a connection that was lost."""
        for name in self._held:
            if not connection.rows(_TAKE, (_key(name),))[0][0]:
                _log.warning(
                    "the connection to the catalog %r was lost, and another process has taken the lock of a "
                    "source meanwhile",
                    self.location,
                )

    def _close_locks(self) -> None:
        if self._locks is not None:
            self._locks.close()
        self._locks = None

    def close(self) -> None:
        """Close every connection, once no transaction runs."""
        self._close_locks()
        while self._idle:
            self._idle.pop().close()


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
        "max_cacheable_statement_size": _LARGEST_KEPT_STATEMENT,
        "server_settings": {
            "search_path": _SCHEMA,
            "application_name": f"{_SCHEMA} {os.getpid()} {socket.gethostname()}"[:63],
            "synchronous_commit": "on",  # recorded means on disk, whatever the server's default
            "timezone": "UTC",
        },
    }
    store = PostgresStore(parameters, location)
    try:
        await _prepare(store, busy_timeout_seconds)
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(store.close)


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
        store.run(_make_schema, is_write=True)
    while version < migrations.VERSION and store.run(migrations.upgrade_once, is_write=True):
        pass


def _make_schema(connection: Connection) -> None:
    # "IF NOT EXISTS" alone knows the schemas that were there before this transaction waited for its lock.
    asked = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = ?"
    ((count,),) = connection.rows(asked, (_SCHEMA,))
    if not count:
        connection.rows(f"CREATE SCHEMA {_SCHEMA}")


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
