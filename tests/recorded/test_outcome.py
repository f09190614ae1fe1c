"""The outcome of an upload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import aioglacier
from aioglacier.catalog import ArchiveRecord, ArchiveState, UploadRecord, UploadState, VaultKey
from aioglacier.catalog.archives import INVENTORY_ALLOWANCE
from aioglacier.catalog.records import ArchiveNumber, UploadNumber
from aioglacier.core.errors import OutcomeUnknownError
from aioglacier.core.models import ArchiveId
from aioglacier.core.treehash import tree_hash
from aioglacier.recorded.outcome import (
    Question,
    find_outcome,
    listed_archive,
    proves_absence,
    question_about,
    settle_by_inventories,
)
from tests.cli.conftest import MIB, data
from tests.recorded.conftest import SIZE, House


async def completing(house: House) -> UploadRecord:
    """Return an upload that was about to be completed and is gone, so that its outcome is unknown."""
    left = await house.left_behind()
    assert left.upload_id is not None
    record = await house.catalog.uploads.record_completing(left, size=SIZE, tree_hash=tree_hash(data(SIZE)))
    await house.vault.context.gateway.abort_multipart_upload("v", left.upload_id)  # past the records
    return record


async def test_an_unknown_outcome_is_never_uploaded_again_blindly(house: House) -> None:
    """The error names size, hash and the inventory that settles it; nothing is sent (PR-03)."""
    await completing(house)
    with pytest.raises(OutcomeUnknownError) as caught:
        async with house.vault.open_or_resume(house.file):
            pass
    assert (caught.value.size, caught.value.tree_hash) == (SIZE, tree_hash(data(SIZE)))
    assert "inventory" in str(caught.value)
    assert [each async for each in house.vault.uploads()] == []


async def test_an_inventory_that_lists_it_settles_it(house: House) -> None:
    """A listed archive of that size and hash that no other upload made is the archive."""
    record = await completing(house)
    other = await house.vault.upload(data(SIZE), part_size=MIB, description="another upload's, on record")
    assert not await settle_by_inventories(house.records)
    found = aioglacier.Archive(ArchiveId("A" * 138), "v", SIZE, other.tree_hash, "", record.created)
    await house.catalog.archives.merge_inventory(
        house.records.key, [found], inventoried=record.active + timedelta(hours=1)
    )
    (settled,) = await settle_by_inventories(house.records)
    assert (settled.state, settled.archive_id) == (UploadState.COMPLETED, found.id)
    async with house.vault.open_or_resume(house.file) as upload:
        assert await upload.run() == found


async def test_an_inventory_of_three_days_later_that_does_not_list_it_settles_it(house: House) -> None:
    """An earlier inventory proves nothing; after a late one the file is uploaded again."""
    record = await completing(house)
    key = house.records.key
    for age in (timedelta(0), INVENTORY_ALLOWANCE - timedelta(seconds=1)):
        await house.catalog.archives.merge_inventory(key, [], inventoried=record.active + age)
        with pytest.raises(OutcomeUnknownError):
            await find_outcome(house.vault.context.recorded(), record)
    await house.catalog.archives.merge_inventory(key, [], inventoried=record.active + INVENTORY_ALLOWANCE)
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        assert upload.is_new
        await upload.run()
    assert (await house.vault.describe()).archive_count == 1


# --- the decisions, without I/O


@pytest.mark.parametrize(
    ("state", "question"),
    [
        (UploadState.INTENT, Question.LOST_ID),
        (UploadState.OPEN, Question.PARTS),
        (UploadState.COMPLETING, Question.COMPLETION),
        (UploadState.COMPLETED, Question.ARCHIVE),
        (UploadState.ABORTED, None),
        (UploadState.EXPIRED, None),
        (UploadState.FAILED, None),
    ],
)
def test_each_state_has_one_question(state: UploadState, question: Question | None) -> None:
    """The record's state alone says what to ask next, and an ended upload has nothing to ask."""
    assert question_about(state, has_id=True) is question


def test_a_single_request_cannot_be_completed_again() -> None:
    """Without an upload id only an inventory tells whether the archive was made."""
    assert question_about(UploadState.COMPLETING, has_id=False) is Question.INVENTORY


NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def an_upload() -> UploadRecord:
    """Return an upload of unknown outcome that began at noon."""
    return UploadRecord(
        number=UploadNumber(1),
        key=VaultKey("v", "us-east-1"),
        nonce="0" * 16,
        state=UploadState.COMPLETING,
        upload_id=None,
        part_size=MIB,
        size=MIB,
        description="",
        source=None,
        identity=None,
        tree_hash=bytes(32),
        archive_id=None,
        outcome="",
        created=NOON,
        active=NOON,
    )


def an_archive(
    created: datetime, *, upload: int | None = None, state: ArchiveState = ArchiveState.STORED
) -> ArchiveRecord:
    """Return an archive of the same size and hash as an inventory lists it."""
    archive = aioglacier.Archive(ArchiveId("A" * 138), "v", MIB, bytes(32), "", created)
    number = UploadNumber(upload) if upload is not None else None
    return ArchiveRecord(ArchiveNumber(1), VaultKey("v", "us-east-1"), archive, state, None, number, None)


def test_a_later_archive_of_the_same_content_is_the_archive_of_the_upload() -> None:
    """An archive that no upload on record has made, and that is not older than the upload, is its archive."""
    found = an_archive(NOON + timedelta(minutes=1))
    assert listed_archive(an_upload(), [found]) == found.archive


@pytest.mark.parametrize(
    "found",
    [
        an_archive(NOON - timedelta(hours=1)),
        an_archive(NOON, upload=2),
        an_archive(NOON, state=ArchiveState.DELETED),
        an_archive(NOON, state=ArchiveState.SUSPECT),
    ],
    ids=["older", "of another upload", "deleted", "suspect"],
)
def test_another_archive_of_the_same_content_does_not_settle_an_upload(found: ArchiveRecord) -> None:
    """An older archive, one that another upload made, and one that is not proven are not taken for it."""
    assert listed_archive(an_upload(), [found]) is None


def test_only_a_late_inventory_proves_that_there_is_no_archive() -> None:
    """An inventory may be three days behind; before that, and without one, the outcome stays unknown."""
    assert not proves_absence(an_upload(), None)
    assert not proves_absence(an_upload(), NOON + INVENTORY_ALLOWANCE - timedelta(seconds=1))
    assert proves_absence(an_upload(), NOON + INVENTORY_ALLOWANCE)
