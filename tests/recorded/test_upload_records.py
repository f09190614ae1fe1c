"""Uploads of one vault on record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import UploadState
from aioglacier.core.errors import ResumeMismatchError
from aioglacier.core.models import Archive, ArchiveId, UploadId
from aioglacier.recorded.upload_records import UploadRecords, unknown_outcome
from aioglacier.transfer.upload.writer import UploadOptions
from tests.cli.conftest import MIB
from tests.recorded.conftest import SIZE, until

if TYPE_CHECKING:
    from tests.recorded.conftest import House


async def test_an_upload_of_another_vault_cannot_go_on_here(house: House) -> None:
    """The error names the vault that it is on record for."""
    left = await house.left_behind()
    assert left.upload_id is not None
    assert await house.records.uploads.find(left.upload_id) == left
    assert left.size == SIZE  # of a file it is known before the first part
    elsewhere = UploadRecords(house.catalog, replace(house.records.key, vault="other"))
    with pytest.raises(ResumeMismatchError, match="name that vault"):
        await elsewhere.find(left.upload_id)


@pytest.mark.slow
async def test_an_upload_that_is_reported_or_aborted_is_not_found_again(house: House) -> None:
    """An upload that the user knows of is not reported, and an aborted upload does not go on."""
    left = await house.left_behind()
    assert left.upload_id is not None
    await house.records.uploads.note_aborted(left.upload_id)
    await house.records.uploads.note_aborted(UploadId("unknown"))
    assert await house.uploads() == []
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        archive = await upload.run()
    await house.records.uploads.note_reported(archive)
    async with house.vault.open_or_resume(house.file, part_size=MIB, again=True) as upload:
        assert upload.archive is None


async def test_an_upload_at_the_service_is_taken_on_record_once(house: House) -> None:
    """One that another program began gets a record; one that has become an archive is refused."""
    async with house.vault.open_writer(part_size=MIB, keep_unfinished=True) as writer:
        await writer.write(bytes(2 * MIB))
        (found,) = [each async for each in house.vault.context.list_uploads()]
        taken = await house.records.uploads.take_in(found, UploadOptions("v"), None, None)
        assert (taken.state, taken.upload_id) == (UploadState.OPEN, found.id)
        assert await house.records.uploads.take_in(found, UploadOptions("v"), None, None) == taken
    with pytest.raises(ResumeMismatchError, match="has become archive"):
        await house.records.uploads.take_in(found, UploadOptions("v"), None, None)


async def test_an_intent_says_what_is_known_of_the_archive(house: House) -> None:
    """A stream has a size only where one is expected."""
    options = UploadOptions("v", "a film", expected_size=5)
    record = await house.records.uploads.intend(options, None, part_size=MIB)
    assert (record.state, record.size, record.source) == (UploadState.INTENT, 5, None)
    assert record.description == "a film"


@pytest.mark.slow
async def test_an_upload_that_is_taken_on_record_keeps_its_description(house: House) -> None:
    """An archive that is not on record needs no report."""
    async with house.vault.open_writer(part_size=MIB, description="film", keep_unfinished=True) as writer:
        await writer.write(bytes(2 * MIB))
        (found,) = [each async for each in house.vault.context.list_uploads()]
        record = await house.records.uploads.find(found.id)
        assert record is not None
        await until(lambda: house.has_parts(record, 2))  # a part that comes later would find it aborted
        elsewhere = UploadRecords(house.catalog, replace(house.records.key, endpoint="local:/other"))
        await house.catalog.uploads.record_aborted(record)
        taken = await house.records.uploads.take_in(found, UploadOptions("v"), None, None)
        assert (taken.number, taken.description, taken.state) == (record.number, "film", UploadState.OPEN)
    stranger = Archive(ArchiveId("A" * 138), "v", 1, bytes(32), "", record.created)
    await elsewhere.note_reported(stranger)
    unknown = replace(found, id=UploadId("unknown"))
    assert (
        await house.records.uploads.take_in(unknown, UploadOptions("v"), None, None)
    ).description == "film"


@pytest.mark.slow
@pytest.mark.parametrize("upload_id", [None, UploadId("begun")])
async def test_an_unknown_outcome_says_what_was_interrupted(house: House, upload_id: UploadId | None) -> None:
    """A single request was, or the completion of an upload that the error names."""
    left = await house.left_behind()
    record = replace(left, upload_id=upload_id, size=5, tree_hash=bytes(32))
    error = unknown_outcome(record)
    assert (error.upload_id, error.size, error.tree_hash) == (upload_id, 5, bytes(32))
    expected = "in a single request" if upload_id is None else "completion of upload begun was interrupted"
    assert expected in str(error)
