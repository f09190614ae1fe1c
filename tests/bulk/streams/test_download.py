"""Streams of several archives, read back as one."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from aioglacier.bulk.streams.download import StreamDownload, read_manifest
from aioglacier.bulk.streams.manifest import Manifest
from aioglacier.core.errors import IntegrityError, TargetError
from aioglacier.tasks.groups import first_cause
from tests.bulk.conftest import MIB
from tests.bulk.streams.conftest import read_back, upload

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

#: Three archives of 2 MiB, and a rest.
SIZE = 7 * MIB + 12_345


async def test_a_stream_reads_back_without_the_catalog(place: Place, tmp_path: Path) -> None:
    """The manifest in the vault, found by its description, is enough."""
    content = os.urandom(SIZE)
    async with place.vault() as vault:
        _, archive = await upload(vault, content, description="tape 7")
    place.catalog = tmp_path / "other.db"
    (found,) = [each for each in await place.archives() if '"manifest"' in each.description]
    assert (found.id, "tape 7" in found.description) == (archive.id, True)
    async with place.vault() as vault:
        manifest = await read_manifest(vault, archive.id)
        assert (manifest.description, manifest.size) == ("tape 7", SIZE)
        assert await read_back(vault, manifest) == content


async def test_a_download_goes_on_with_what_is_there_and_verified(place: Place, tmp_path: Path) -> None:
    """Whole pieces and whole MiB are kept; what is damaged on the disk is fetched again."""
    content = os.urandom(SIZE)
    kept = tmp_path / ".back.aioglacier-stream"
    async with place.vault() as vault:
        manifest, _ = await upload(vault, content)
        kept.write_bytes(content[: 5 * MIB + 99])
        download = StreamDownload(vault, manifest)
        await download.save(str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == content
        assert download.snapshot().moved == SIZE - 5 * MIB
        kept.write_bytes(b"!" + content[1 : 4 * MIB])
        (tmp_path / "back").write_bytes(content[1:] + b"!")
        with pytest.raises(TargetError):
            await StreamDownload(vault, manifest).save(str(tmp_path / "back"))
        download = StreamDownload(vault, manifest)
        await download.save(str(tmp_path / "back"), overwrite=True)
        assert (tmp_path / "back").read_bytes() == content
        download = StreamDownload(vault, manifest)
        await download.save(str(tmp_path / "back"))
        assert (download.snapshot().moved, download.started) == (0, 0)
    assert not kept.exists()


async def test_a_file_that_appears_while_a_stream_is_fetched_is_kept(place: Place, tmp_path: Path) -> None:
    """Without overwrite the stream keeps its hidden name, and another run fetches no byte of it again."""
    content = os.urandom(SIZE)
    target = tmp_path / "back"
    async with place.vault() as vault:
        manifest, _ = await upload(vault, content)
        download = StreamDownload(vault, manifest)

        async def appear() -> None:
            while not download.snapshot().moved:
                await anyio.lowlevel.checkpoint()
            target.write_bytes(b"the only copy")

        async def save() -> None:
            with first_cause():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(appear)
                    await download.save(str(target))

        with pytest.raises(TargetError, match="exists with other bytes"):
            await save()
        assert target.read_bytes() == b"the only copy"
        download = StreamDownload(vault, manifest)
        await download.save(str(target), overwrite=True)
    assert (target.read_bytes(), download.snapshot().moved) == (content, 0)


async def test_a_stream_for_which_there_is_no_room_is_not_asked_for(place: Place, tmp_path: Path) -> None:
    """With what decrypting it takes, if it is to be; a job would be paid for nothing."""
    async with place.vault() as vault:
        manifest, _ = await upload(vault, os.urandom(4 * MIB))
        free = shutil.disk_usage(tmp_path).free
        (first, *_) = manifest.pieces
        huge = Manifest("", "", (type(first)(first.archive_id, 4 * free, first.tree_hash),))
        with pytest.raises(TargetError, match="no job was started"):
            await StreamDownload(vault, huge).save(str(tmp_path / "back"))
        large = Manifest("", "", (type(first)(first.archive_id, 3 * free // 4, first.tree_hash),))
        with pytest.raises(TargetError, match="decrypted"):
            await StreamDownload(vault, large).check_room(str(tmp_path / "back"), is_encrypted=True)
        assert [job async for job in vault.jobs()] == []


async def test_a_piece_that_is_not_what_the_manifest_says_is_refused(place: Place, tmp_path: Path) -> None:
    """Pieces in another order, and an archive that is no manifest."""
    async with place.vault() as vault:
        manifest, _ = await upload(vault, os.urandom(4 * MIB))
        first, second = manifest.pieces
        mixed = Manifest("", "", (first, type(second)(first.archive_id, second.size, second.tree_hash)))
        with pytest.raises(IntegrityError):
            await StreamDownload(vault, mixed).save(str(tmp_path / "back"))
        assert not (tmp_path / "back").exists()
        plain = await vault.upload(b"no manifest")
        with pytest.raises(IntegrityError, match="no manifest"):
            await read_manifest(vault, plain.id)
