"""The catalog in one file: SQLite, as it has to be set up to lose nothing.

- What is committed is on disk (``synchronous`` is FULL).
- SQLite goes on writing to a file that has been deleted or replaced. So each transaction looks, before it
  commits, whether the file is still the one that has the catalog's name.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from aioglacier.catalog import files, places
from aioglacier.catalog.database import READERS
from aioglacier.catalog.store import DamagedError
from aioglacier.core.errors import CatalogError, GlacierError
from aioglacier.files.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection, Engine

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


class SqliteStore:
    """An open file; see ``Store``. To be closed by who makes it.

    Args:
        path: A catalog that exists.
        is_durable: What is committed is on disk. Not needed before the file has its name.
    """

    def __init__(self, path: Path, *, is_durable: bool = True) -> None:
        self.location = str(path)
        self._path = path
        self._engine = _engine_of(path, is_durable=is_durable)
        self._identity = _identity_of(path)
        self._held: dict[str, FileLock] = {}

    def close(self) -> None:
        """Close the file; takes as long as it takes to move the write-ahead log into it."""
        self._engine.dispose()

    def run(self, transaction: Callable[[Connection], T], *, is_write: bool) -> T:
        """See ``Store``."""
        try:
            with self._engine.connect() as connection:
                connection.execution_options(aioglacier_is_write=is_write)
                try:
                    with connection.begin():
                        result = transaction(connection)
                        if is_write:
                            self._check_file()
                except BaseException:
                    places.forget(connection)
                    raise
                return result
        except GlacierError:
            raise  # some are a ValueError too
        except DBAPIError as error:
            self._check_file()  # whatever it says, this would be why
            if isinstance(error.orig, sqlite3.Error):
                raise files.translate(error.orig, self._path) from error
            raise self._unusable(error.orig or error) from error
        except sqlite3.Error as error:  # of a statement that went past SQLAlchemy
            self._check_file()
            raise files.translate(error, self._path) from error
        except SQLAlchemyError as error:
            raise self._unusable(error) from error
        except UnicodeDecodeError as error:
            raise DamagedError(str(error)) from error
        except (ValueError, OverflowError) as error:
            raise CatalogError(
                f"a record in the catalog {self.location!r} cannot be read: {error}; rename the file, and "
                "fill a new one with 'aioglacier inventory VAULT' for each vault",
                path=self.location,
            ) from error

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

    def _unusable(self, error: BaseException) -> CatalogError:
        return CatalogError(f"the catalog {self.location!r} cannot be used: {error}", path=self.location)


def _engine_of(path: Path, *, is_durable: bool) -> Engine:
    url = URL.create("sqlite+pysqlite", database=files.uri_of(path), query={"mode": "rw", "uri": "true"})
    engine = create_engine(
        url,
        # Transactions begin below, explicitly; each is in one thread from beginning to end.
        connect_args={"isolation_level": None, "timeout": files.BUSY_SECONDS, "check_same_thread": False},
        pool_size=READERS + 1,
        max_overflow=0,
        pool_use_lifo=True,  # the one whose cache is warm
        hide_parameters=True,
    )
    event.listen(engine, "connect", partial(_prepare_connection, is_durable=is_durable))
    event.listen(engine, "begin", _begin)
    return engine


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
