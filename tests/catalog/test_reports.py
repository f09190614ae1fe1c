"""Reports of a whole catalog, in both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from aioglacier.catalog import ArchiveState, Catalog
from aioglacier.catalog.reports import Duplicate
from aioglacier.catalog.storage.tables import SPENT
from aioglacier.catalog.vaults import keep_vault
from tests.catalog.conftest import FILMS, NOON, OTHER_HASH, PHOTOS, TREE_HASH, archive

if TYPE_CHECKING:
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.models import Archive

DAY = timedelta(days=1)
KIB = 1024
MIB = 1024 * KIB


def aged(number: int, days: float, size: int = 5) -> Archive:
    """An archive that was so old at noon."""
    one = archive(number, size=size)
    return type(one)(one.id, one.vault, one.size, one.tree_hash, one.description, NOON - days * DAY)


async def test_a_vault_by_age_and_size(location: str) -> None:
    """Each archive in one class of each kind; what is deleted in none; limits belong to the class above."""
    async with Catalog.open(location, now=lambda: NOON) as catalog:
        archives = [
            aged(1, 0, 1),
            aged(2, 29.9, 128 * KIB - 1),
            aged(3, 30, 128 * KIB),
            aged(4, 90, MIB),
            aged(5, 364, 64 * MIB),
            aged(6, 5000, 10 * 1024 * MIB),
            aged(7, 5000, 7),
        ]
        await catalog.archives.merge_inventory(PHOTOS, archives[:5], inventoried=NOON)
        await catalog.archives.record(PHOTOS, archives[5], source="/six")
        await catalog.archives.record(PHOTOS, archives[6], state=ArchiveState.DELETED)
        await catalog.archives.record_state(PHOTOS, archives[0].id, ArchiveState.SUSPECT)
        report = await catalog.reports.vault(PHOTOS)
        assert (report.archives.archives, report.archives.size) == (6, sum(one.size for one in archives[:6]))
        assert [(share.least, share.below, share.archives) for share in report.ages] == [
            (0, 30, 2),
            (30, 90, 1),
            (90, 365, 2),
            (365, 1095, 0),
            (1095, None, 1),
        ]
        assert [share.archives for share in report.sizes] == [2, 1, 1, 1, 1]
        assert report.sizes[0].size == 128 * KIB
        assert (report.suspect.archives, report.unknown.archives, report.unseen.archives) == (1, 5, 1)
        assert report.unseen.size == 10 * 1024 * MIB
        assert report.spent == ()
        assert await catalog.reports.list_vaults() == [PHOTOS]
        empty = await catalog.reports.vault(FILMS)
        assert (empty.archives.archives, empty.archives.size) == (0, 0)


async def test_what_was_spent_is_summed_by_operation(catalog: Catalog) -> None:
    """Over runs and days, each currency by itself."""

    def spend(connection: Connection) -> None:
        key = keep_vault(connection, PHOTOS)
        always = {"place": key, "day": NOON, "sent": 10, "received": 1}
        rows = [
            ("UploadArchive", 3, 150, "USD"),
            ("UploadArchive", 4, 200, "USD"),
            ("ListJobs", 1, None, None),
        ]
        for operation, requests, price, currency in rows:
            row = {"operation": operation, "requests": requests, "price": price, "currency": currency}
            SPENT.insert(connection, **always, **row)

    await catalog._database.write(spend)
    report = await catalog.reports.vault(PHOTOS)
    found = [(one.operation, one.requests, one.sent, one.received, one.price) for one in report.spent]
    assert found == [("ListJobs", 1, 10, 1, None), ("UploadArchive", 7, 20, 2, 350)]


async def test_duplicates_are_found_by_content(catalog: Catalog) -> None:
    """Of the same size and tree hash, in this vault, not deleted; across several pages."""
    doubled = [archive(number) for number in range(600)]
    again = [archive(1000 + number, tree_hash=one.tree_hash) for number, one in enumerate(doubled)]
    more = [archive(5000 + number, size=9, tree_hash=TREE_HASH) for number in range(4)]
    single = [archive(9000, tree_hash=OTHER_HASH)]
    await catalog.archives.merge_inventory(PHOTOS, [*doubled, *again, *more, *single], inventoried=NOON)
    await catalog.archives.record(FILMS, archive(9001, tree_hash=OTHER_HASH, vault="films"))
    await catalog.archives.record_state(PHOTOS, more[0].id, ArchiveState.DELETED)
    found = [one async for one in catalog.reports.list_duplicates(PHOTOS)]
    assert len(found) == 601
    assert Duplicate(9, TREE_HASH, 3) in found
    assert {one.tree_hash for one in found} == {TREE_HASH, *(one.tree_hash for one in doubled)}
    assert {one.archives for one in found if one.size == 5} == {2}
    assert sum(one.wasted for one in found) == 600 * 5 + 2 * 9


async def test_a_list_of_duplicates_may_be_left(catalog: Catalog) -> None:
    """The page that was asked for ahead does no harm."""
    await catalog.archives.merge_inventory(
        PHOTOS, [archive(number, tree_hash=TREE_HASH) for number in range(3)], inventoried=NOON
    )
    async for one in catalog.reports.list_duplicates(PHOTOS):
        assert one.archives == 3
        break
    await catalog.archives.record(PHOTOS, archive(9))


async def test_archives_that_only_inventories_tell_of(catalog: Catalog) -> None:
    """Those without a source and without an upload; and the others."""
    await catalog.archives.merge_inventory(PHOTOS, map(archive, range(4)), inventoried=NOON)
    await catalog.archives.record(PHOTOS, archive(1), source="/one")
    listed = catalog.archives.list_vault(PHOTOS, is_unknown=True)
    assert [record.archive async for record in listed] == [archive(0), archive(2), archive(3)]
    listed = catalog.archives.list_vault(PHOTOS, is_unknown=False)
    assert [record.archive async for record in listed] == [archive(1)]


async def test_a_check_counts_archives_that_are_not_as_recorded(catalog: Catalog) -> None:
    """Across several pages; a sound catalog has none."""
    await catalog.archives.merge_inventory(PHOTOS, map(archive, range(4500)), inventoried=NOON)
    assert await catalog.reports.check() == 0
    await catalog._database.write(
        lambda connection: connection.rows("UPDATE archives SET size = 6 WHERE number IN (7, 4400)")
    )
    assert await catalog.reports.check() == 2


async def test_a_dry_run_of_an_inventory_changes_nothing(catalog: Catalog) -> None:
    """It says what would be, also of a vault that nothing is on record of."""
    archives = catalog.archives
    foreseen = await archives.merge_inventory(
        PHOTOS, map(archive, range(7)), inventoried=NOON, is_dry_run=True
    )
    assert (foreseen.added, foreseen.confirmed, foreseen.conflicting) == (7, 0, 0)
    assert await catalog.reports.list_vaults() == []
    await archives.record(PHOTOS, archive(1))
    await archives.record(PHOTOS, archive(2, size=9))
    before = [record async for record in archives.list_vault(PHOTOS)]
    foreseen = await archives.merge_inventory(
        PHOTOS, map(archive, range(7)), inventoried=NOON, is_dry_run=True
    )
    assert (foreseen.added, foreseen.confirmed, foreseen.conflicting) == (5, 1, 1)
    assert [record async for record in archives.list_vault(PHOTOS)] == before
    assert await archives.merge_inventory(PHOTOS, map(archive, range(7)), inventoried=NOON) == foreseen
