"""A folder and the archives of a vault, brought by shards that share a catalog."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.bulk import FolderVerify, SyncOptions, Trouble, VerifyOptions
from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.archive_restore import ArchiveRestore
from aioglacier.bulk.restore.restore import FolderRestore
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.core.errors import ConfigurationError, ShardMismatchError
from aioglacier.server import LocalGlacier
from aioglacier.tasks.shard import Shard
from tests.bulk.archives.conftest import budget
from tests.bulk.conftest import connected, picture, write
from tests.catalog.conftest import emptied_database, server  # noqa: F401  # fixtures
from tests.migrate.conftest import FAST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier import Vault

MIB = 1024 * 1024


class Site:
    """A local Glacier and a catalog that processes share."""

    def __init__(self, url: str, location: str) -> None:
        self.url = url
        self.location = location

    @asynccontextmanager
    async def vault(self) -> AsyncIterator[Vault]:
        """Return the vault by a connection and a catalog of their own, as another process has."""
        async with connected(self.url, self.location) as glacier:
            yield await glacier.create_vault("folders")


@pytest.fixture
async def site(tmp_path: Path, emptied_database: str) -> AsyncIterator[Site]:  # noqa: F811
    """Return a site of the test."""
    async with LocalGlacier(tmp_path / "glacier", job_delay=0, inventory_lag=0, is_durable=False) as glacier:
        yield Site(glacier.url, emptied_database)


SHARDS = [Shard(number, 3) for number in (1, 2, 3)]


@pytest.mark.slow
async def test_shards_archive_a_folder_once(site: Site, tree: Path, tmp_path: Path) -> None:
    """Together they archive each path once, see removals, and leave nothing for the whole to do."""
    write(tree, {f"big{number}": bytes([number]) * (17 * MIB) for number in range(3)})

    async def sync_all() -> list[int]:
        archived = []

        async def sync(shard: Shard) -> None:
            async with site.vault() as vault:
                run = FolderSync(vault, tree, SyncOptions(shard=shard))
                done = await run.run()
                assert run.failures == []
                archived.append(done.archived + done.recorded + done.removed)

        async with anyio.create_task_group() as tasks:
            for shard in SHARDS:
                tasks.start_soon(sync, shard)
        return archived

    first = await sync_all()
    assert min(first) > 0
    assert sum(first) == len(picture(tree))
    (tree / "d0.txt").unlink()
    (tree / "private").write_bytes(b"other secret")
    assert sum(await sync_all()) == 3  # and the top, whose time has changed
    async with site.vault() as vault:
        with pytest.raises(ShardMismatchError):
            async with site.vault() as other:
                await _while_a_shard_syncs(vault, other, tree)
        whole = FolderSync(vault, tree)
        done = await whole.run()
        assert (done.requests, done.recorded, done.removed) == (0, 0, 0)
        assert "divided into 3" in whole.notices[-1]
        restore = FolderRestore(vault, tmp_path / "back", budget())
        await restore.run()
        assert restore.failures == []
    assert picture(tmp_path / "back") == picture(tree)


async def _while_a_shard_syncs(vault: Vault, other: Vault, tree: Path) -> None:
    """Sync the whole folder while a shard of it is at work."""
    context = vault.context.recorded()
    async with context.catalog.lock_source(context.key, f"{tree}, shard 2"):
        await FolderSync(other, tree).run()


@pytest.mark.slow
async def test_shards_verify_every_path_once(site: Site, tree: Path) -> None:
    """Each finding is reported by one of them, and the sample is divided."""
    async with site.vault() as vault:
        await FolderSync(vault, tree).run()
        (tree / "private").write_bytes(b"changed")
        (tree / "d0.txt").unlink()
        (tree / "new").write_bytes(b"new")
        files, found, sampled = 0, [], 0
        for shard in SHARDS:
            verify = FolderVerify(vault, tree, budget(), VerifyOptions(shard=shard, sample=2))
            done = await verify.run()
            files += done.files
            sampled += done.sampled
            found += verify.findings
    assert sorted((each.trouble, each.what) for each in found) == [
        (Trouble.CHANGED, "private"),
        (Trouble.MISSING, "d0.txt"),
        (Trouble.UNARCHIVED, "new"),
    ]
    assert files == len(picture(tree))
    assert sampled <= 2


@pytest.mark.slow
async def test_shards_restore_every_archive_once(site: Site, tmp_path: Path) -> None:
    """Each archive is asked for by one shard, also if there are more shards than archives."""
    names = {f"file{number}" for number in range(7)}
    async with site.vault() as vault:
        for name in names:
            await vault.upload(name.encode(), description=name)

        async def restore(shard: Shard) -> None:
            async with site.vault() as mine:
                options = ArchiveOptions(shard=shard)
                run = ArchiveRestore(mine, tmp_path / "back", budget(), options, FAST)
                await run.run()
                assert run.failures == []

        async with anyio.create_task_group() as tasks:
            for number in range(1, 12):
                tasks.start_soon(restore, Shard(number, 11))
        assert {file.name for file in (tmp_path / "back").iterdir()} == names
        assert sum([job.archive_id is not None async for job in vault.jobs()]) == len(names)


@pytest.mark.slow
async def test_a_shard_needs_a_shared_catalog(site: Site, tree: Path, tmp_path: Path) -> None:
    """A catalog in a file is refused before anything is sent."""
    site.location = str(tmp_path / "catalog.db")
    async with site.vault() as vault:
        with pytest.raises(ConfigurationError, match="is a file"):
            await FolderSync(vault, tree, SyncOptions(shard=SHARDS[0])).run()
