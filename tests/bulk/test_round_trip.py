"""A folder there and back: exact, whatever is in it."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.bulk import FolderRestore, RestoreOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.bulk.sync.plan import SyncOptions
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.core.errors import CostLimitError, SourceUnreadableError, TargetError, UnsafePathError
from aioglacier.core.spending import Budget
from tests.bulk.conftest import MIB, make_tree, picture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("compress", [False, True])
async def test_a_folder_with_some_of_everything_comes_back_exact(
    place: Place, tree: Path, tmp_path: Path, compress: bool
) -> None:
    """Names, times, permissions, links, holes and attributes survive."""
    await place.sync(tree, compress=compress)
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)
    status = (tmp_path / "back" / "sparse").stat()
    assert status.st_blocks * 512 < status.st_size


async def test_big_files_are_archives_of_their_own(place: Place, tmp_path: Path) -> None:
    """A file of more than the largest member goes by itself, and comes back beside the small ones."""
    tree = make_tree(tmp_path / "tree", files=5)
    (tree / "big").write_bytes(os.urandom(17 * MIB))
    with (tree / "big and sparse").open("wb") as file:
        file.truncate(18 * MIB)
        file.seek(9 * MIB)
        file.write(b"x")
    os.setxattr(tree / "big", "user.note", b"of a big file")
    done = await place.sync(tree)
    assert done.archives == 3
    sizes = sorted(archive.size for archive in await place.archives())
    assert sizes[-2:] == [17 * MIB, 18 * MIB]
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)
    assert (tmp_path / "back" / "big and sparse").stat().st_blocks * 512 < MIB
    os.setxattr(tree / "big", "user.note", b"another")
    again = await place.sync(tree)
    assert (again.archives, again.requests, again.recorded) == (0, 0, 1)
    (tmp_path / "back" / "big").unlink()
    await place.restore(tmp_path / "back")
    assert os.getxattr(tmp_path / "back" / "big", "user.note") == b"another"


async def test_a_second_sync_of_an_unchanged_folder_asks_for_nothing(place: Place, tree: Path) -> None:
    """Nothing changed: no request, no new version."""
    first = await place.sync(tree)
    again = await place.sync(tree)
    assert again.requests == 0
    assert again.unchanged == again.looked_at == first.looked_at
    assert len(await place.archives()) == 1


async def test_only_what_changed_is_archived(place: Place, tree: Path, tmp_path: Path) -> None:
    """New, changed, touched and removed files are distinguished, and come back as they are now."""
    await place.sync(tree)
    (tree / "new").write_bytes(b"new")
    (tree / "private").write_bytes(b"other secret")
    os.utime(tree / "old", ns=(7, 7))
    (tree / "d0.txt").unlink()
    done = await place.sync(tree)
    assert done.archived == 2
    assert done.removed == 1
    assert done.recorded >= 2  # what was touched, and the folder that it is in
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)


async def test_a_change_that_times_do_not_show_is_found_by_checksum(place: Place, tree: Path) -> None:
    """An edit with its old time is seen by reading, as is nothing else."""
    file = tree / "private"
    await place.sync(tree)
    status = file.stat()
    file.write_bytes(b"SECRET")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = await place.sync(tree, is_thorough=True)
    assert done.archived == 1


async def test_a_folder_comes_back_as_it_was_at_a_time(place: Place, tree: Path, tmp_path: Path) -> None:
    """Versions are kept, and so are files that were removed since."""
    before = picture(tree)
    await place.sync(tree)
    then = datetime.now(UTC)
    (tree / "private").write_bytes(b"other secret")
    (tree / "d0.txt").unlink()
    await place.sync(tree)
    await place.restore(tmp_path / "back", selection=SelectionOptions(at=then))
    assert picture(tmp_path / "back") == before


async def test_a_hard_link_comes_back_without_the_file_it_is_a_name_of(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    """The content is fetched for the link where the first name is not selected."""
    await place.sync(tree)
    await place.restore(tmp_path / "back", selection=SelectionOptions(patterns=["z-linked"]))
    assert (tmp_path / "back" / "z-linked").read_bytes() == (tree / "z-linked").read_bytes()


async def test_one_small_member_is_retrieved_by_a_small_range(place: Place, tmp_path: Path) -> None:
    """Of a bundle of 40 MiB at most 3 MiB are asked for."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(20):
        (tree / f"f{number:02}").write_bytes(os.urandom(2 * MIB))
    (tree / "f10a").write_bytes(os.urandom(4096))
    await place.sync(tree)
    async with place.vault() as vault:
        options = RestoreOptions(selection=SelectionOptions(patterns=["f10a"]))
        restore = FolderRestore(vault, tmp_path / "back", Budget(load_prices("us-east-1")), options)
        plan = await restore.plan()
        assert plan.retrieved <= 3 * MIB
        await restore.run()
        (job,) = [job async for job in vault.jobs()]
        assert job.byte_range is not None
        assert job.byte_range.size == plan.retrieved
    assert (tmp_path / "back" / "f10a").read_bytes() == (tree / "f10a").read_bytes()


@pytest.mark.parametrize("compress", [False, True])
async def test_tar_reads_a_bundle(place: Place, tree: Path, tmp_path: Path, compress: bool) -> None:
    """A machine that has only tar gets the files out."""
    await place.sync(tree, compress=compress)
    (archive,) = await place.archives()
    async with place.vault() as vault:
        job = await vault.retrieve(archive.id)
        await job.download(tmp_path / "bundle")
    (tmp_path / "back").mkdir()
    await anyio.run_process(["tar", "-xpf", tmp_path / "bundle", "-C", tmp_path / "back"])
    await anyio.run_process(["rm", "-r", tmp_path / "back" / ".aioglacier"])
    # It says what differs by its exit code, too.
    await anyio.run_process(["diff", "-r", "--no-dereference", tree, tmp_path / "back"])


async def test_a_restore_goes_on_where_it_stopped(place: Place, tree: Path, tmp_path: Path) -> None:
    """Files in their places are not fetched again; missing files are."""
    await place.sync(tree)
    await place.restore(tmp_path / "back")
    (tmp_path / "back" / "private").unlink()
    done = await place.restore(tmp_path / "back")
    assert done.restored == 1
    assert picture(tmp_path / "back") == picture(tree)


async def test_what_is_there_and_differs_stays_unless_overwritten(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    """Others are restored, and the one is listed; asked to, it is replaced."""
    await place.sync(tree)
    back = tmp_path / "back"
    back.mkdir()
    (back / "private").write_bytes(b"mine")
    async with place.vault() as vault:
        restore = FolderRestore(vault, back, Budget(load_prices("us-east-1")))
        done = await restore.run()
    assert done.failed == 1
    assert isinstance(restore.failures[0].error, TargetError)
    assert (back / "private").read_bytes() == b"mine"
    assert (back / "d0.txt").exists()
    await place.restore(back, overwrite=True)
    assert picture(back) == picture(tree)


async def test_a_hard_link_is_never_made_to_what_else_is_there(place: Place, tmp_path: Path) -> None:
    """A file of that name that was not restored does not come under the other names."""
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "a").write_bytes(b"archived")
    (tree / "sub" / "other name").hardlink_to(tree / "a")
    await place.sync(tree)
    back = tmp_path / "back"
    back.mkdir()
    (back / "a").write_bytes(b"somebody's")
    async with place.vault() as vault:
        restore = FolderRestore(vault, back, Budget(load_prices("us-east-1")))
        done = await restore.run()
    assert sorted(failure.path for failure in restore.failures) == [b"a", b"sub/other name"]
    assert (done.restored, done.restored_size) == (1, 0)  # the folder that holds the link
    assert not (back / "sub" / "other name").exists()
    await place.restore(back, overwrite=True)
    assert picture(back) == picture(tree)


async def test_a_file_from_a_year_to_come_is_unchanged(place: Place, tmp_path: Path) -> None:
    """Its time says nothing of when it was last changed, so it is not read again each time."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "future").write_bytes(b"x")
    os.utime(tree / "future", ns=(9_000_000_000 * 10**9,) * 2)
    settled = (tree / "future").stat().st_ctime_ns + 30_000_000
    await anyio.sleep(max(0, settled - time.time_ns()) / 1e9)  # the file system's clock goes on
    await place.sync(tree)
    again = await place.sync(tree)
    assert (again.unchanged, again.recorded) == (again.looked_at, 0)


async def test_a_planted_link_leads_nowhere(place: Place, tree: Path, tmp_path: Path) -> None:
    """A restore does not write through a link inside its target; the others are restored."""
    await place.sync(tree)
    back, outside = tmp_path / "back", tmp_path / "outside"
    back.mkdir()
    outside.mkdir()
    (back / "d1").symlink_to(outside)
    async with place.vault() as vault:
        restore = FolderRestore(vault, back, Budget(load_prices("us-east-1")))
        done = await restore.run()
    assert list(outside.iterdir()) == []
    assert done.failed
    assert any(isinstance(failed.error, UnsafePathError) for failed in restore.failures)
    assert (back / "private").exists()


async def test_too_dear_a_restore_asks_for_nothing(place: Place, tree: Path, tmp_path: Path) -> None:
    """The limit holds before the first job."""
    await place.sync(tree)
    async with place.vault() as vault:
        restore = FolderRestore(vault, tmp_path / "back", Budget(load_prices("us-east-1"), 0.00001))
        with pytest.raises(CostLimitError) as caught:
            await restore.run()
        assert caught.value.cost > caught.value.limit
        assert [job async for job in vault.jobs()] == []


async def test_a_plan_asks_for_nothing(place: Place, tree: Path) -> None:
    """A dry run counts what a run then does."""
    async with place.vault() as vault:
        plan = await FolderSync(vault, tree).plan()
        assert [upload async for upload in vault.uploads()] == []
        done = await FolderSync(vault, tree).run()
    assert (plan.files, plan.size) == (done.archived, done.archived_size)
    assert plan.requests >= done.requests


async def test_special_files_are_listed_and_the_others_archived(place: Place, tree: Path) -> None:
    """A FIFO is refused and does not hold anything up; excluding it is fine."""
    os.mkfifo(tree / "pipe")
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        done = await sync.run()
        (failed,) = sync.failures
        assert failed.path == b"pipe"
        assert isinstance(failed.error, SourceUnreadableError)
        assert done.archived > 40
        again = FolderSync(vault, tree, SyncOptions(exclude=["pipe"]))
        await again.run()
        assert again.failures == []


async def test_small_bundles_end_where_asked(place: Place, tmp_path: Path) -> None:
    """Many bundles come back as well as one."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(30):
        (tree / f"f{number}").write_bytes(os.urandom(MIB // 2))
    done = await place.sync(tree, bundle_size=4 * MIB)
    assert done.archives > 1
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)
