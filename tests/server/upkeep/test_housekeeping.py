"""Housekeeping removes uploads that are over their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.server.conftest import initiate, put

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.server import LocalGlacier
    from tests.server.conftest import Boto

MIB = 1024 * 1024


async def test_an_idle_upload_expires_and_a_part_keeps_it(
    boto: Boto, server: LocalGlacier, tmp_path: Path
) -> None:
    """24 hours after the last activity the upload and its bytes are gone."""
    upload_id = await initiate(boto)
    await server.advance(23 * 3600)
    await put(boto, upload_id, 0, b"data")
    await server.advance(23 * 3600)
    assert len((await boto("list_parts", uploadId=upload_id))["Parts"]) == 1
    await server.advance(3600)
    assert (await boto.refused("list_parts", uploadId=upload_id))[2].startswith("The upload ID was not found")
    assert (await boto("list_multipart_uploads"))["UploadsList"] == []
    assert list((tmp_path / "glacier" / "data").glob("*/*")) == []
