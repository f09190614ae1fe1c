"""Statements in SQL and statements made with SQLAlchemy: one connection, one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select

from aioglacier.catalog.storage.tables import PLACES
from aioglacier.core.errors import CatalogError

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog
    from aioglacier.catalog.storage.backend import Connection

_INSERT = "INSERT INTO places (account_id, region, endpoint, vault) VALUES ('-', 'eu-west-1', '', ?)"


def both(connection: Connection) -> list[str]:
    """Make a vault in one way, see it in the other, and the other way round."""
    connection.rows(_INSERT, ("photos",))
    assert connection.alchemy.scalars(select(PLACES.c.vault)).all() == ["photos"]
    values = {"account_id": "-", "region": "eu-west-1", "endpoint": "", "vault": "films"}
    connection.alchemy.execute(insert(PLACES).values(values))
    return vaults(connection)


def vaults(connection: Connection) -> list[str]:
    """The names of all that are on record."""
    return [vault for (vault,) in connection.rows("SELECT vault FROM places ORDER BY number")]


async def test_both_ways_see_what_the_other_has_changed(catalog: Catalog) -> None:
    """Also where SQLAlchemy is loaded in the middle of a transaction, and it is all kept."""
    assert await catalog._database.write(both) == ["photos", "films"]
    assert await catalog._database.read(vaults) == ["photos", "films"]


@pytest.mark.parametrize("error", [CatalogError("no"), KeyError("no")])
async def test_what_fails_is_undone_in_both(catalog: Catalog, error: Exception) -> None:
    """Whatever it fails with, and the connection goes on."""

    def fail(connection: Connection) -> None:
        both(connection)
        raise error

    with pytest.raises(type(error)):
        catalog._database.store.run(fail, is_write=True)
    assert await catalog._database.read(vaults) == []
    assert await catalog._database.write(both) == ["photos", "films"]


async def test_what_both_say_is_wrong_is_an_error_of_ours(catalog: Catalog) -> None:
    """A rule of the tables, in SQL and in SQLAlchemy's words."""
    await catalog._database.write(both)
    with pytest.raises(CatalogError, match="cannot be used"):
        await catalog._database.write(lambda connection: connection.rows(_INSERT, ("photos",)))
    with pytest.raises(CatalogError, match="cannot be used"):
        await catalog._database.write(both)
    assert await catalog._database.read(vaults) == ["photos", "films"]
