"""The catalog in one file, with SQLite set up to lose nothing.

- A committed change is on disk (``synchronous`` is FULL).
- SQLite goes on writing to a file that has been deleted or replaced. So each transaction looks, before it
  commits, whether the file is still the one that has the catalog's name.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aioglacier.catalog.storage import sqlite_file as files
from aioglacier.catalog.storage.backend import DamagedError
from aioglacier.core.errors import CatalogError, GlacierError
from aioglacier.files.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.files.locks import LockOwner

T = TypeVar("T")

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


class SqliteConnection:
    """One connection to the file; see ``Connection``. Used by one thread at a time.

    Attributes:
        notes: See ``Connection``; nothing that a failed transaction has noted.
    """

    dialect: Final = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.notes: dict[Any, Any] = {}
        self._connection = connection

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See ``Connection``."""
        return self._connection.execute(statement, values).fetchall()

    def each(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """See ``Connection``."""
        self._connection.executemany(statement, values)

    def rows_of_each(self, statement: str, values: Iterable[Sequence[object]]) -> list[tuple[Any, ...]]:
        """See ``Connection``."""
        return [row for each in values for row in self.rows(statement, each)]

    def begin(self, *, is_write: bool) -> None:
        """Begin a transaction."""
        # A reader that becomes a writer could not wait for another writer, so a writer begins as one.
        self._connection.execute("BEGIN IMMEDIATE" if is_write else "BEGIN")

    def commit(self) -> None:
        """Commit; the changes are on disk."""
        self._connection.commit()

    def roll_back(self) -> None:
        """Undo the transaction, if it has begun."""
        self.notes.clear()  # what it has noted may have been made in it
        self._connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class SqliteStore:
    """An open file; see ``Store``. The maker closes it.

    As many connections are kept as transactions have run at the same time, and lent to the next ones.

    Args:
        path: A catalog that exists.
        is_durable: Put committed changes on disk. Not needed before the file has its name.
    """

    def __init__(self, path: Path, *, is_durable: bool = True) -> None:
        self.location = str(path)
        self.is_shared = False
        self._path = path
        self._is_durable = is_durable
        self._identity = _identity_of(path)
        self._idle: list[SqliteConnection] = []
        self._held: dict[str, FileLock] = {}

    def close(self) -> None:
        """Close the file; takes as long as it takes to move the write-ahead log into it."""
        while self._idle:
            self._idle.pop().close()

    def run(self, transaction: Callable[[Connection], T], *, is_write: bool) -> T:
        """See ``Store``."""
        try:
            return self._run(transaction, is_write=is_write)
        except GlacierError:
            raise  # some are a ValueError too
        except UnicodeDecodeError as error:
            raise DamagedError(str(error)) from error
        except (ValueError, OverflowError) as error:
            raise CatalogError(
                f"a record in the catalog {self.location!r} cannot be read: {error}; rename the file, and "
                "fill a new one with 'aioglacier inventory VAULT' for each vault",
                path=self.location,
            ) from error
        except sqlite3.Error as error:
            self._check_file()  # a missing file explains the error better
            raise files.translate(error, self._path) from error

    def _run(self, transaction: Callable[[Connection], T], *, is_write: bool) -> T:
        connection = self._lend()
        try:
            connection.begin(is_write=is_write)
            result = transaction(connection)
            if is_write:
                self._check_file()
            connection.commit()
        except BaseException:
            try:
                connection.roll_back()
            except sqlite3.Error:
                connection.close()
            else:
                self._idle.append(connection)
            raise
        self._idle.append(connection)
        return result

    def _lend(self) -> SqliteConnection:
        """Return the connection that was used last, whose cache is warm, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            return SqliteConnection(_connect(self._path, is_durable=self._is_durable))

    def set_aside(self, reason: str) -> CatalogError:
        """See ``Store``."""
        self._check_file()  # another process may have done it, and begun a new one
        return files.move_aside(self._path, reason)

    def acquire(self, name: str) -> bool:
        """See ``Store``."""
        lock = FileLock(files.locks_folder(self._path) / f"{name}.lock")
        if is_taken := lock.acquire():
            self._held[name] = lock
        return is_taken

    def owner(self, name: str) -> LockOwner | None:
        """See ``Store``."""
        return FileLock(files.locks_folder(self._path) / f"{name}.lock").owner()

    def release(self, name: str) -> None:
        """See ``Store``."""
        if (lock := self._held.pop(name, None)) is not None:
            lock.release()

    def _check_file(self) -> None:
        if _identity_of(self._path) != self._identity:
            raise CatalogError(
                f"the catalog {self.location!r} was deleted or replaced while in use, and nothing more "
                "can be recorded; run the same command again",
                path=self.location,
            )


def _connect(path: Path, *, is_durable: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{files.uri_of(path)}?mode=rw",
        uri=True,
        isolation_level=None,  # transactions begin above, explicitly
        timeout=files.BUSY_SECONDS,
        check_same_thread=False,
    )
    try:
        for pragma in (*_PRAGMAS, f"synchronous = {'FULL' if is_durable else 'OFF'}"):
            connection.execute(f"PRAGMA {pragma}").close()
    except BaseException:
        connection.close()
        raise
    return connection


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
