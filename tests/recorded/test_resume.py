"""A file whose upload was interrupted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.catalog import UploadState
from aioglacier.core.errors import ConfigurationError, ResumeMismatchError, UploadLockedError
from aioglacier.core.treehash import tree_hash
from aioglacier.recorded.resume import open_or_resume
from aioglacier.transfer.upload.writer import UploadOptions
from tests.cli.conftest import MIB, data
from tests.recorded.conftest import SIZE, House
from tests.recorded.test_outcome import completing

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_interrupted_file_goes_on(house: House) -> None:
    """An interrupted file continues, and only its missing parts are sent."""
    left = await house.left_behind()
    assert left.state is UploadState.OPEN
    async with house.vault.open_or_resume(house.file) as upload:
        assert upload.history.continued == left
        archive = await upload.run()
    assert archive.tree_hash == tree_hash(data(SIZE))
    assert [each async for each in house.vault.uploads()] == []
    assert not (await house.catalog.uploads.get(left.number)).is_told  # a run that is killed now reports it


async def test_another_part_size_or_description_is_refused(house: House) -> None:
    """The error names both values, and nothing is sent (SV-14)."""
    await house.left_behind()
    with pytest.raises(ResumeMismatchError, match="part size 1048576 bytes, but now it is 2097152 bytes"):
        async with house.vault.open_or_resume(house.file, part_size=2 * MIB):
            pass
    with pytest.raises(ResumeMismatchError, match="description '', but now it is 'other'"):
        async with house.vault.open_or_resume(house.file, description="other"):
            pass
    (upload,) = [each async for each in house.vault.uploads()]
    assert len([part async for part in upload.parts()]) == 5


@pytest.mark.slow
async def test_a_file_that_is_another_one_is_refused(house: House) -> None:
    """The error names the first bytes that differ; a restart sends the file from its beginning (SV-15)."""
    left = await house.left_behind()
    house.file.write_bytes(data(2 * MIB) + data(SIZE - 2 * MIB, seed=2))
    with pytest.raises(ResumeMismatchError) as caught:
        async with house.vault.open_or_resume(house.file) as upload:
            await upload.run()
    assert str(caught.value.byte_range) == f"{2 * MIB}-{3 * MIB - 1}"
    async with house.vault.open_or_resume(house.file, restart=True) as upload:
        assert upload.history.aborted is not None
        assert upload.history.aborted.number == left.number
        archive = await upload.run()
    assert archive.tree_hash == tree_hash(house.file.read_bytes())
    assert [each async for each in house.vault.uploads()] == []


@pytest.mark.slow
async def test_an_upload_that_expired_begins_anew(house: House) -> None:
    """An expired upload starts again and shows how many bytes are sent again (SV-12)."""
    left = await house.left_behind()
    await house.server.advance(25 * 3600)
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        assert upload.history.expired is not None
        assert upload.history.expired.record.number == left.number
        assert upload.history.expired.record.outcome == "the service has removed it"
        assert upload.history.expired.size == 5 * MIB
        assert upload.is_new
        archive = await upload.run()
    assert archive.tree_hash == tree_hash(data(SIZE))
    assert (await house.vault.describe()).archive_count == 1


async def test_one_task_at_a_time_uploads_a_file(house: House) -> None:
    """A second task that uploads the same file is refused at once (DC-07)."""
    async with house.vault.open_or_resume(house.file):
        with pytest.raises(UploadLockedError):
            async with house.vault.open_or_resume(house.file):
                pass


async def test_without_a_catalog_nothing_is_found_again(tmp_path: Path) -> None:
    """Without a catalog resuming is an error, and not a silent second upload."""
    endpoint = f"local:{tmp_path / 'glacier'}"
    async with aioglacier.connect(endpoint_url=endpoint, hash_in="threads") as glacier:
        with pytest.raises(ConfigurationError, match="catalog"):
            glacier.vault("v").open_or_resume(tmp_path / "film.mkv")


@pytest.mark.slow
async def test_a_restart_decides_an_unknown_outcome(house: House) -> None:
    """A restart aborts an upload of unknown outcome and sends the file again."""
    await completing(house)
    async with house.vault.open_or_resume(house.file, part_size=MIB, restart=True) as upload:
        assert upload.is_new
        await upload.run()
    assert (await house.vault.describe()).archive_count == 1
    assert not await house.uploads()


@pytest.mark.slow
async def test_an_archive_is_not_reported_for_a_file_that_has_changed(house: House) -> None:
    """A run that was killed before its report made an archive of other bytes, so the file goes up again."""
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        former = await upload.run()
    status = house.file.stat()
    house.file.write_bytes(bytes(SIZE))
    os.utime(house.file, ns=(status.st_atime_ns, status.st_mtime_ns))
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        assert upload.archive is None
        assert upload.history.former == former
        archive = await upload.run()
    assert archive.tree_hash == tree_hash(bytes(SIZE)) != former.tree_hash


async def test_a_file_that_is_stored_and_unchanged_is_not_sent_again(house: House) -> None:
    """It is known as stored once it was reported; another description is another archive."""
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        archive = await upload.run()
    await house.records.uploads.note_reported(archive)
    options = UploadOptions("v", part_size=MIB)
    async with open_or_resume(
        house.vault.context.recorded(), house.file, options, again=False, in_parts=True
    ) as upload:
        assert (upload.archive, upload.is_stored, upload.snapshot().done) == (archive, True, SIZE)
        assert await upload.run() == archive
    assert [each async for each in house.vault.uploads()] == []
    async with house.vault.open_or_resume(house.file, description="film") as upload:
        assert (upload.archive, upload.is_stored, upload.snapshot().done) == (None, False, 0)
    async with house.vault.open_or_resume(house.file, again=True) as upload:
        assert upload.archive is None
    house.file.write_bytes(bytes(5))
    async with house.vault.open_or_resume(house.file) as upload:
        assert (upload.archive, upload.history.former) == (None, None)  # the user knows of it


async def test_an_upload_without_parts_begins_again_as_asked(house: House) -> None:
    """Nothing is lost with it, so another part size or description ends it at the service."""
    options = UploadOptions("v", part_size=MIB)
    async with open_or_resume(house.vault.context.recorded(), house.file, options, in_parts=True):
        (empty,) = [each.id async for each in house.vault.context.list_uploads()]
    async with house.vault.open_or_resume(house.file, part_size=2 * MIB, description="film") as upload:
        assert [each async for each in house.vault.context.list_uploads()] == []
        archive = await upload.run()
    assert archive.description == "film"
    record = await house.catalog.uploads.find(house.records.key, empty)
    assert record is not None
    assert (record.state, record.outcome) == (UploadState.ABORTED, "nothing had been sent")


async def test_an_upload_without_parts_goes_on_as_it_was_begun(house: House) -> None:
    """With the same part size and description there is nothing to begin again."""
    options = UploadOptions("v", part_size=MIB)
    async with open_or_resume(house.vault.context.recorded(), house.file, options, in_parts=True):
        (empty,) = [each.id async for each in house.vault.context.list_uploads()]
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        assert upload.history.continued is not None
        assert upload.history.continued.upload_id == empty
        assert (await upload.run()).size == SIZE
