"""Archives of vaults that were found to be gone before they were on record."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aioglacier.bulk.archives.object_origin import archives_in
from aioglacier.catalog import ArchiveState, Catalog, VaultKey
from tests.catalog.conftest import FILMS, NOON, PHOTOS, archive

DAY = timedelta(days=1)
BUCKET = VaultKey("s3://bucket/below", "eu-west-1")


async def state(catalog: Catalog, number: int, key: VaultKey = PHOTOS) -> ArchiveState | None:
    """Return the state of an archive on record."""
    found = await catalog.archives.get(key, archive(number).id)
    return found.state if found is not None else None


@pytest.mark.parametrize("last", [ArchiveState.DELETING, ArchiveState.DELETED])
async def test_a_deletion_waits_for_its_archive(catalog: Catalog, last: ArchiveState) -> None:
    """It is on no list until the archive is recorded, by its upload or by an inventory from before."""
    await catalog.archives.record(FILMS, archive(1))
    for number in (1, 2):
        await catalog.archives.record_state(PHOTOS, archive(number).id, last)
        if number == 2:
            await catalog.archives.record_state(PHOTOS, archive(number).id, last)
        await catalog.archives.doubt(PHOTOS, archive(number).id)
        assert await state(catalog, number) is None
    assert (await catalog.archives.totals(PHOTOS)).archives == 0
    await catalog.archives.merge_inventory(PHOTOS, [archive(1), archive(3)], inventoried=NOON + 9 * DAY)
    assert [await state(catalog, 1), await state(catalog, 3)] == [last, ArchiveState.STORED]
    assert (await catalog.archives.record(PHOTOS, archive(2))).state is last
    assert await state(catalog, 2) is last
    assert await state(catalog, 1, FILMS) is ArchiveState.STORED


async def test_a_refused_deletion_says_nothing(catalog: Catalog) -> None:
    """The archive counts when it is recorded."""
    await catalog.archives.record_state(PHOTOS, archive(1).id, ArchiveState.DELETING)
    await catalog.archives.record_state(PHOTOS, archive(1).id, ArchiveState.STORED)
    assert (await catalog.archives.record(PHOTOS, archive(1))).state is ArchiveState.STORED


async def test_a_doubt_waits_for_its_archive(catalog: Catalog) -> None:
    """It ends with an inventory that is not older, and with no other."""
    for number in (1, 2, 3):
        await catalog.archives.doubt(PHOTOS, archive(number).id, missed=NOON + DAY)
    await catalog.archives.record(PHOTOS, archive(1))
    await catalog.archives.merge_inventory(PHOTOS, [archive(2)], inventoried=NOON)
    await catalog.archives.merge_inventory(PHOTOS, [archive(3)], inventoried=NOON + DAY)
    assert [await state(catalog, number) for number in (1, 2, 3)] == [
        ArchiveState.SUSPECT,
        ArchiveState.SUSPECT,
        ArchiveState.STORED,
    ]
    await catalog.archives.merge_inventory(PHOTOS, map(archive, (1, 2)), inventoried=NOON + 2 * DAY)
    assert [await state(catalog, number) for number in (1, 2)] == [ArchiveState.STORED] * 2


async def test_what_is_gone_is_not_made_sound_by_the_record_of_its_making(catalog: Catalog) -> None:
    """A doubt may become a deletion; neither ends because an older fact is recorded late."""
    for worse in (ArchiveState.STORED, ArchiveState.SUSPECT, ArchiveState.DELETED):
        await catalog.archives.record(PHOTOS, archive(1), state=worse)
        for again in (ArchiveState.STORED, worse):
            assert (await catalog.archives.record(PHOTOS, archive(1), state=again)).state is worse
    await catalog.archives.record(PHOTOS, archive(1), state=ArchiveState.SUSPECT)
    assert await state(catalog, 1) is ArchiveState.DELETED


@pytest.mark.parametrize("key", [BUCKET, archives_in(BUCKET)])
async def test_a_key_of_a_bucket_is_given_again(catalog: Catalog, key: VaultKey) -> None:
    """The next object of a key is stored, although the one before is gone."""
    await catalog.archives.doubt(key, archive(1).id)
    await catalog.archives.record_state(key, archive(1).id, ArchiveState.DELETED)
    for _ in range(2):
        assert (await catalog.archives.record(key, archive(1))).state is ArchiveState.STORED
        await catalog.archives.record_state(key, archive(1).id, ArchiveState.DELETED)
