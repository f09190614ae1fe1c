"""Vaults as the other tables refer to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from aioglacier.catalog.records import Place
from aioglacier.catalog.tables import PLACES
from aioglacier.core.errors import CatalogMismatchError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.sql import ColumnElement


def _is(place: Place) -> ColumnElement[bool]:
    return (
        (PLACES.c.vault == place.vault)
        & (PLACES.c.region == place.region)
        & (PLACES.c.account_id == place.account_id)
        & (PLACES.c.endpoint == place.endpoint)
    )


def find_place(connection: Connection, place: Place) -> int:
    """The number of a vault, 0 if nothing is recorded of it."""
    number: int | None = connection.scalar(select(PLACES.c.number).where(_is(place)))
    return number or 0


def keep_place(connection: Connection, place: Place) -> int:
    """The number of a vault, which it gets now if it has none."""
    if number := find_place(connection, place):
        return number
    made = connection.execute(
        insert(PLACES)
        .values(
            vault=place.vault,
            region=place.region,
            account_id=place.account_id,
            endpoint=place.endpoint,
        )
        .returning(PLACES.c.number)
    )
    return int(made.scalar_one())


def all_places(connection: Connection) -> dict[int, Place]:
    """Every vault by its number."""
    rows = connection.execute(
        select(PLACES.c.number, PLACES.c.vault, PLACES.c.region, PLACES.c.account_id, PLACES.c.endpoint)
    )
    return {row.number: Place(row.vault, row.region, row.account_id, row.endpoint) for row in rows}


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
