"""Archives on record, and what inventories do to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import ArchiveState, Catalog, MergeResult, VaultKey
from aioglacier.core.errors import CatalogMismatchError
from aioglacier.core.models import ArchiveId
from tests.catalog.conftest import FILMS, NOON, OTHER_HASH, PHOTOS, archive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.core.models import Archive

DAY = timedelta(days=1)


async def ids(records: AsyncIterator[object]) -> list[str]:
    """The ids of listed archives."""
    return [record.archive.id async for record in records]  # type: ignore[attr-defined]


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


#: Text that a database cannot hold as it is, and a path with bytes that are no UTF-8.
AWKWARD = "a\\b\x00c\udce9\n'\"%s:x?é"
SOURCE = "/films/\udcff\\x00 é.mkv"


async def test_any_text_comes_back(catalog: Catalog) -> None:
    """By itself, with others, by an inventory, and when the same is recorded again."""
    awkward = [replace(archive(number), description=AWKWARD) for number in range(4)]
    made = await catalog.archives.record(PHOTOS, awkward[0], source=SOURCE)
    assert (made.archive, made.source, made.seen) == (awkward[0], SOURCE, None)
    await catalog.archives.record(PHOTOS, awkward[1], source=SOURCE)
    await catalog.archives.record(PHOTOS, awkward[2])
    merged = await catalog.archives.merge_inventory(PHOTOS, awkward, inventoried=NOON)
    assert merged == MergeResult(1, 3, 0)
    again = await catalog.archives.record(PHOTOS, awkward[0])
    assert again == replace(made, seen=NOON)
    listed = [record async for record in catalog.archives.list_vault(PHOTOS)]
    assert [record.archive for record in listed] == awkward
    assert [record.source for record in listed] == [SOURCE, SOURCE, None, None]


async def test_an_inventory_of_another_vault_is_refused(catalog: Catalog) -> None:
    """DC-09; nothing of it is merged."""
    with pytest.raises(CatalogMismatchError):
        await catalog.archives.merge_inventory(FILMS, [archive(1)], inventoried=NOON)
    assert await ids(catalog.archives.list_vault(FILMS)) == []


async def test_vaults_are_kept_apart(catalog: Catalog) -> None:
    """By name, region, account and endpoint, even where an id is the same."""
    keys = [
        PHOTOS,
        VaultKey("photos", "us-east-1"),
        VaultKey("photos", "eu-west-1", "111122223333"),
        VaultKey("photos", "eu-west-1", endpoint="local:/depot"),
    ]
    for size, key in enumerate(keys, 1):
        await catalog.archives.record(key, archive(1, size=size))
    for size, key in enumerate(keys, 1):
        (record,) = [one async for one in catalog.archives.list_vault(key)]
        assert (record.archive.size, record.key) == (size, key)


async def test_archives_are_found_by_content(catalog: Catalog) -> None:
    """Every one alike, in any state, to settle an upload whose answer was lost."""
    await catalog.archives.record(PHOTOS, archive(1), source="/a")
    await catalog.archives.record(PHOTOS, archive(2, tree_hash=archive(1).tree_hash), source="/a")
    await catalog.archives.record(PHOTOS, archive(3))
    await catalog.archives.record_state(PHOTOS, archive(2).id, ArchiveState.DELETED)
    alike = catalog.archives.list_alike(PHOTOS, size=5, tree_hash=archive(1).tree_hash)
    assert await ids(alike) == [archive(1).id, archive(2).id]


async def test_a_list_may_be_left_and_recorded_into(catalog: Catalog) -> None:
    """No transaction stays open between two archives."""
    await catalog.archives.merge_inventory(PHOTOS, map(archive, range(2500)), inventoried=NOON)
    seen = 0
    async for record in catalog.archives.list_vault(PHOTOS):
        seen += 1
        if seen % 500 == 0:
            await catalog.archives.record_state(PHOTOS, record.archive.id, ArchiveState.DELETED)
        if seen == 1200:
            break
    assert (await catalog.archives.totals(PHOTOS)).archives == 2498


async def test_the_account_of_a_vault_is_remembered(catalog: Catalog) -> None:
    """DC-09: "-" stands for the owner of the credentials, and another owner is refused."""
    await catalog.confirm_account(PHOTOS, "111122223333")
    await catalog.confirm_account(PHOTOS, "111122223333")
    await catalog.confirm_account(FILMS, "444455556666")
    with pytest.raises(CatalogMismatchError, match="account 111122223333, but this is account 444455556666"):
        await catalog.confirm_account(PHOTOS, "444455556666")


def test_a_place_keeps_no_password() -> None:
    """SE-07: what stands before the host of an endpoint is not recorded."""
    key = VaultKey("photos", "eu-west-1", endpoint="http://user:secret@localhost:8080/path@x")
    assert key.endpoint == "http://localhost:8080/path@x"
    assert str(key) == "vault photos of account - in eu-west-1 at http://localhost:8080/path@x"
    assert VaultKey("photos", "eu-west-1", endpoint="local:/a@b").endpoint == "local:/a@b"


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


async def test_archives_that_are_older_than_their_vault_are_in_doubt(catalog: Catalog) -> None:
    """The date of an answer has no fractions of a second, so an archive of the same second stays."""
    await catalog.archives.merge_inventory(PHOTOS, [archive(1), archive(2)], inventoried=NOON - 9 * DAY)
    created = archive(2).created + timedelta(milliseconds=900)
    assert await catalog.archives.note_vault(PHOTOS, "111122223333", created) == 1
    assert await catalog.archives.note_vault(PHOTOS, "111122223333", created) == 0
    for other, earlier in (("111122223333", timedelta(days=1)), ("444455556666", timedelta())):
        with pytest.raises(CatalogMismatchError):
            await catalog.archives.note_vault(PHOTOS, other, created - earlier)
