"""The interface of the two databases: statements, transactions, and locks.

Statements are plain SQL that both databases read, with ``?`` for each value. SQLAlchemy was used beside it
and took 0.15 s of CPU to load, more than all else that a command does before its first request.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aioglacier.core.errors import CatalogError
    from aioglacier.files.locks import LockOwner

T = TypeVar("T")


class BusyError(Exception):
    """Another process holds the database at the moment; nothing was changed, and it may be tried again."""


class DamagedError(Exception):
    """The file is not a sound catalog; the argument says why."""


class Connection(Protocol):
    """One connection to a database, as a transaction gets it."""

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """The kind of database, where that makes a difference."""
        ...

    @property
    def notes(self) -> dict[Any, Any]:
        """Facts to remember as long as the connection lives."""
        ...

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return its rows, with values as the columns keep them (``columns.py``)."""
        ...

    def each(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run a statement without a result for each of these."""
        ...

    def rows_of_each(self, statement: str, values: Iterable[Sequence[object]]) -> list[tuple[Any, ...]]:
        """Run a statement for each of these; return the rows of all, in order."""
        ...


class Store(Protocol):
    """One open database."""

    location: str  # its path, or its URL without the password, for messages
    is_shared: bool  # whether processes on other machines can use it

    def run(self, transaction: Callable[[Connection], T], *, is_write: bool) -> T:
        """Run a function in one transaction; its changes are on disk when this returns.

        The changes are undone if the function raises. A function that reads sees one consistent state. Only
        one that writes runs at a time, in all processes.

        Raises:
            BusyError: It is not its turn yet.
            DamagedError: The database is no longer sound.
            CatalogError: The database cannot be used, or the function raised this.
        """
        ...

    def set_aside(self, reason: str) -> CatalogError:
        """Put a damaged database aside, and return the error that says so."""
        ...

    def acquire(self, name: str) -> bool:
        """Take the lock of this name if it is free; it ends with the process."""
        ...

    def owner(self, name: str) -> LockOwner | None:
        """Return the holder of the lock of this name, if that is known."""
        ...

    def release(self, name: str) -> None:
        """Release a lock, if it was taken here."""
        ...
