"""Jobs of a restore, started, used again and renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aioglacier.bulk import FolderRestore, SyncOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore import retrieval_plan as retrieval
from aioglacier.bulk.restore.fetcher import Fetcher
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.catalog import ArchiveState
from aioglacier.core.errors import CostLimitError, IntegrityError, JobNotFoundError, NotStoredError
from aioglacier.core.spending import Budget
from aioglacier.server.requests.faults import Fault, FaultKind
from aioglacier.transfer.hashing.workers import Hasher
from tests.bulk.conftest import MIB, picture, restore
from tests.bulk.restore.conftest import make_files, serving

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.core.treehash import PartHashes
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.hashing.part_job import PartJob
    from tests.bulk.conftest import Place


async def test_neighbouring_ranges_bring_each_member_once(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range begins within the MiB in which the one before ends, and both are fetched at once."""
    monkeypatch.setattr(retrieval, "LARGEST_RANGE", 4 * MIB)
    tree = make_files(tmp_path / "tree", 60, MIB // 3)
    await place.sync(tree)
    done = await place.restore(tmp_path / "back")
    assert done.jobs > 4
    assert (done.restored, done.failed) == (60, 0)
    assert picture(tmp_path / "back") == picture(tree)


@pytest.mark.parametrize("overwrite", [False, True])
async def test_a_file_that_appears_during_a_restore_is_replaced_only_if_asked(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, overwrite: bool
) -> None:
    """The folder was empty when it was planned, so that no file was looked for in its place."""
    tree, back = make_files(tmp_path / "tree", 3, 1000), tmp_path / "back"
    await place.sync(tree)
    run = Fetcher.run

    async def run_late(*arguments: Any, is_fresh: bool = False) -> None:
        assert is_fresh
        (back / "f01").write_bytes(b"of another program")
        await run(*arguments, is_fresh=is_fresh)

    monkeypatch.setattr(Fetcher, "run", run_late)
    done = await restore(place, back, overwrite=overwrite)
    if overwrite:
        assert done.failures == []
        assert picture(back) == picture(tree)
        return
    ((path, error),) = done.failures
    assert (path, "appeared meanwhile" in str(error)) == (b"f01", True)
    assert (back / "f01").read_bytes() == b"of another program"
    assert (back / "f02").read_bytes() == (tree / "f02").read_bytes()
    assert sorted(each.name for each in back.iterdir()) == ["f00", "f01", "f02"]


@pytest.mark.parametrize("times", [0, 1, None])
async def test_damaged_members_are_read_once_more_and_cost_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int | None
) -> None:
    """Every member is hashed once, by itself; only the second reading compares the hashes of the service."""
    hashed: list[int] = []
    run = Hasher.run

    async def run_and_note(hasher: Hasher, job: PartJob, buffer: PartBuffer | None = None) -> PartHashes:
        hashed.append(job.length)
        return await run(hasher, job, buffer)

    tree, back = make_files(tmp_path / "tree", 3, MIB), tmp_path / "back"
    async with serving(tmp_path) as (server, vault):
        await FolderSync(vault, tree).run()
        if times != 0:
            server.faults.add(Fault("GetJobOutput", FaultKind.FLIP, after_bytes=MIB // 2, count=times))
        monkeypatch.setattr(Hasher, "run", run_and_note)
        restore = FolderRestore(vault, back, Budget(load_prices("us-east-1")))
        done = await restore.run()
    assert bool(hashed) == (times != 0)
    if times is None:  # in the archive itself
        ((path, error),) = restore.failures
        assert (path, type(error), done.restored) == (b"f00", IntegrityError, 2)
        assert sorted(each.name for each in back.iterdir()) == ["f01", "f02"]
        return
    assert (restore.failures, done.restored) == ([], 3)
    assert picture(back) == picture(tree)


async def test_the_memory_of_a_big_file_is_given_back_before_the_next(tmp_path: Path) -> None:
    """Members of a bundle are read and decoded meanwhile, and need their own."""
    tree, back = make_files(tmp_path / "tree", 2, 3 * MIB), tmp_path / "back"
    async with serving(tmp_path) as (_, vault):
        await FolderSync(vault, tree, SyncOptions(largest_member=0)).run()
        buffers = vault.context.resources.buffers
        buffers.free_idle()
        done = await FolderRestore(vault, back, Budget(load_prices("us-east-1"))).run()
        assert "allocated=0 lent=0" in repr(buffers)
    assert (done.restored, picture(back)) == (2, picture(tree))


@pytest.mark.slow
@pytest.mark.parametrize("is_limited", [False, True])
async def test_an_expired_output_is_asked_for_again_within_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_limited: bool
) -> None:
    """A day passes during the fetch: new jobs bring the rest, but none that exceeds ``max_cost``."""
    monkeypatch.setattr(retrieval, "LARGEST_RANGE", 4 * MIB)
    tree = make_files(tmp_path / "tree", 24, MIB // 2)
    slow = Fault("GetJobOutput", FaultKind.DELAY, seconds=1.0, count=2)
    async with serving(tmp_path) as (server, vault):
        await FolderSync(vault, tree).run()
        prices = load_prices("us-east-1")
        cost = (await FolderRestore(vault, tmp_path / "back", Budget(prices)).plan()).cost
        budget = Budget(prices, cost * 1.01 if is_limited else None)
        restore = FolderRestore(vault, tmp_path / "back", budget)
        server.faults.add(slow)
        done: list[Any] = []

        async def run() -> None:
            try:
                done.append(await restore.run())
            except CostLimitError as error:
                done.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            with anyio.fail_after(30):
                while restore.snapshot().jobs_started < 4 and not done:  # noqa: ASYNC110  # a snapshot is polled
                    await anyio.sleep(0.01)
            await server.advance(25 * 3600)
    (summary,) = done
    if is_limited:
        assert isinstance(summary, CostLimitError)
        assert restore.snapshot().jobs_started == 4
        return
    assert restore.failures == []
    assert summary.jobs == 4
    assert summary.jobs_started > 4
    assert summary.jobs_waited_for == 0
    assert picture(tmp_path / "back") == picture(tree)


async def test_an_output_that_is_always_gone_is_given_up(tmp_path: Path) -> None:
    """Three more jobs are paid for, not one after the other without end, and each path fails by name."""
    tree = make_files(tmp_path / "tree", 2, 1000)
    gone = Fault("GetJobOutput", status=404, code="ResourceNotFoundException", count=None)
    async with serving(tmp_path) as (server, vault):
        await FolderSync(vault, tree).run()
        server.faults.add(gone)
        restore = FolderRestore(vault, tmp_path / "back", Budget(load_prices("us-east-1")))
        with anyio.fail_after(30):
            done = await restore.run()
    assert (done.jobs_started, done.failed) == (4, 2)
    assert {type(each.error) for each in restore.failures} == {JobNotFoundError}


async def test_an_archive_that_is_gone_gives_way_to_older_versions(place: Place, tmp_path: Path) -> None:
    """In the same run, the newest version that is left comes back, and a path without one fails by name."""
    tree = make_files(tmp_path / "tree", 2, 1000)
    await place.sync(tree)
    old = (tree / "f01").read_bytes()
    (tree / "f01").write_bytes(b"changed")
    (tree / "new").write_bytes(b"only in the second archive")
    await place.sync(tree)
    async with place.vault() as vault:
        assert vault.records is not None
        archives, key = vault.records.catalog.archives, vault.records.key
        found = [record async for record in archives.list_vault(key)]
        latest = max(found, key=lambda record: record.upload or 0)
        await vault.delete_archive(latest.archive.id)
        await archives.record_state(key, latest.archive.id, ArchiveState.STORED)  # another program did it
        restore = FolderRestore(vault, tmp_path / "back", Budget(load_prices("us-east-1")))
        done = await restore.run()
    (failure,) = restore.failures
    assert (failure.path, type(failure.error)) == (b"new", NotStoredError)
    assert latest.archive.id in str(failure.error)
    assert (done.failed, "'f01' is an older version" in " ".join(restore.notices)) == (1, True)
    assert (tmp_path / "back" / "f01").read_bytes() == old
