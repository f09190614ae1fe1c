"""Unfinished uploads that are known by the description of their file alone."""

from __future__ import annotations

from contextlib import suppress

import pytest

from aioglacier.core.errors import ResumeMismatchError, UploadLockedError
from tests.cli.conftest import MIB, data
from tests.recorded.conftest import SIZE, House, done
from tests.recorded.test_recording_gateway import stranger


async def begin_elsewhere(house: House, content: bytes) -> None:
    """Let a program without a catalog begin an upload with the description "film", and fail."""
    async with stranger(house) as glacier:
        begun = glacier.vault("v").open_writer(description="film", part_size=MIB, keep_unfinished=True)
        with suppress(RuntimeError):
            async with begun as writer:
                await writer.write(content)
                await done(writer, 3)
                raise RuntimeError


@pytest.mark.slow
@pytest.mark.parametrize("is_same", [True, False])
async def test_an_upload_goes_on_if_its_parts_prove_it(house: House, *, is_same: bool) -> None:
    """Each part is hashed again from the file before anything is sent; another file's upload is kept."""
    content = data(SIZE) if is_same else bytes(SIZE)
    await begin_elsewhere(house, content[: 4 * MIB])
    (left,) = [each async for each in house.vault.context.list_uploads()]
    async with house.vault.open_or_resume(house.file, description="film", part_size=MIB) as upload:
        assert [each.upload.id for each in upload.candidates] == [left.id]
        if is_same:
            assert (await upload.run()).size == SIZE
        else:
            with pytest.raises(ResumeMismatchError) as caught:
                await upload.run()
            assert caught.value.upload_id == left.id
    unfinished = [each.id async for each in house.vault.context.list_uploads()]
    assert unfinished == ([] if is_same else [left.id])


@pytest.mark.slow
async def test_an_upload_that_is_locked_is_left_to_its_process(house: House) -> None:
    """No other process goes on with it, nor with the file that it is on record for."""
    left = await house.left_behind()
    assert left.upload_id is not None
    async with house.vault.lock_upload(left.upload_id):
        with pytest.raises(UploadLockedError):
            async with house.vault.open_or_resume(house.file, part_size=MIB):
                pass


@pytest.mark.slow
async def test_the_archive_of_a_candidate_is_the_archive_of_the_file(house: House) -> None:
    """It has the file as its source, and the next run reports it if this one was killed before its report."""
    await begin_elsewhere(house, data(SIZE)[: 4 * MIB])
    async with house.vault.open_or_resume(house.file, description="film", part_size=MIB) as upload:
        archive = await upload.run()
    record = await house.catalog.archives.get(house.records.key, archive.id)
    assert record is not None
    assert (record.source, record.archive.description) == (str(house.file), "film")
    async with house.vault.open_or_resume(house.file, description="film", part_size=MIB) as upload:
        assert (upload.archive, upload.is_stored) == (archive, False)


@pytest.mark.slow
async def test_a_candidate_that_another_process_continues_is_passed_over(house: House) -> None:
    """The file begins an upload of its own, and the history says why."""
    await begin_elsewhere(house, data(SIZE)[: 4 * MIB])
    (left,) = [each async for each in house.vault.context.list_uploads()]
    async with house.vault.lock_upload(left.id):
        async with house.vault.open_or_resume(house.file, description="film", part_size=MIB) as upload:
            assert (await upload.run()).size == SIZE
        ((passed_over, error),) = upload.history.passed_over
    assert (passed_over.id, type(error)) == (left.id, UploadLockedError)
    assert [each.id async for each in house.vault.context.list_uploads()] == [left.id]


@pytest.mark.slow
async def test_an_upload_with_more_bytes_than_the_file_is_left_alone(house: House) -> None:
    """The error says how far the upload reaches."""
    await begin_elsewhere(house, data(4 * MIB))
    house.file.write_bytes(data(2 * MIB + 1))
    async with house.vault.open_or_resume(house.file, description="film", part_size=MIB) as upload:
        with pytest.raises(ResumeMismatchError, match="it holds bytes up to"):
            await upload.run()


@pytest.mark.slow
@pytest.mark.parametrize("is_moved", [True, False])
async def test_an_upload_of_a_file_that_was_moved_goes_on(house: House, *, is_moved: bool) -> None:
    """An upload on record for another file is taken only if that file is there no more."""
    left = await house.left_behind()
    other = house.file.with_name("other")
    other.write_bytes(data(SIZE))
    if is_moved:
        house.file.unlink()
    async with house.vault.open_or_resume(other, part_size=MIB) as upload:
        assert [each.upload.id for each in upload.candidates] == ([left.upload_id] if is_moved else [])
        await upload.run()
    assert len(await house.uploads()) == (0 if is_moved else 1)


@pytest.mark.slow
async def test_the_newest_candidate_comes_first(house: House) -> None:
    """Uploads with another part size than is asked for are passed over, with both sizes as the reason."""
    for _ in range(2):
        await begin_elsewhere(house, data(SIZE)[: 4 * MIB])
    uploads = [each async for each in house.vault.context.list_uploads()]
    newest_first = sorted(uploads, key=lambda each: each.started, reverse=True)
    async with house.vault.open_or_resume(house.file, description="film", part_size=MIB) as upload:
        assert [each.upload.id for each in upload.candidates] == [each.id for each in newest_first]
        assert upload.history.passed_over == []
    async with house.vault.open_or_resume(house.file, description="film", part_size=2 * MIB) as upload:
        assert upload.candidates == []
        passed_over = upload.history.passed_over
    assert [each.upload.id for each in passed_over] == [each.id for each in newest_first]
    assert all("parts of 1048576 bytes, and 2097152" in str(each.error) for each in passed_over)
