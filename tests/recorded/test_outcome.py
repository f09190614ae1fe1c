"""The outcome of an upload."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import aioglacier
from aioglacier.catalog import ArchiveRecord, ArchiveState, UploadRecord, UploadState, VaultKey
from aioglacier.catalog.inventories.inventory_merge import INVENTORY_ALLOWANCE
from aioglacier.catalog.records import ArchiveNumber, UploadNumber
from aioglacier.core.errors import OutcomeUnknownError
from aioglacier.core.models import ArchiveId
from aioglacier.core.treehash import tree_hash
from aioglacier.recorded.outcome import (
    Gone,
    Made,
    NeverMade,
    Open,
    Question,
    find_outcome,
    give_up,
    listed_archive,
    proves_absence,
    question_about,
    settle_by_inventories,
    sweep,
)
from aioglacier.server import Fault
from tests.cli.conftest import MIB, data
from tests.recorded.conftest import SIZE, House
from tests.recorded.test_recording_gateway import stranger


async def completing(house: House) -> UploadRecord:
    """Return an upload that was about to be completed and is gone, so that its outcome is unknown."""
    left = await house.left_behind()
    assert left.upload_id is not None
    record = await house.catalog.uploads.record_completing(left, size=SIZE, tree_hash=tree_hash(data(SIZE)))
    await house.vault.context.gateway.abort_multipart_upload("v", left.upload_id)  # past the records
    return record


@pytest.mark.slow
async def test_an_unknown_outcome_is_never_uploaded_again_blindly(house: House) -> None:
    """The error names size, hash and the inventory that settles it; nothing is sent (PR-03)."""
    await completing(house)
    with pytest.raises(OutcomeUnknownError) as caught:
        async with house.vault.open_or_resume(house.file):
            pass
    assert (caught.value.size, caught.value.tree_hash) == (SIZE, tree_hash(data(SIZE)))
    assert "inventory" in str(caught.value)
    assert [each async for each in house.vault.uploads()] == []


@pytest.mark.slow
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


@pytest.mark.slow
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


async def made_without_answer(house: House) -> tuple[UploadRecord, ArchiveId]:
    """Return an upload whose completion had no answer, and the archive that it made."""
    house.server.faults.add(Fault("CompleteMultipartUpload", status=403, code="AccessDeniedException"))
    with pytest.raises(aioglacier.AccessDeniedError):
        async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
            await upload.run()
    (left,) = await house.uploads()
    assert left.upload_id is not None
    assert left.state is UploadState.COMPLETING
    gateway = house.vault.context.gateway  # which records no completion
    made = await gateway.complete_multipart_upload(
        "v", left.upload_id, size=SIZE, tree_hash=tree_hash(data(SIZE))
    )
    return left, made.id


@pytest.mark.slow
@pytest.mark.parametrize("how", ["deleted here", "missed here"])
async def test_an_archive_that_is_gone_before_it_is_on_record_never_counts(house: House, how: str) -> None:
    """The service repeats its id to a second completion; an earlier deletion of that id still counts."""
    record, archive_id = await made_without_answer(house)
    if how == "deleted here":
        await house.vault.delete_archive(archive_id)
    else:
        async with stranger(house) as glacier:
            await glacier.vault("v").delete_archive(archive_id)
        with pytest.raises(aioglacier.ArchiveNotFoundError):
            await house.vault.retrieve(archive_id)
    outcome = await find_outcome(house.vault.context.recorded(), record)
    assert isinstance(outcome, Gone)
    assert outcome.record.archive_id == archive_id
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        assert upload.is_new
        await upload.run()
    assert await find_outcome(house.vault.context.recorded(), outcome.record) == outcome


async def intent(house: House, *, is_begun: bool) -> UploadRecord:
    """Return an upload whose id is not on record, whether or not the service has begun it."""
    record = await house.catalog.uploads.record_intent(house.records.key, part_size=MIB, description="film")
    if is_begun:
        gateway = house.vault.context.gateway
        await gateway.initiate_multipart_upload("v", part_size=MIB, description="film")
    return record


@pytest.mark.parametrize("is_begun", [True, False])
async def test_an_upload_whose_id_was_lost_is_found_at_the_service(house: House, *, is_begun: bool) -> None:
    """It is open, and has its id on record from then on; otherwise it was never made (PR-02)."""
    record = await intent(house, is_begun=is_begun)
    outcome = await find_outcome(house.vault.context.recorded(), record)
    at_service = [each.id async for each in house.vault.context.list_uploads()]
    now = await house.catalog.uploads.get(record.number)
    if is_begun:
        assert isinstance(outcome, Open)
        assert ([outcome.upload_id], outcome.known, now.upload_id) == (at_service, {}, at_service[0])
    else:
        assert isinstance(outcome, NeverMade)
        assert (outcome.expired, now.state, now.outcome) == (None, UploadState.FAILED, "it was never begun")


@pytest.mark.slow
@pytest.mark.parametrize("is_begun", [True, False])
async def test_an_upload_whose_id_was_lost_is_given_up(house: House, *, is_begun: bool) -> None:
    """Nothing of it stays at the service, and the record says why it ended."""
    record = await intent(house, is_begun=is_begun)
    await sweep(house.vault.context.recorded())
    assert [each async for each in house.vault.context.list_uploads()] == []
    now = await house.catalog.uploads.get(record.number)
    if is_begun:
        assert (now.state, now.outcome) == (UploadState.ABORTED, "its process died before anything was sent")
    else:
        assert (now.state, now.outcome) == (UploadState.FAILED, "it was never begun")


async def test_uploads_that_may_go_on_are_not_swept(house: House) -> None:
    """The upload of a file goes on with the file; that of a live process has its lock."""
    left = await house.left_behind()
    record = await intent(house, is_begun=True)
    async with house.catalog.lock_source(house.records.key, record.nonce):
        await sweep(house.vault.context.recorded())
    assert len([each async for each in house.vault.context.list_uploads()]) == 2
    assert {each.number for each in await house.uploads()} == {left.number, record.number}


async def test_nothing_of_another_vault_or_of_a_file_is_swept_or_settled(house: House) -> None:
    """The upload of a file goes on with the file, also without parts; another vault has its inventories."""
    uploads, key = house.catalog.uploads, house.records.key
    other = replace(key, vault="other")
    record = await uploads.record_intent(key, part_size=MIB, source=str(house.file))
    elsewhere = await uploads.record_intent(other, part_size=MIB)
    single = await uploads.record_intent(other, part_size=5, size=5, tree_hash=bytes(32))
    await sweep(house.vault.context.recorded())
    assert {each.number for each in await house.uploads()} == {record.number, elsewhere.number, single.number}
    late = single.active + 2 * INVENTORY_ALLOWANCE
    await house.catalog.archives.merge_inventory(key, [], inventoried=late)
    await house.catalog.archives.merge_inventory(other, [], inventoried=late)
    assert await settle_by_inventories(house.records) == []
    assert (await uploads.get(single.number)).state is UploadState.COMPLETING


async def test_an_archive_of_another_upload_is_not_the_outcome(house: House) -> None:
    """The key of an object may have been taken by a later upload."""
    await house.vault.upload(b"one")
    await house.vault.upload(b"two")
    one, two = [each async for each in house.catalog.archives.list_vault(house.records.key)]
    assert one.upload is not None
    first = await house.catalog.uploads.get(one.upload)
    context = house.vault.context.recorded()
    assert await find_outcome(context, first) == Made(first, one.archive)
    assert isinstance(await find_outcome(context, replace(first, archive_id=two.archive.id)), Gone)


@pytest.mark.slow
async def test_an_upload_that_is_gone_is_given_up_all_the_same(house: House) -> None:
    """The service may have removed it before."""
    left = await house.left_behind()
    assert left.upload_id is not None
    await house.vault.context.gateway.abort_multipart_upload("v", left.upload_id)
    ended = await give_up(house.vault.context.recorded(), left, "on request")
    assert (ended.state, ended.outcome) == (UploadState.ABORTED, "on request")
    assert await find_outcome(house.vault.context.recorded(), ended) == NeverMade(ended)


async def test_a_single_request_is_settled_by_inventories_alone(house: House) -> None:
    """Until one lists the archive, or is late enough, its outcome is unknown."""
    key = house.records.key
    record = await house.catalog.uploads.record_intent(
        key, part_size=5, size=5, tree_hash=tree_hash(b"bytes")
    )
    context = house.vault.context.recorded()
    with pytest.raises(OutcomeUnknownError, match="single request"):
        await find_outcome(context, record)
    found = aioglacier.Archive(ArchiveId("A" * 138), "v", 5, tree_hash(b"bytes"), "", record.created)
    await house.catalog.archives.merge_inventory(key, [found], inventoried=record.active)
    outcome = await find_outcome(context, record)
    assert isinstance(outcome, Made)
    assert (outcome.archive, outcome.record.is_told) == (found, False)
    await house.catalog.archives.record_state(key, found.id, ArchiveState.DELETED)
    assert isinstance(await find_outcome(context, outcome.record), Gone)


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
