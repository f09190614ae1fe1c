"""Folders of small files that workers of every kind pack into bundles."""

from __future__ import annotations

import os
import pickle
import secrets
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest

from aioglacier.bulk import FolderRestore, FolderSync, RestoreOptions, SyncOptions
from aioglacier.bulk.formats.age import Recipients, read_identities
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.sync import bundle_run
from aioglacier.bulk.sync.bundle_run import BundleRun
from aioglacier.bulk.sync.compare import Change
from aioglacier.bulk.sync.scan import Found
from aioglacier.catalog import VaultKey
from aioglacier.catalog.folders.entry_records import RunNumber, TreeNumber, TreeRecord
from aioglacier.core.errors import NotSharedError, WorkerDiedError
from aioglacier.core.spending import Budget
from aioglacier.files.shared import SharedFolder
from aioglacier.transfer.upload.part_run import has_parts
from tests.cluster.conftest import SMALL_MEMORY, HereRunner, ScriptedRunner, folder_vault, spread_glacier
from tests.transfer.conftest import MIB

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.client.vault import Vault
    from aioglacier.files.shared import Shared
    from aioglacier.transfer.resources import Runner, Task
    from tests.transfer.conftest import Served

D = TypeVar("D")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files, links and folders, below a path of its own."""
    root = tmp_path / "tree"
    for number in range(40):
        file = root / f"d{number % 4}" / f"f{number:02}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"%d" % number * 1000)
    (root / "empty").touch()
    (root / "link").symlink_to("d0/f00")
    os.link(root / "d1" / "f01", root / "hard")
    return root


async def restored(vault: Vault, folder: Path, options: RestoreOptions | None = None) -> dict[str, bytes]:
    """Return the files of a folder as they come back, by path."""
    await FolderRestore(vault, folder, Budget(load_prices("us-east-1")), options).run()
    return content_of(folder)


def content_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


async def test_workers_pack_the_small_files_of_a_folder(
    runner: Runner, house: Served, tree: Path, tmp_path: Path
) -> None:
    """All come back as they were, and the next run finds nothing to do."""
    async with folder_vault(house, runner, tmp_path) as vault:
        done = await FolderSync(vault, tree).run()
        assert (done.archived, done.failed, done.archives) == (48, 0, 1)
        assert done.workers == 2
        assert await restored(vault, tmp_path / "back") == content_of(tree)
        assert (tmp_path / "back" / "link").readlink() == (tree / "link").readlink()
        again = await FolderSync(vault, tree).run()
        assert (again.archived, again.unchanged) == (0, 48)


async def test_many_bundles_go_side_by_side_and_are_encrypted(
    runner: Runner, house: Served, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several workers pack several bundles of a folder; each is compressed and encrypted."""
    monkeypatch.setattr(bundle_run, "_LEAST_SIZE", 8000)
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    options = SyncOptions(recipients=Recipients([str(identity.to_public())]), compress=True, bundle_size=8000)
    (tmp_path / "key").write_text(f"{identity}\n")
    async with folder_vault(house, runner, tmp_path) as vault:
        done = await FolderSync(vault, tree, options).run()
        assert done.archived == 48
        assert done.archives > 4
        identities = read_identities([tmp_path / "key"])
        options_back = RestoreOptions(identities=identities)
        assert await restored(vault, tmp_path / "back", options_back) == content_of(tree)


async def test_contents_that_are_stored_are_not_sent_again(
    runner: Runner, house: Served, tree: Path, tmp_path: Path
) -> None:
    """A worker hashes files whose size is on record; a renamed or touched one is only recorded."""
    async with folder_vault(house, runner, tmp_path) as vault:
        await FolderSync(vault, tree).run()
        (tree / "d0" / "f00").rename(tree / "moved")
        (tree / "d2" / "f02").touch()
        (tree / "d3" / "f03").write_bytes(b"other" * 200)
        (tree / "hard").unlink()
        done = await FolderSync(vault, tree).run()
        # The renamed and the touched file, the file that lost a name, and two folders.
        assert (done.recorded, done.archived, done.removed, done.failed) == (5, 1, 2, 0)
        assert await restored(vault, tmp_path / "back") == content_of(tree)


async def test_a_file_that_cannot_be_read_is_told_and_the_others_are_archived(
    house: Served, tree: Path, tmp_path: Path
) -> None:
    """It went away between the scan and the worker's reading."""

    class Removing(HereRunner):
        async def do(self, task: Task[D]) -> D:
            (tree / "d0" / "f00").unlink(missing_ok=True)
            return await super().do(task)

    async with folder_vault(house, Removing(house), tmp_path) as vault:
        sync = FolderSync(vault, tree)
        done = await sync.run()
        assert (done.archived, done.failed) == (47, 1)
        assert [failure.path for failure in sync.failures] == [b"d0/f00"]
        assert await restored(vault, tmp_path / "back") == content_of(tree)


async def test_a_bundle_is_packed_again_as_another_upload(house: Served, tree: Path, tmp_path: Path) -> None:
    """A worker died with parts sent: its upload is aborted, and no archive is mixed from two attempts."""

    class Dying(HereRunner):
        async def do(self, task: Task[D]) -> D:
            if not self.tasks[1:]:
                await super().do(task)  # the answer is lost with the worker
                (tree / "d0" / "f00").write_bytes(b"changed")
            return await super().do(task)

    counts = house.watch("InitiateMultipartUpload", "AbortMultipartUpload", "CompleteMultipartUpload")
    runner = Dying(house)
    async with folder_vault(house, runner, tmp_path) as vault:
        done = await FolderSync(vault, tree).run()
        assert (done.archives, done.archived) == (1, 48)
        assert await restored(vault, tmp_path / "back") == content_of(tree)
    assert counts() == {"InitiateMultipartUpload": 2, "AbortMultipartUpload": 1, "CompleteMultipartUpload": 1}


@pytest.mark.parametrize("answer", [0, 1])
async def test_two_senders_of_a_bundle_leave_one_exact_archive(
    answer: int, house: Served, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker taken for dead and its successor send other bytes to one upload; either of them answers."""
    looked, first_sent = [anyio.Event(), anyio.Event()], anyio.Event()
    look, looks = has_parts, iter((0, 1))

    async def look_before_any_sends(*arguments: Any) -> bool:
        found = await look(*arguments)
        if (sender := next(looks, None)) is not None:
            looked[sender].set()
            await (first_sent if sender else looked[1]).wait()
        return found

    monkeypatch.setattr(bundle_run, "has_parts", look_before_any_sends)

    class Twice(HereRunner):
        async def do(self, task: Task[D]) -> D:
            if self.tasks[1:]:
                return await super().do(task)
            answers: list[D] = []

            async def send_first() -> None:
                answers.append(await HereRunner.do(self, task))
                (tree / "d0" / "f00").write_bytes(b"changed")
                first_sent.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send_first)
                await looked[0].wait()
                answers.append(await super().do(task))
            return answers[answer]

    counts = house.watch("InitiateMultipartUpload", "AbortMultipartUpload")
    async with folder_vault(house, Twice(house), tmp_path) as vault:
        sync = FolderSync(vault, tree)
        done = await sync.run()
        assert (done.archives, done.archived, sync.given_up) == (1, 48, 0)
        assert await restored(vault, tmp_path / "back") == content_of(tree)
    # The first sender's parts are gone, so its answer cannot be completed, and the bundle is packed again.
    again = 1 - answer
    assert counts() == {"InitiateMultipartUpload": 1 + again, "AbortMultipartUpload": again}


async def test_workers_that_are_lost_leave_nothing_open(house: Served, tree: Path, tmp_path: Path) -> None:
    """The upload of the bundle is aborted, and the next run archives what is missing."""
    runner = ScriptedRunner(house)
    runner.dies_after = 0
    runner._others_done.set()
    async with folder_vault(house, runner, tmp_path) as vault:
        sync = FolderSync(vault, tree)
        with pytest.raises(WorkerDiedError):
            await sync.run()
        assert sync.given_up == 48
        assert [upload async for upload in vault.uploads()] == []
        runner.dies_after = 1 << 30
        assert (await FolderSync(vault, tree).run()).archived == 48


async def test_a_bucket_gets_its_sidecars(runner: Runner, house: Served, tree: Path, tmp_path: Path) -> None:
    """The coordinator makes the sidecar of a bundle from the records, and a lost catalog can be rebuilt."""
    async with spread_glacier(house, runner, tmp_path, SMALL_MEMORY) as glacier:
        name = f"b-{secrets.token_hex(4)}"
        await glacier.create_bucket(name)
        bucket = glacier.bucket(name, "DEEP_ARCHIVE")
        if isinstance(runner, HereRunner):
            runner.tools.s3_gateway = bucket.context.gateway
        await FolderSync(bucket, tree).run()
        keys = [each.key async for each in bucket.objects()]
        assert len(keys) == 2
        assert (await FolderSync(bucket, tree).run()).requests == 0


async def test_another_folder_on_a_worker_is_refused(house: Served, tree: Path, tmp_path: Path) -> None:
    """Nothing is begun for it."""

    class Elsewhere(HereRunner):
        async def check_shared(self, shared: Shared) -> None:
            await super().check_shared(shared._replace(inode=1))  # type: ignore[attr-defined]  # of a folder

    counts = house.watch("InitiateMultipartUpload")
    async with folder_vault(house, Elsewhere(house), tmp_path) as vault:
        with pytest.raises(NotSharedError):
            await FolderSync(vault, tree).run()
    assert counts() == {"InitiateMultipartUpload": 0}


def test_a_task_is_small_and_plain(tree: Path) -> None:
    """Without paths it takes some hundred bytes; it has no secret, as recipients are public keys."""
    folder = SharedFolder.of(str(tree))
    key = VaultKey("https://glacier.example", "us-east-1", "-", "photos")
    record = TreeRecord(TreeNumber(1), key, "0" * 32, str(tree), "host", "me", None)
    task = BundleRun(folder, record, RunNumber(1), (), None, ("age1public",))
    assert len(pickle.dumps(task)) < 1000
    assert task.title == "look-at-0-paths-of-tree"


def test_paths_are_read_in_small_batches() -> None:
    """A thread reads 256 paths at once, or 4 MiB; a larger file is read alone."""
    found = [found_of(b"%05d" % number, 1) for number in range(300)]
    found += [found_of(b"large", 5 * MIB), found_of(b"last", 3)]
    sizes = [len(batch) for batch in bundle_run._batches([Change(each, None) for each in found])]
    assert sizes == [256, 44, 1, 1]


def found_of(path: bytes, size: int) -> Found:
    """Return a file that a scan found."""
    return Found(path, "file", size, 0, 0, 1, 0o644, 0, 0, None, 1, 1)
