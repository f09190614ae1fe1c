"""A restore asks for nothing twice, and for what is gone again; it needs the room that it needs."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import FolderRestore, RestoreOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.core.errors import NotStoredError
from aioglacier.core.spending import Budget
from aioglacier.server.requests.faults import Fault, FaultKind
from tests.bulk.conftest import MIB, Key, picture, restore
from tests.bulk.restore.conftest import make_files, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


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


async def test_a_file_that_finds_no_room_is_named_and_comes_once_there_is_some(
    place: Place, tmp_path: Path
) -> None:
    """The other files are restored, and the bytes that are paid for come from the same job."""
    tree, back = make_files(tmp_path / "tree", 3, 512 * 1024), tmp_path / "back"
    (tree / "big").write_bytes(os.urandom(8 * MIB))
    await place.sync(tree, largest_member=MIB)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, hard))  # cuts a write as a full disk does
    try:
        full = await restore(place, back)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    ((path, error),) = full.failures
    assert (path, str(error)) == (b"big", "'big' cannot be written: File too large")
    assert sorted(each.name for each in back.iterdir() if each.suffix != ".part")[-3:] == [
        "f00",
        "f01",
        "f02",
    ]
    done = await place.restore(back)
    assert (done.restored, done.jobs_started) == (1, 0)
    assert picture(back) == picture(tree)


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


@pytest.mark.slow
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
