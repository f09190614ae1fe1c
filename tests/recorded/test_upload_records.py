"""Uploads of one vault on record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import UploadState
from aioglacier.core.errors import ResumeMismatchError
from aioglacier.core.models import UploadId
from aioglacier.recorded.upload_records import UploadRecords
from aioglacier.transfer.upload.writer import UploadOptions
from tests.cli.conftest import MIB

if TYPE_CHECKING:
    from tests.recorded.conftest import House


async def test_an_upload_of_another_vault_cannot_go_on_here(house: House) -> None:
    """The error names the vault that it is on record for."""
    left = await house.left_behind()
    assert left.upload_id is not None
    assert await house.records.uploads.find(left.upload_id) == left
    elsewhere = UploadRecords(house.catalog, replace(house.records.key, vault="other"))
    with pytest.raises(ResumeMismatchError, match="name that vault"):
        await elsewhere.find(left.upload_id)


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
        taken = await house.records.uploads.take_in(found, None, None)
        assert (taken.state, taken.upload_id) == (UploadState.OPEN, found.id)
        assert await house.records.uploads.take_in(found, None, None) == taken
    with pytest.raises(ResumeMismatchError, match="has become archive"):
        await house.records.uploads.take_in(found, None, None)


async def test_an_intent_says_what_is_known_of_the_archive(house: House) -> None:
    """A stream has a size only where one is expected."""
    options = UploadOptions("v", "a film", expected_size=5)
    record = await house.records.uploads.intend(options, None, part_size=MIB)
    assert (record.state, record.size, record.source) == (UploadState.INTENT, 5, None)
    assert record.description == "a film"
