"""Merging inventories into the archives on record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import ArchiveState, Catalog, MergeResult
from aioglacier.core.errors import CatalogMismatchError
from aioglacier.core.models import ArchiveId
from tests.catalog.conftest import FILMS, NOON, OTHER_HASH, PHOTOS, archive, ids

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.core.models import Archive

DAY = timedelta(days=1)


@pytest.mark.slow
async def test_an_inventory_fills_an_empty_catalog(catalog: Catalog) -> None:
    """Rebuilt from an inventory: everything the service knows, across many transactions."""
    archives = [archive(number) for number in range(12_001)]
    result = await catalog.archives.merge_inventory(PHOTOS, archives, inventoried=NOON)
    assert result == MergeResult(added=12_001, confirmed=0, conflicting=0)
    listed = [record async for record in catalog.archives.list_vault(PHOTOS)]
    assert [record.archive for record in listed] == archives
    assert {(record.state, record.source, record.upload, record.seen) for record in listed} == {
        (ArchiveState.STORED, None, None, NOON)
    }
    totals = await catalog.archives.totals(PHOTOS)
    assert (totals.archives, totals.size, totals.inventoried) == (12_001, 5 * 12_001, NOON)


async def test_an_inventory_that_comes_as_a_stream(catalog: Catalog) -> None:
    """As ``Job.inventory()`` gives it; the same again adds nothing."""

    async def stream() -> AsyncIterator[Archive]:
        for number in range(5001):
            yield archive(number)

    result = await catalog.archives.merge_inventory(PHOTOS, stream(), inventoried=NOON)
    assert result == MergeResult(5001, 0, 0)
    result = await catalog.archives.merge_inventory(PHOTOS, stream(), inventoried=NOON + DAY)
    assert result == MergeResult(0, 5001, 0)
    assert (await catalog.archives.totals(PHOTOS)).archives == 5001


async def test_an_inventory_deletes_nothing(catalog: Catalog) -> None:
    """SV-18: older than the last upload, or partial, it leaves what it does not list "not seen yet"."""
    await catalog.archives.record(PHOTOS, archive(1), source="/one")
    await catalog.archives.merge_inventory(PHOTOS, [archive(2)], inventoried=NOON)
    one = await catalog.archives.get(PHOTOS, archive(1).id)
    assert one is not None
    assert (one.state, one.seen, one.source) == (ArchiveState.STORED, None, "/one")
    await catalog.archives.merge_inventory(PHOTOS, [archive(1)], inventoried=NOON + DAY)
    one = await catalog.archives.get(PHOTOS, archive(1).id)
    assert one is not None
    assert (one.seen, one.source) == (NOON + DAY, "/one")


async def test_an_older_inventory_does_not_set_dates_back(catalog: Catalog) -> None:
    """The latest date stays, of the archive and of the vault."""
    await catalog.archives.merge_inventory(PHOTOS, [archive(1)], inventoried=NOON)
    await catalog.archives.merge_inventory(PHOTOS, [archive(1)], inventoried=NOON - DAY)
    record = await catalog.archives.get(PHOTOS, archive(1).id)
    assert record is not None
    assert record.seen == NOON
    assert (await catalog.archives.totals(PHOTOS)).inventoried == NOON


async def test_an_inventory_of_the_first_day_of_the_calendar(catalog: Catalog) -> None:
    """Its date is counted with, and puts nothing in doubt."""
    await catalog.archives.record(PHOTOS, archive(1), source="/one")
    result = await catalog.archives.merge_inventory(
        PHOTOS, [archive(2)], inventoried=datetime(1, 1, 1, tzinfo=UTC)
    )
    assert (result.added, result.missing) == (1, 0)


async def test_a_range_of_an_inventory_does_not_count_as_one(catalog: Catalog) -> None:
    """Its date is the archives', not the vault's."""
    await catalog.archives.merge_inventory(PHOTOS, [archive(1)], inventoried=NOON, is_whole=False)
    assert (await catalog.archives.totals(PHOTOS)).inventoried is None


async def test_an_archive_listed_twice_is_one(catalog: Catalog) -> None:
    """SV-18, in one statement and in two inventories."""
    twice = [archive(1), archive(2), archive(1)]
    assert await catalog.archives.merge_inventory(PHOTOS, twice, inventoried=NOON) == MergeResult(2, 1, 0)
    assert await ids(catalog.archives.list_vault(PHOTOS)) == [archive(1).id, archive(2).id]


@pytest.mark.parametrize("between", [0, 300])
async def test_an_archive_that_is_listed_with_two_sizes_is_suspect(catalog: Catalog, between: int) -> None:
    """SV-18: in one statement and in two; only a later inventory that agrees ends the doubt."""
    others = [archive(number) for number in range(2, 2 + between)]
    lines = [archive(1), *others, archive(1, size=6), archive(1, tree_hash=OTHER_HASH)]
    for days, state in ((0, ArchiveState.SUSPECT), (1, ArchiveState.STORED)):
        listed = lines if state is ArchiveState.SUSPECT else lines[:1]
        result = await catalog.archives.merge_inventory(PHOTOS, listed, inventoried=NOON + days * DAY)
        assert result.conflicting == (state is ArchiveState.SUSPECT)
        record = await catalog.archives.get(PHOTOS, archive(1).id)
        assert record is not None
        assert record.state is state


@pytest.mark.parametrize("other", [archive(1, size=6), archive(1, tree_hash=OTHER_HASH)])
async def test_an_archive_that_differs_is_suspect(catalog: Catalog, other: Archive) -> None:
    """The proven facts stay on record beside the doubt."""
    await catalog.archives.record(PHOTOS, archive(1))
    result = await catalog.archives.merge_inventory(PHOTOS, [other], inventoried=NOON)
    assert result == MergeResult(0, 0, 1)
    record = await catalog.archives.get(PHOTOS, archive(1).id)
    assert record is not None
    assert (record.state, record.archive) == (ArchiveState.SUSPECT, archive(1))


async def test_a_deleted_archive_stays_deleted(catalog: Catalog) -> None:
    """Inventories list it for a while; it is not in any sum or list unless asked for."""
    await catalog.archives.record(PHOTOS, archive(1))
    await catalog.archives.record_state(PHOTOS, archive(1).id, ArchiveState.DELETING)
    assert await ids(catalog.archives.list_vault(PHOTOS)) == [archive(1).id]
    await catalog.archives.record_state(PHOTOS, archive(1).id, ArchiveState.DELETED)
    await catalog.archives.merge_inventory(PHOTOS, [archive(1)], inventoried=NOON)
    assert (await catalog.archives.totals(PHOTOS)).archives == 0
    assert await ids(catalog.archives.list_vault(PHOTOS)) == []
    deleted = catalog.archives.list_vault(PHOTOS, states=[ArchiveState.DELETED])
    assert await ids(deleted) == [archive(1).id]
    await catalog.archives.record_state(PHOTOS, ArchiveId("unknown"), ArchiveState.DELETED)


async def test_an_inventory_of_another_vault_is_refused(catalog: Catalog) -> None:
    """DC-09; nothing of it is merged."""
    with pytest.raises(CatalogMismatchError):
        await catalog.archives.merge_inventory(FILMS, [archive(1)], inventoried=NOON)
    assert await ids(catalog.archives.list_vault(FILMS)) == []


async def test_an_inventory_that_is_later_than_the_doubt_ends_it(location: str) -> None:
    """An archive that the service did not know is stored again once a later inventory lists it."""
    async with Catalog.open(location, now=lambda: NOON) as catalog:
        await catalog.archives.merge_inventory(PHOTOS, [archive(1), archive(2)], inventoried=NOON - 9 * DAY)
        assert await catalog.archives.doubt(PHOTOS, archive(1).id) == 1
        for hours, state in ((-1, ArchiveState.SUSPECT), (1, ArchiveState.STORED)):
            inventoried = NOON + timedelta(hours=hours)
            await catalog.archives.merge_inventory(PHOTOS, [archive(1)], inventoried=inventoried)
            found = await catalog.archives.get(PHOTOS, archive(1).id)
            assert found is not None
            assert found.state is state
        assert await catalog.archives.doubt(FILMS) == 0
        assert await catalog.archives.doubt(PHOTOS) == 1  # the one that no inventory of later than now lists
