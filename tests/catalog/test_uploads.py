"""Uploads on record: each step in its order, and nothing that was not said."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import ArchiveState, Catalog, PartRecord, UploadState, VaultKey
from aioglacier.core.errors import CatalogError, CatalogMismatchError
from aioglacier.core.models import UploadId
from aioglacier.files.reading import FileIdentity
from tests.catalog.conftest import FILMS, NOON, OTHER_HASH, PHOTOS, TREE_HASH, archive

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from aioglacier.catalog import UploadRecord

MIB = 1024 * 1024

#: What may follow each state; itself always may.
FOLLOWING = {
    "intent": {"open", "completing", "aborted", "expired", "failed"},
    "open": {"completing", "aborted", "expired", "failed"},
    "completing": {"open", "completed", "aborted", "failed"},
    "completed": set[str](),
    "aborted": {"open"},
    "expired": {"open"},
    "failed": {"open"},
}


async def begin(catalog: Catalog, source: str | None = "/film.mkv", key: VaultKey = PHOTOS) -> UploadRecord:
    """Record an intent."""
    return await catalog.uploads.record_intent(key, part_size=MIB, source=source, description="a film")


def id_of(upload: UploadRecord) -> UploadId:
    """Return the id that an upload gets from the service, which is "one" for the first upload."""
    return UploadId("one" if upload.number == 1 else f"one of {upload.number}")


async def reach(catalog: Catalog, state: UploadState) -> UploadRecord:
    """Record an upload up to this state."""
    upload = await begin(catalog)
    match state:
        case UploadState.INTENT:
            return upload
        case UploadState.OPEN:
            return await catalog.uploads.record_initiated(upload, id_of(upload))
        case UploadState.COMPLETING:
            await catalog.uploads.record_initiated(upload, id_of(upload))
            return await catalog.uploads.record_completing(upload, size=5, tree_hash=TREE_HASH)
        case UploadState.COMPLETED:
            await catalog.uploads.record_completing(upload, size=5, tree_hash=TREE_HASH)
            await catalog.uploads.record_completed(upload, archive(upload.number, tree_hash=TREE_HASH))
            return await catalog.uploads.get(upload.number)
        case _:
            return await become(catalog, upload, state)


async def become(catalog: Catalog, upload: UploadRecord, state: UploadState) -> UploadRecord:
    """Record the step to a state."""
    uploads = catalog.uploads
    match state:
        case UploadState.OPEN:
            return await uploads.record_initiated(upload, id_of(upload))
        case UploadState.COMPLETING:
            return await uploads.record_completing(upload, size=5, tree_hash=TREE_HASH)
        case UploadState.COMPLETED:
            await uploads.record_completed(upload, archive(upload.number, tree_hash=TREE_HASH))
            return await uploads.get(upload.number)
        case UploadState.ABORTED:
            return await uploads.record_aborted(upload)
        case UploadState.EXPIRED:
            return await uploads.record_expired(upload)
        case UploadState.FAILED:
            return await uploads.record_failed(upload, "why")
        case UploadState.INTENT:
            raise AssertionError


async def test_the_life_of_an_upload(location: str) -> None:
    """From the intent to the archive, with everything on record after another opening."""
    identity = FileIdentity(1, 2, 5, 4, 5)
    async with Catalog.open(location, now=lambda: NOON) as catalog:
        upload = await catalog.uploads.record_intent(
            PHOTOS, part_size=MIB, size=5, description="d", source="/s", identity=identity
        )
        assert (upload.state, upload.upload_id, upload.created) == (UploadState.INTENT, None, NOON)
        assert len(bytes.fromhex(upload.nonce)) == 8
        upload = await catalog.uploads.record_initiated(upload, UploadId("-u"))
        await catalog.uploads.record_parts(upload, [PartRecord(0, 5, TREE_HASH, TREE_HASH)])
    async with Catalog.open(location) as catalog:
        found = await catalog.uploads.find_unfinished(PHOTOS, "/s")
        assert found == upload
        upload = await catalog.uploads.record_completing(upload, size=5, tree_hash=TREE_HASH)
        made = archive(1, tree_hash=TREE_HASH)
        record = await catalog.uploads.record_completed(upload, made)
        assert (record.archive, record.source, record.seen) == (made, "/s", None)
        assert (record.state, record.upload) == (ArchiveState.STORED, upload.number)
    async with Catalog.open(location) as catalog:
        upload = await catalog.uploads.get(upload.number)
        assert (upload.state, upload.archive_id, upload.identity) == ("completed", made.id, identity)
        assert await catalog.archives.get(PHOTOS, made.id) == record
        parts = [part async for part in catalog.uploads.list_parts(upload.number)]
        assert parts == [PartRecord(0, 5, TREE_HASH, TREE_HASH)]
        assert await catalog.uploads.find_unfinished(PHOTOS, "/s") is None


@pytest.mark.slow
@pytest.mark.parametrize("before", UploadState)
async def test_only_steps_of_the_table_are_taken(catalog: Catalog, before: UploadState) -> None:
    """Each allowed step is made, each again does no harm, and any other changes nothing."""
    for after in list(UploadState)[1:]:
        upload = await reach(catalog, before)
        if after in FOLLOWING[before] or after is before:
            assert (await become(catalog, upload, after)).state is after
            assert (await become(catalog, upload, after)).state is after
        else:
            with pytest.raises(CatalogError):
                await become(catalog, upload, after)
            assert await catalog.uploads.get(upload.number) == upload, after


async def test_an_upload_has_one_id(catalog: Catalog) -> None:
    """Another is refused with both; the same again is not."""
    upload = await reach(catalog, UploadState.OPEN)
    await catalog.uploads.record_initiated(upload, UploadId("one"))
    with pytest.raises(CatalogMismatchError, match="on record is upload one, but this is upload two"):
        await catalog.uploads.record_initiated(upload, UploadId("two"))
    with pytest.raises(CatalogMismatchError, match="upload one is on record already: on record is one of"):
        await catalog.uploads.record_initiated(await begin(catalog, None), UploadId("one"))


async def test_an_archive_that_is_not_what_was_uploaded_is_refused(catalog: Catalog) -> None:
    """The upload stays as it was, and no archive is recorded."""
    upload = await reach(catalog, UploadState.COMPLETING)
    other = archive(1, tree_hash=OTHER_HASH)
    with pytest.raises(CatalogMismatchError) as raised:
        await catalog.uploads.record_completed(upload, other)
    assert TREE_HASH.hex() in raised.value.recorded
    assert OTHER_HASH.hex() in raised.value.found
    assert await catalog.uploads.get(upload.number) == upload
    assert await catalog.archives.get(PHOTOS, other.id) is None


@pytest.mark.slow
async def test_a_suspect_archive_is_on_record_as_such(catalog: Catalog) -> None:
    """SV-06: it is not lost, and not taken for good."""
    upload = await reach(catalog, UploadState.COMPLETING)
    record = await catalog.uploads.record_completed(upload, archive(1, tree_hash=TREE_HASH), is_suspect=True)
    assert record.state is ArchiveState.SUSPECT


async def test_a_refused_completion_is_open_again(catalog: Catalog) -> None:
    """Parts go on being recorded."""
    upload = await catalog.uploads.record_reopened(await reach(catalog, UploadState.COMPLETING))
    assert (upload.state, upload.upload_id) == (UploadState.OPEN, "one")
    await catalog.uploads.record_parts(upload, [PartRecord(0, 5, TREE_HASH, b"")])


@pytest.mark.parametrize("end", [UploadState.ABORTED, UploadState.EXPIRED, UploadState.FAILED])
async def test_an_upload_that_came_to_nothing_keeps_no_parts(catalog: Catalog, end: UploadState) -> None:
    """Their hashes are of no more use, and no more are taken."""
    upload = await reach(catalog, UploadState.OPEN)
    await catalog.uploads.record_parts(upload, [PartRecord(0, 5, TREE_HASH, b"")])
    upload = await become(catalog, upload, end)
    assert [part async for part in catalog.uploads.list_parts(upload.number)] == []
    with pytest.raises(CatalogError, match=f"is {end} and takes no more parts"):
        await catalog.uploads.record_parts(upload, [PartRecord(0, 5, TREE_HASH, b"")])


@pytest.mark.slow
async def test_parts_come_in_order_and_the_last_word_counts(catalog: Catalog) -> None:
    """Recorded in any order, across several pages; a part sent again replaces the first."""
    upload = await reach(catalog, UploadState.OPEN)
    for index in reversed(range(130)):
        await catalog.uploads.record_parts(upload, [PartRecord(index, MIB, TREE_HASH, TREE_HASH)])
    await catalog.uploads.record_parts(upload, [PartRecord(64, 7, OTHER_HASH, b"")])
    parts = [part async for part in catalog.uploads.list_parts(upload.number)]
    assert [part.index for part in parts] == list(range(130))
    assert parts[64] == PartRecord(64, 7, OTHER_HASH, b"")
    assert parts[63] == PartRecord(63, MIB, TREE_HASH, TREE_HASH)


async def test_activity_is_dated(location: str) -> None:
    """So an upload near the end of its day without activity can be recognized."""
    times = iter(NOON + timedelta(hours=hour) for hour in range(9))
    now: list[datetime] = []

    def tick() -> datetime:
        now.append(next(times))
        return now[-1]

    async with Catalog.open(location, now=tick) as catalog:
        upload = await begin(catalog)
        upload = await catalog.uploads.record_initiated(upload, UploadId("one"))
        await catalog.uploads.record_parts(upload, [PartRecord(0, 5, TREE_HASH, b"")])
        upload = await catalog.uploads.get(upload.number)
        assert (upload.created, upload.active) == (NOON, now[-1])
        assert upload.active > upload.created


async def test_unfinished_uploads_are_found_by_source_and_vault(catalog: Catalog) -> None:
    """The latest of this source, and none of another source or vault."""
    assert await catalog.uploads.find_unfinished(PHOTOS, "/film.mkv") is None
    first = await begin(catalog)
    second = await begin(catalog)
    stream = await begin(catalog, None)
    elsewhere = await begin(catalog, "/film.mkv", FILMS)
    assert first.nonce != second.nonce
    assert await catalog.uploads.find_unfinished(PHOTOS, "/film.mkv") == second
    assert await catalog.uploads.find_unfinished(FILMS, "/film.mkv") == elsewhere
    assert await catalog.uploads.find_unfinished(PHOTOS, "/film") is None
    assert await catalog.uploads.find_unfinished(VaultKey("photos", "eu-west-2"), "/film.mkv") is None
    await catalog.uploads.record_aborted(second)
    assert await catalog.uploads.find_unfinished(PHOTOS, "/film.mkv") == first
    assert [upload async for upload in catalog.uploads.list_unfinished(PHOTOS)] == [first, stream]
    assert [upload async for upload in catalog.uploads.list_unfinished()] == [first, stream, elsewhere]


async def test_an_upload_of_another_vault_is_not_mixed_up(catalog: Catalog) -> None:
    """DC-09: both places are named."""
    upload = await reach(catalog, UploadState.OPEN)
    assert await catalog.uploads.find(PHOTOS, UploadId("one")) == upload
    assert await catalog.uploads.find(PHOTOS, UploadId("two")) is None
    for key in (FILMS, VaultKey("photos", "us-east-1"), VaultKey("photos", "eu-west-1", "111122223333")):
        with pytest.raises(CatalogMismatchError) as raised:
            await catalog.uploads.find(key, UploadId("one"))
        assert (raised.value.recorded, raised.value.found) == (str(PHOTOS), str(key))


async def test_a_record_of_another_catalog_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    """Its number means nothing here."""
    async with Catalog.open(tmp_path / "other.db") as other:
        upload = await begin(other)
    with pytest.raises(CatalogError, match="no upload number 1 on record"):
        await catalog.uploads.record_aborted(upload)
    with pytest.raises(CatalogError, match="no upload number 1 on record"):
        await catalog.uploads.record_parts(upload, [])
    with pytest.raises(CatalogError, match="no upload number 1 on record"):
        await catalog.uploads.record_completed(upload, archive(1))
