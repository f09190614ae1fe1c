"""What the two databases have in common: statements for transactions, whole transactions, and locks.

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
    """Somebody else has what is needed at the moment; nothing was changed, and it may be tried again."""


class DamagedError(Exception):
    """What is there is no sound catalog; the argument says why."""


class Connection(Protocol):
    """One connection to a database, as a transaction is given it."""

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Which database it is, where that makes a difference."""
        ...

    @property
    def notes(self) -> dict[Any, Any]:
        """What is to be remembered as long as the connection lives."""
        ...

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; what it returns, as the columns have it (``columns.py``)."""
        ...

    def each(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run a statement that returns nothing for each of these."""
        ...


class Store(Protocol):
    """One open database.

    Attributes:
        location: Where it is, for people: a path, or a URL without its password.
    """

    location: str

    def run(self, transaction: Callable[[Connection], T], *, is_write: bool) -> T:
        """Run a function in one transaction; what it has changed is on disk when this returns.

        The function is undone if it raises, and one that reads sees one consistent state. Only one that
        writes runs at a time, whoever else has the database open.

        Raises:
            BusyError: It is not its turn yet.
            DamagedError: The database is no longer sound.
            CatalogError: The database cannot be used, or the function raised this.
        """
        ...

    def set_aside(self, reason: str) -> CatalogError:
        """Do what is to be done with a damaged database, and return the error that says so."""
        ...

    def acquire(self, name: str) -> bool:
        """Take the lock of this name if nobody has it; it goes with the process."""
        ...

    def owner(self, name: str) -> LockOwner | None:
        """Who has the lock of this name, as far as can be told."""
        ...

    def release(self, name: str) -> None:
        """Let go of a lock, if it was taken here."""
        ...
