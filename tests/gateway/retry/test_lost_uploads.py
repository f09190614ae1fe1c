"""The upload that a lost answer left behind is found, and used once."""

from __future__ import annotations

import anyio
import pytest

from aioglacier.core.errors import AccessDeniedError, GlacierError
from aioglacier.core.limits import MIB
from aioglacier.core.models import UploadId
from aioglacier.gateway.retry.lost_uploads import LostUploads
from tests.gateway.retry.bench import BODY, HASHES, Bench, lost, named, temporary, uploads


@pytest.mark.parametrize("error", [lost(), temporary(502)], ids=named)
async def test_upload_whose_answer_was_lost_is_taken(bench: Bench, error: GlacierError) -> None:
    """The lost upload is taken, and no two calls get the same."""
    mine = [await bench.gateway.initiate_multipart_upload("photos", part_size=MIB, description="d")]
    bench.fails("InitiateMultipartUpload", error, error, after_effect=True)
    async with anyio.create_task_group() as group:

        async def begin_one() -> None:
            mine.append(
                await bench.gateway.initiate_multipart_upload("photos", part_size=MIB, description="d")
            )

        for _ in range(3):
            group.start_soon(begin_one)
    assert sorted(mine) == sorted(await uploads(bench))
    assert len(set(mine)) == bench.calls("InitiateMultipartUpload") == 4


async def test_upload_that_another_may_have_begun_is_left_alone(bench: Bench) -> None:
    """An upload with another description, part size or a part is not taken."""
    other = await bench.glacier.initiate_multipart_upload("photos", part_size=MIB, description="d")
    await bench.glacier.upload_multipart_part("photos", other, memoryview(BODY), start=0, hashes=HASHES)
    await bench.glacier.initiate_multipart_upload("photos", part_size=2 * MIB, description="d")
    await bench.glacier.initiate_multipart_upload("photos", part_size=MIB, description="e")
    bench.fails("InitiateMultipartUpload", lost())
    new = await bench.gateway.initiate_multipart_upload("photos", part_size=MIB, description="d")
    assert len(await uploads(bench)) == 4
    assert new != other


async def test_upload_that_cannot_be_looked_for_is_begun_again(bench: Bench) -> None:
    """Without the right to list, another upload is begun; the empty one costs nothing."""
    bench.fails("InitiateMultipartUpload", lost(), after_effect=True)
    denied = AccessDeniedError("no", operation="X", code="AccessDeniedException", status=403)
    bench.fails("ListMultipartUploads", denied)
    await bench.gateway.initiate_multipart_upload("photos", part_size=MIB)
    assert len(await uploads(bench)) == 2


def test_an_upload_is_given_to_one_caller() -> None:
    """An id is free once."""
    lost_uploads = LostUploads()
    assert [lost_uploads.take(UploadId(name)) for name in "aba"] == [True, True, False]
