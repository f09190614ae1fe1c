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


async def test_an_upload_that_is_locked_is_left_to_its_process(house: House) -> None:
    """No other process goes on with it, nor with the file that it is on record for."""
    left = await house.left_behind()
    assert left.upload_id is not None
    async with house.vault.lock_upload(left.upload_id):
        with pytest.raises(UploadLockedError):
            async with house.vault.open_or_resume(house.file, part_size=MIB):
                pass
