"""Vaults as the other tables refer to them; the table and its columns are called ``places`` and ``place``.

Their numbers never change, so each connection to the database remembers those that it has met. It forgets
them if a transaction fails, because that may have made them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from aioglacier.catalog.records import JobRecord, UploadRecord, VaultKey
from aioglacier.catalog.storage.columns import count_microseconds, escape, instant_of, optional, unescape
from aioglacier.core.errors import CatalogError, CatalogMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.catalog.storage.tables import Table

R = TypeVar("R", UploadRecord, JobRecord)

#: Records fetched at a time.
_PAGE: Final = 500

_KNOWN: Final = "aioglacier.places"

_FIND: Final = "SELECT number FROM places WHERE vault = ? AND region = ? AND account_id = ? AND endpoint = ?"
_MAKE: Final = "INSERT INTO places (vault, region, account_id, endpoint) VALUES (?, ?, ?, ?) RETURNING number"
_LIST: Final = "SELECT number, vault, region, account_id, endpoint FROM places ORDER BY number"


def find_vault(connection: Connection, key: VaultKey) -> int:
    """Return the number of a vault, 0 if it is not on record."""
    known = _known(connection)
    if key not in known.numbers:
        found = connection.rows(_FIND, _row(key))
        if not found:
            return 0
        ((known.numbers[key],),) = found
    return known.numbers[key]


def keep_vault(connection: Connection, key: VaultKey) -> int:
    """Return the number of a vault; record the vault if it is new."""
    if number := find_vault(connection, key):
        return number
    ((made,),) = connection.rows(_MAKE, _row(key))
    return int(made)


def all_vaults(connection: Connection) -> Mapping[int, VaultKey]:
    """Return every vault by its number; iterating shows only those that were asked for."""
    return _known(connection)


def refuse_other(connection: Connection, subject: str, recorded: VaultKey, key: VaultKey) -> None:
    """Refuse what is on record in another vault.

    Raises:
        CatalogMismatchError: It is.
    """
    if find_vault(connection, recorded) != find_vault(connection, key):  # either may name a former port
        raise CatalogMismatchError(f"{subject} is elsewhere", recorded=str(recorded), found=str(key))


def list_vaults(connection: Connection) -> list[VaultKey]:
    """Return every vault, in the order of recording."""
    return list(_read(connection).values())


class VaultRows(Generic[R]):
    """The records of vaults in one table: uploads, with ids in the column "upload_id", or jobs."""

    def __init__(self, table: Table, noun: str, make: Callable[[dict[str, Any]], R]) -> None:
        self._table = table
        self._noun = noun
        self._make: Callable[[dict[str, Any]], R] = make

    def insert_each(
        self, connection: Connection, given: Sequence[tuple[VaultKey, Mapping[str, object]]]
    ) -> list[R]:
        """Make records with values for the same columns."""
        rows = [{"place": keep_vault(connection, key), **values} for key, values in given]
        numbers = self._table.insert_each(connection, rows)
        empty = dict.fromkeys(self._table.columns)
        return [
            self._read(connection, {**empty, **row, "number": number})
            for row, number in zip(rows, numbers, strict=True)
        ]

    def update_each(
        self, connection: Connection, changes: Sequence[tuple[int, Mapping[str, object]]]
    ) -> list[R]:
        """Change records, each once; return them as they are now."""
        self._table.update_each(connection, changes)
        found = self.get_each(connection, [number for number, _ in changes])
        return [found[number] for number, _ in changes]

    def select(self, connection: Connection, condition: str, *values: object) -> list[R]:
        """Return the records that a condition in SQL is true of."""
        rows = self._table.select(connection, condition, *values)
        return [self._read(connection, row) for row in rows]

    def get(self, connection: Connection, number: int) -> R:
        """Return the record with this number."""
        return self.get_each(connection, [number])[number]

    def get_each(self, connection: Connection, numbers: Sequence[int]) -> dict[int, R]:
        """Return the records with these numbers, by their numbers."""
        rows = self._table.select_each(connection, "number", numbers)
        found = {row["number"]: self._read(connection, row) for row in rows}
        for number in numbers:
            if number not in found:
                raise CatalogError(f"there is no {self._noun} number {number} on record")
        return found

    def find(self, connection: Connection, key: VaultKey, id_: str) -> R | None:
        """Return the record with this id of the service.

        Raises:
            CatalogMismatchError: It is on record, but in another vault, account or region.
        """
        found = self.select(connection, f"{self._noun}_id = ?", id_)
        if found:
            refuse_other(connection, f"{self._noun} {id_}", found[0].key, key)
        return found[0] if found else None

    def page(self, connection: Connection, condition: str, key: VaultKey | None, last: R | None) -> list[R]:
        """Return the next records that a condition is true of, of one vault or of all, oldest first."""
        condition, values = f"{condition} AND number > ?", [last.number if last else 0]
        if key is not None:
            condition += " AND place = ?"
            values.append(find_vault(connection, key))
        return self.select(connection, f"{condition} ORDER BY number LIMIT {_PAGE}", *values)

    def _read(self, connection: Connection, row: dict[str, Any]) -> R:
        key = all_vaults(connection)[row.pop("place")]
        record: R = self._make({**row, "key": key})
        return record


class _Known(dict[int, VaultKey]):
    """Vaults by their numbers, read when one is missing, and numbers by vaults."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[VaultKey, int] = {}
        self.connection: Connection | None = None

    def __missing__(self, number: int) -> VaultKey:
        if self.connection is not None:
            self.update(_read(self.connection))
            self.numbers.update({key: number for number, key in self.items()})
        if number not in self:
            raise KeyError(number)
        return self[number]


def _known(connection: Connection) -> _Known:
    known: _Known = connection.notes.setdefault(_KNOWN, _Known())
    known.connection = connection
    return known


def _read(connection: Connection) -> dict[int, VaultKey]:
    return {
        number: VaultKey(vault, region, account_id, unescape(endpoint))
        for number, vault, region, account_id, endpoint in connection.rows(_LIST)
    }


def _row(key: VaultKey) -> tuple[str, ...]:
    return key.vault, key.region, key.account_id, escape(key.endpoint)


def confirm_account(connection: Connection, key: VaultKey, account_id: str) -> None:
    """Record the account that a vault is in, or compare it with the one on record.

    Raises:
        CatalogMismatchError: They differ.
    """
    number = keep_vault(connection, key)
    ((recorded,),) = connection.rows("SELECT real_account_id FROM places WHERE number = ?", (number,))
    if recorded is None:
        connection.rows("UPDATE places SET real_account_id = ? WHERE number = ?", (account_id, number))
    elif recorded != account_id:
        raise CatalogMismatchError(
            f"the catalog's records of {key} are of another account; use other credentials, or another "
            "catalog",
            recorded=f"account {recorded}",
            found=f"account {account_id}",
        )


def facts_of(connection: Connection, key: VaultKey) -> tuple[str | None, datetime | None]:
    """Return the account that a vault is in, and when it was created, as far as is on record."""
    is_it = "SELECT real_account_id, created FROM places WHERE number = ?"
    for account_id, created in connection.rows(is_it, (find_vault(connection, key),)):
        return account_id, optional(instant_of, created)
    return None, None


def keep_created(connection: Connection, key: VaultKey, created: datetime) -> int:
    """Record when a vault was created; return its number.

    A vault that is not on record is the one of its name and date at another port of the same host, or in a
    folder that is gone: a local Glacier has moved, and its records go with it.

    Raises:
        CatalogMismatchError: The vault on record was created later, so this is another one.
    """
    instant = count_microseconds(created)
    number = find_vault(connection, key)
    if not number:
        moved = [number for number, on_record in _others(connection, key) if on_record == instant]
        if moved:
            number = moved[-1]
            connection.rows("UPDATE places SET endpoint = ? WHERE number = ?", (escape(key.endpoint), number))
            connection.notes.pop(_KNOWN, None)
    number = number or keep_vault(connection, key)
    ((recorded,),) = connection.rows("SELECT created FROM places WHERE number = ?", (number,))
    if recorded is not None and recorded > instant:
        raise CatalogMismatchError(
            f"the catalog's records of {key} are of another vault; use another catalog",
            recorded=f"one created on {instant_of(recorded)}",
            found=f"one created on {created}",
        )
    if recorded != instant:
        connection.rows("UPDATE places SET created = ? WHERE number = ?", (instant, number))
    return number


def _others(connection: Connection, key: VaultKey) -> list[tuple[int, int | None]]:
    """Return numbers and dates of the vaults on record that this one may have been before it moved."""
    return [
        (number, created)
        for number, endpoint, created in connection.rows(
            "SELECT number, endpoint, created FROM places "
            "WHERE vault = ? AND region = ? AND account_id = ? ORDER BY number",
            _row(key)[:3],
        )
        if replace(key, endpoint=unescape(endpoint)).may_have_moved_to(key.endpoint)
    ]
