"""One archive on its way into a bucket, whatever happens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier import tree_hash
from aioglacier.core.errors import AccessDeniedError, ObjectExistsError
from aioglacier.migrate import MigrationOptions
from aioglacier.server import Fault, FaultKind
from aioglacier.tasks.threads import run_in_thread
from tests.migrate.conftest import FAST, bucket_of, heads, migration_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.archives.conftest import OldVault

MIB = 1024 * 1024


@pytest.mark.slow
async def test_what_lies_under_a_key_is_never_trusted_or_replaced(old_vault: OldVault) -> None:
    """An object with the same bytes that is not ours fails by name, and its archive is not paid for."""
    await old_vault.fill({"a": b"same", "b": b"2"})
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        await bucket.upload(b"same", key="a", storage_class="STANDARD")
        migration = await migration_of(glacier)
        done = await migration.run()
        assert (done.restored, done.failed, done.jobs_started) == (1, 1, 1)
        assert isinstance(migration.failures[0].error, ObjectExistsError)
        assert (await bucket.head("a")).storage_class == "STANDARD"


@pytest.mark.slow
async def test_damaged_bytes_never_become_an_object(old_vault: OldVault) -> None:
    """A flipped bit is found before its part is sent; the part is fetched again, and the others are not."""
    await old_vault.fill({"a": b"a" * (17 * MIB), "b": b"b" * 100})
    old_vault.server.faults.add(Fault("GetJobOutput", kind=FaultKind.FLIP, after_bytes=5, count=2))
    async with old_vault.connected() as glacier:
        migration = await migration_of(glacier)
        done = await migration.run()
        assert migration.failures == []
        assert done.restored == 2
        found = await heads(await bucket_of(glacier))
        assert found["a"]["aioglacier-tree-hash"] == tree_hash(b"a" * (17 * MIB)).hex()


@pytest.mark.slow
async def test_a_part_that_arrived_is_not_moved_again(old_vault: OldVault) -> None:
    """After a refusal in the middle the next run sends the missing parts, by the same job."""
    content = b"x" * (48 * MIB)
    await old_vault.fill({"a": content})
    refusal = Fault("UploadPart", code="AccessDenied", status=403, first=6, count=1)
    counters = [Fault(name, kind=FaultKind.DELAY, count=None) for name in ("UploadPart", "GetJobOutput")]
    old_vault.server.faults.add(*counters, refusal)
    async with old_vault.connected(memory=32 * MIB) as glacier:  # four parts at once, so two have arrived
        with pytest.raises(AccessDeniedError):
            await (await migration_of(glacier)).run()
        assert glacier.catalog is not None
        (move,) = await glacier.catalog.moves.list_all()
        (moved,) = [moved async for moved in glacier.catalog.moves.list_moved(move)]
        arrived = len(await glacier.catalog.moves.list_parts(moved))
        sent, fetched = [each["met_size"] for each in old_vault.server.faults.snapshot()[:2]]
        assert sent <= fetched == len(content)
        assert 2 <= arrived < 6
        done = await (await migration_of(glacier)).run()
        assert (done.restored, done.jobs_started) == (1, 0)
        # The service served, and the bucket received, no more than the parts that were in flight.
        again = [each["met_size"] for each in old_vault.server.faults.snapshot()[:2]]
        assert (again[0] - sent, again[1] - fetched) == (missing := (6 - arrived) * 8 * MIB, missing)
        found = await heads(await bucket_of(glacier))
        assert found["a"]["aioglacier-tree-hash"] == tree_hash(content).hex()


@pytest.mark.slow
async def test_an_upload_that_is_gone_begins_again(old_vault: OldVault) -> None:
    """A lifecycle rule may remove an unfinished upload; the archive still arrives by the same job."""
    await old_vault.fill({"a": b"x" * (20 * MIB)})
    old_vault.server.faults.add(Fault("UploadPart", code="AccessDenied", status=403, first=2))
    async with old_vault.connected() as glacier:
        with pytest.raises(AccessDeniedError):
            await (await migration_of(glacier)).run()
        async for upload in (await bucket_of(glacier)).uploads():
            await upload.abort()
        done = await (await migration_of(glacier)).run()
        assert (done.restored, done.jobs_started) == (1, 0)


@pytest.mark.slow
async def test_parts_that_do_not_fit_the_memory_go_through_a_folder(
    old_vault: OldVault, tmp_path: Path
) -> None:
    """Damaged bytes are fetched again, the object is the archive, and nothing is left in the folder."""
    content = os.urandom(20 * MIB + 7)
    await old_vault.fill({"a": content})
    old_vault.server.faults.add(Fault("GetJobOutput", kind=FaultKind.FLIP, after_bytes=5))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    async with old_vault.connected(memory=32 * MIB) as glacier:
        migration = await migration_of(glacier, MigrationOptions(pace=FAST, scratch=scratch))
        assert (await migration.run()).restored == 1
        assert migration.failures == []
        found = await heads(await bucket_of(glacier))
    assert found["a"]["aioglacier-tree-hash"] == tree_hash(content).hex()
    assert list(await run_in_thread(lambda: list(scratch.iterdir()))) == []
