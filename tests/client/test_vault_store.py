"""A stream that goes on with an unfinished upload."""

from __future__ import annotations

import pytest

from aioglacier.catalog import PartRecord
from aioglacier.core.errors import ResumeMismatchError
from aioglacier.core.treehash import tree_hash
from tests.cli.conftest import MIB, data
from tests.recorded.conftest import SIZE, House, done


@pytest.mark.slow
async def test_a_stream_goes_on_where_its_writer_says(house: House) -> None:
    """A stream read again from ``position`` becomes the same archive, and no byte before is sent again."""
    content = data(SIZE)
    with pytest.raises(RuntimeError):  # noqa: PT012  # the last of them
        async with house.vault.open_writer(part_size=MIB, description="tape", keep_unfinished=True) as writer:
            await writer.write(content[: 4 * MIB + 5])
            await done(writer, 4)
            raise RuntimeError
    assert writer.upload_id is not None
    async with house.vault.resume_writer(writer.upload_id) as resumed:
        assert resumed.position == 4 * MIB
        await resumed.write(content[resumed.position :])
    assert resumed.archive is not None
    assert (resumed.archive.size, resumed.archive.description) == (SIZE, "tape")
    assert resumed.archive.tree_hash == tree_hash(content)
    assert await house.catalog.archives.get(house.records.key, resumed.archive.id)


async def test_a_stream_with_parts_that_were_not_sent_from_here_is_refused(house: House) -> None:
    """Parts that are not read again must agree on record and at the service."""
    left = await house.left_behind()
    assert left.upload_id is not None
    await house.catalog.uploads.record_parts(left, [PartRecord(1, MIB, bytes(32), b"")])
    with pytest.raises(ResumeMismatchError, match="part 1 of upload"):
        async with house.vault.resume_writer(left.upload_id):
            pass
