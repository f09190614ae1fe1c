"""A vault moves by four shards at once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.migrate import Migration, MigrationOptions, check_report
from aioglacier.tasks.shard import Shard
from tests.bulk.archives.conftest import budget
from tests.catalog.conftest import emptied_database, server  # noqa: F401  # fixtures
from tests.migrate.conftest import ACCOUNT, FAST, bucket_of, heads

if TYPE_CHECKING:
    from tests.bulk.archives.conftest import OldVault


@pytest.mark.slow
@pytest.mark.parametrize("count", [24, pytest.param(1000, marks=pytest.mark.long)])
async def test_four_shards_move_every_archive_once(
    old_vault: OldVault,
    emptied_database: str,  # noqa: F811
    count: int,
) -> None:
    """No job is paid for twice, no object is written twice, and the manifest has one line for each."""
    old_vault.location = emptied_database
    await old_vault.fill({f"folder/{number}.tif": b"%d" % number for number in range(count)})
    async with old_vault.connected() as glacier:
        await bucket_of(glacier)
        restored: list[int] = []

        async def move(number: int) -> None:
            async with old_vault.connected() as mine:
                options = MigrationOptions(
                    ArchiveOptions(with_folders=True, shard=Shard(number, 4)), pace=FAST
                )
                bucket = mine.bucket("museum", "DEEP_ARCHIVE", "old/", owner=ACCOUNT)
                migration = Migration(mine.vault("old"), bucket, budget(), options)
                done = await migration.run()
                assert migration.failures == []
                assert done.jobs_started == done.restored
                restored.append(done.restored)

        async with anyio.create_task_group() as tasks:
            for number in (1, 2, 3, 4):
                tasks.start_soon(move, number)
        assert sum(restored) == count
        assert min(restored) > 0
        vault = glacier.vault("old")
        asked = Counter([job.archive_id async for job in vault.jobs() if job.archive_id is not None])
        assert set(asked.values()) == {1}
        bucket = await bucket_of(glacier)
        assert len(await heads(bucket)) == count
        report = await check_report(vault, bucket)
        assert (report.lines, report.proven, report.count) == (count, count, 0)
