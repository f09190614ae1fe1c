"""Vaults as the other tables refer to them; the table and its columns are called ``places`` and ``place``.

Their numbers never change, so each connection to the database remembers those that it has met. It forgets
them if a transaction fails, because that may have made them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.catalog.records import VaultKey
from aioglacier.catalog.storage.columns import escape, unescape
from aioglacier.core.errors import CatalogMismatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.catalog.storage.backend import Connection


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


def list_vaults(connection: Connection) -> list[VaultKey]:
    """Return every vault, in the order of recording."""
    return list(_read(connection).values())


class _Known(dict[int, VaultKey]):
    """Vaults by their numbers, read when one is missing, and numbers by vaults."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[VaultKey, int] = {}
        self.connection: Connection | None = None

    def __missing__(self, number: int) -> VaultKey:
        if self.connection is not None:
            self.update(_read(self.connection))
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
