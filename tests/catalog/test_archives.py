"""Archives on record: kept apart by vault, found and listed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from aioglacier.catalog import ArchiveState, Catalog, MergeResult, VaultKey
from aioglacier.core.errors import CatalogMismatchError
from tests.catalog.conftest import FILMS, NOON, PHOTOS, archive, ids

DAY = timedelta(days=1)


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


async def test_descriptions_of_several_are_found_in_any_state(catalog: Catalog) -> None:
    """Archives that are not on record are left out; none are asked for none."""
    await catalog.archives.record(PHOTOS, archive(1))
    await catalog.archives.record(PHOTOS, archive(2), state=ArchiveState.DELETED)
    wanted = [archive(number).id for number in (1, 2, 3)]
    found = await catalog.archives.descriptions(PHOTOS, wanted)
    assert found == {archive(number).id: archive(number).description for number in (1, 2)}
    assert await catalog.archives.descriptions(PHOTOS, []) == {}


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


async def test_archives_that_are_older_than_their_vault_are_in_doubt(catalog: Catalog) -> None:
    """The date of an answer has no fractions of a second, so an archive of the same second stays."""
    await catalog.archives.merge_inventory(PHOTOS, [archive(1), archive(2)], inventoried=NOON - 9 * DAY)
    created = archive(2).created + timedelta(milliseconds=900)
    assert await catalog.archives.note_vault(PHOTOS, "111122223333", created) == 1
    assert await catalog.archives.note_vault(PHOTOS, "111122223333", created) == 0
    for other, earlier in (("111122223333", timedelta(days=1)), ("444455556666", timedelta())):
        with pytest.raises(CatalogMismatchError):
            await catalog.archives.note_vault(PHOTOS, other, created - earlier)


async def test_deletions_of_many_archives_at_once(catalog: Catalog) -> None:
    """They are written together: of two vaults, of archives on record or on none, twice of one archive."""
    for number in range(10):
        await catalog.archives.record(PHOTOS, archive(number))
    state, deleted = catalog.archives.record_state, ArchiveState.DELETED
    await asyncio.gather(
        *(state(PHOTOS, archive(number).id, ArchiveState.DELETING) for number in range(12)),
        state(FILMS, archive(1).id, deleted),
        state(PHOTOS, archive(0).id, deleted),
        state(PHOTOS, archive(11).id, deleted),
    )
    states = [record.state async for record in catalog.archives.list_vault(PHOTOS, states=list(ArchiveState))]
    assert states == [deleted, *[ArchiveState.DELETING] * 9]
    for key, number, after in (
        (PHOTOS, 10, ArchiveState.DELETING),
        (PHOTOS, 11, deleted),
        (FILMS, 1, deleted),
    ):
        assert (await catalog.archives.record(key, archive(number))).state is after
