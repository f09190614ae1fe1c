"""A vault: the way of a file there and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aioglacier

if TYPE_CHECKING:
    from pathlib import Path


MIB = 1024 * 1024
DATA = bytes(range(251)) * (3 * MIB // 251)


async def test_a_file_goes_there_and_back(local: aioglacier.Glacier, tmp_path: Path) -> None:
    """The steps of the README work: create, write, upload, retrieve, download."""
    vault = await local.create_vault("photos")
    async with vault.open_writer(description="november, raw") as writer:
        for start in range(0, len(DATA), 100_000):
            await writer.write(DATA[start : start + 100_000])
    assert writer.archive is not None
    job = await vault.retrieve(writer.archive.id, tier="Bulk")
    await job.wait_until_done()
    target = tmp_path / "film.mkv"
    await job.download(target)
    async with job.open_reader((5, 50)) as reader:
        assert await reader.read() == DATA[5:50]
    assert aioglacier.tree_hash(DATA) == writer.archive.tree_hash
    assert (await vault.describe()).archive_count == 1
    await vault.delete_archive(writer.archive.id)
    await vault.delete_archive(writer.archive.id)
    await vault.delete()
    assert [each async for each in local.vaults()] == []


async def test_an_upload_can_be_watched(vault: aioglacier.Vault) -> None:
    """A prepared upload shows its progress, and its archive at the end."""
    upload = await vault.prepare_upload(DATA, part_size=MIB)
    assert upload.snapshot().taken == 0
    assert upload.archive is None
    archive = await upload.run()
    assert upload.snapshot().done == len(DATA)
    assert upload.archive == archive
