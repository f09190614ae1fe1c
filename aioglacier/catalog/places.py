"""Vaults as the other tables refer to them.

Their numbers never change, so each connection to the database remembers those it has met. What a transaction
has met is forgotten if it fails: it may have been made in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, insert, select, update

from aioglacier.catalog.records import Place
from aioglacier.catalog.tables import PLACES
from aioglacier.core.errors import CatalogMismatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


_KNOWN: Final = "aioglacier.places"

_FIND: Final = select(PLACES.c.number).where(
    PLACES.c.vault == bindparam("vault"),
    PLACES.c.region == bindparam("region"),
    PLACES.c.account_id == bindparam("account_id"),
    PLACES.c.endpoint == bindparam("endpoint"),
)
_LIST: Final = select(
    PLACES.c.number, PLACES.c.vault, PLACES.c.region, PLACES.c.account_id, PLACES.c.endpoint
).order_by(PLACES.c.number)


def find_place(connection: Connection, place: Place) -> int:
    """The number of a vault, 0 if nothing is recorded of it."""
    known = _known(connection)
    if place not in known.numbers:
        number = connection.scalar(_FIND, _values(place))
        if number is None:
            return 0
        known.numbers[place] = number
    return known.numbers[place]


def keep_place(connection: Connection, place: Place) -> int:
    """The number of a vault, which it gets now if it has none."""
    if number := find_place(connection, place):
        return number
    made = connection.execute(insert(PLACES).values(_values(place)).returning(PLACES.c.number))
    return int(made.scalar_one())


def all_places(connection: Connection) -> Mapping[int, Place]:
    """Every vault by its number; those that nobody has asked for yet may be missing in a list of them."""
    return _known(connection)


def list_places(connection: Connection) -> list[Place]:
    """Every vault, in the order of recording."""
    return [Place(row.vault, row.region, row.account_id, row.endpoint) for row in connection.execute(_LIST)]


def forget(connection: Connection) -> None:
    """Forget what a transaction that failed may have met."""
    if not connection.closed and not connection.invalidated:
        connection.info.pop(_KNOWN, None)


class _Known(dict[int, Place]):
    """Vaults by their numbers, asked for when one is missing, and numbers by vaults."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[Place, int] = {}
        self.connection: Connection | None = None

    def __missing__(self, number: int) -> Place:
        if self.connection is not None:
            for row in self.connection.execute(_LIST):
                self[row.number] = Place(row.vault, row.region, row.account_id, row.endpoint)
        if number not in self:
            raise KeyError(number)
        return self[number]


def _known(connection: Connection) -> _Known:
    known: _Known = connection.info.setdefault(_KNOWN, _Known())
    known.connection = connection
    return known


def _values(place: Place) -> dict[str, str]:
    return {
        "vault": place.vault,
        "region": place.region,
        "account_id": place.account_id,
        "endpoint": place.endpoint,
    }


def confirm_account(connection: Connection, place: Place, account_id: str) -> None:
    """Record the account that a vault is in, or compare it with the one on record.

    Raises:
        CatalogMismatchError: They differ.
    """
    number = keep_place(connection, place)
    recorded = connection.scalar(select(PLACES.c.real_account_id).where(PLACES.c.number == number))
    if recorded is None:
        connection.execute(update(PLACES).where(PLACES.c.number == number).values(real_account_id=account_id))
    elif recorded != account_id:
        raise CatalogMismatchError(
            f"the catalog's records of {place} are of another account; use other credentials, or another "
            "catalog",
            recorded=f"account {recorded}",
            found=f"account {account_id}",
        )
