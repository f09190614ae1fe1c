"""A restore asks for nothing twice, and for what is gone again; it needs the room that it needs."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import aioglacier
from aioglacier.bulk import FolderRestore, RestoreOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore import retrieval_plan as retrieval
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.catalog import ArchiveState, Catalog
from aioglacier.core.errors import CostLimitError, NotStoredError
from aioglacier.core.spending import Budget
from aioglacier.server import LocalGlacier
from aioglacier.server.requests.faults import Fault, FaultKind
from tests.bulk.conftest import MIB, Key, picture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.client.vault import Vault
    from tests.bulk.conftest import Place

pytestmark = pytest.mark.slow


def make_files(root: Path, number: int, size: int) -> Path:
    """A folder of files of one size, in the order of their names."""
    root.mkdir()
    for each in range(number):
        (root / f"f{each:02}").write_bytes(os.urandom(size))
    return root


async def test_what_was_asked_for_is_not_asked_for_again(place: Place, tmp_path: Path) -> None:
    """A job for more than is missing now has it; only what no job has is asked for."""
    tree = make_files(tmp_path / "tree", 10, 2 * MIB)
    await place.sync(tree)
    assert (await place.restore(tmp_path / "back")).jobs_started == 1
    for name in ("f03", "f04", "f08"):
        (tmp_path / "back" / name).unlink()
    fetched = load_prices("us-east-1").transfer_out(21 * MIB)  # those between come along
    again = await place.restore(tmp_path / "back", max_cost=fetched)
    assert (again.jobs_started, again.restored) == (0, 3)
    assert 0 < again.cost <= fetched
    assert picture(tmp_path / "back") == picture(tree)


async def test_a_part_that_was_asked_for_leaves_the_rest_to_ask_for(place: Place, tmp_path: Path) -> None:
    """The members between two jobs that are there come by a third, and none comes twice."""
    tree = make_files(tmp_path / "tree", 20, MIB)
    await place.sync(tree)
    (archive,) = await place.archives()
    async with place.vault() as vault:
        for start, stop in ((2 * MIB, 7 * MIB), (5 * MIB, 12 * MIB), (16 * MIB, 18 * MIB)):
            await vault.retrieve(archive.id, byte_range=(start, stop))
    done = await place.restore(tmp_path / "back")
    assert done.restored == 20
    assert done.failed == 0
    assert picture(tmp_path / "back") == picture(tree)
    async with place.vault() as vault:
        jobs = [job async for job in vault.jobs() if job.byte_range is not None]
    assert len(jobs) == 3 + done.jobs_started


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


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[LocalGlacier, Vault]]:
    """Run a local Glacier in this process, so that faults can be added, with a vault and a catalog."""
    async with (
        LocalGlacier(folder / "glacier", job_delay=0) as server,
        Catalog.open(folder / "catalog.db") as catalog,
        aioglacier.connect(
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            catalog=catalog,
            hash_in="threads",
        ) as glacier,
    ):
        yield server, await glacier.create_vault("folders")


@pytest.mark.parametrize("failures", [1, 2])
@pytest.mark.parametrize("has_older", [True, False])
async def test_an_archive_that_two_jobs_fail_to_retrieve_is_suspect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, has_older: bool, failures: int
) -> None:
    """An older version comes back or the path is named, and the next sync sends the file again."""
    tree = make_files(tmp_path / "tree", 1, 1000)
    contents = [(tree / "f00").read_bytes()]
    async with serving(tmp_path) as (server, vault):
        if has_older:
            await FolderSync(vault, tree).run()
            contents.append(os.urandom(2000))
            (tree / "f00").write_bytes(contents[-1])
        await FolderSync(vault, tree).run()
        server.faults.add(Fault("InitiateJob", FaultKind.JOB_FAILURE, count=failures, message="no luck"))
        restore = FolderRestore(vault, tmp_path / "back", Budget(load_prices("us-east-1")))
        await restore.run()
        is_lost = failures == 2
        assert bool((await FolderSync(vault, tree).run()).archived) is is_lost
    assert ("no luck" in caplog.text) is is_lost
    if is_lost and not has_older:
        assert b"f00" in {each.path for each in restore.failures}
        assert {type(each.error) for each in restore.failures} == {NotStoredError}
    else:
        assert restore.failures == []
        assert (tmp_path / "back" / "f00").read_bytes() == contents[-2 if is_lost else -1]
    assert restore.snapshot().jobs_started == failures + (not is_lost or has_older)


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


async def test_an_encrypted_big_file_needs_its_size_twice(place: Place, tmp_path: Path) -> None:
    """The plan says so, before anything is asked for."""
    key = Key(tmp_path)
    tree = make_files(tmp_path / "tree", 3, 17 * MIB)
    await place.sync(tree, recipients=key.recipients)
    async with place.vault() as vault:
        options = RestoreOptions(identities=key.identities)
        plan = await FolderRestore(vault, tmp_path / "back", Budget(load_prices("us-east-1")), options).plan()
        assert plan.size == 3 * 17 * MIB
        assert 2 * 17 * MIB < plan.room < 2 * 18 * MIB  # two are fetched at once


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
