"""Moves with a few planned archives, for the tests of their records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.catalog.moves.moves import Named
from aioglacier.catalog.records import MoveState
from tests.catalog.samples import PHOTOS, archive

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog
    from aioglacier.catalog.records import MovedRecord, MoveRecord


async def planned(catalog: Catalog, count: int, *names: str) -> MoveRecord:
    """Return a move with so many archives of the same names to try."""
    move = await catalog.moves.open(PHOTOS, "s3://b/p/", {"larger": "3"})
    records = [await catalog.archives.record(PHOTOS, archive(number)) for number in range(count)]
    await catalog.moves.plan(move, [Named(each, [*names, each.archive.id]) for each in records])
    return move


async def listed(catalog: Catalog, move: MoveRecord, *states: MoveState) -> list[MovedRecord]:
    """Return the archives of a move in some states."""
    return [moved async for moved in catalog.moves.list_moved(move, states or tuple(MoveState))]
