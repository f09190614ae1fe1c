"""Unfinished uploads: listed with their parts, and ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import aioglacier

if TYPE_CHECKING:
    from tests.scripted import ScriptedGateway

MIB = 1024 * 1024


@pytest.mark.slow
async def test_unfinished_uploads_are_listed_and_ended(
    scripted: ScriptedGateway, vault: aioglacier.Vault
) -> None:
    """Unfinished uploads are listed with part size, description and parts; aborting twice is no error."""
    ids = [
        await scripted.initiate_multipart_upload("v", part_size=MIB, description=f"number {number}")
        for number in range(60)
    ]
    uploads = [upload async for upload in vault.uploads()]
    assert {upload.id for upload in uploads} == set(ids)
    first = await vault.unfinished_upload(ids[0])
    assert (first.vault, first.part_size, first.description) == ("v", MIB, "number 0")
    assert [part async for part in first.parts()] == []
    known = [upload async for upload in vault.known_uploads()]
    assert {upload.id for upload in known} == set(ids)
    assert (known[0].parts, known[0].sent, known[0].record) == (0, 0, None)
    assert timedelta(0) <= scripted.now - first.started < timedelta(minutes=1)
    assert repr(first) == f"<Upload v {ids[0]} part_size=1MiB>"
    for upload in uploads:
        await upload.abort()
    assert [upload async for upload in vault.uploads()] == []
    with pytest.raises(aioglacier.UploadNotFoundError):
        await vault.unfinished_upload(ids[0])
