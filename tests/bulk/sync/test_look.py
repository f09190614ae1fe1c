"""The look at a folder and at its vault, before anything is sent."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.bulk.path_failures import PathFailure, PathFailures
from aioglacier.bulk.sync.compare import Comparison
from aioglacier.bulk.sync.look import FolderLook
from aioglacier.bulk.sync.plan import SyncOptions
from aioglacier.bulk.sync.scan import ScanFailure
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.catalog import Catalog
from aioglacier.core.errors import SourceUnreadableError, VaultNotFoundError
from aioglacier.server import LocalGlacier
from aioglacier.tasks.shard import Shard
from tests.bulk.conftest import connected, verify, write
from tests.bulk.sync.conftest import drained

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

FILES = 6000


async def test_a_vault_that_does_not_exist_leaves_no_record(place: Place, many: Path) -> None:
    """Or a restore from it would find a folder that has nothing in it."""
    async with (
        Catalog.open(place.catalog) as catalog,
        aioglacier.connect(endpoint_url=f"local:{place.glacier}", catalog=catalog) as glacier,
    ):
        vault = glacier.vault("nowhere")
        with pytest.raises(VaultNotFoundError):
            await FolderSync(vault, many).run()
        assert vault.records is not None
        assert await catalog.trees.list(vault.records.key) == []


async def test_a_vault_that_is_gone_keeps_its_record(place: Place, many: Path) -> None:
    """The records from before the vault was deleted stay."""
    await drained(place, many)
    async with place.vault() as vault:
        async for archive in (await _inventory(vault)).inventory():
            await vault.delete_archive(archive.id)
        await vault.delete()
        with pytest.raises(VaultNotFoundError):
            await FolderSync(vault, many).run()
        assert vault.records is not None
        assert len(await vault.records.catalog.trees.list(vault.records.key)) == 1


async def _inventory(vault: aioglacier.Vault) -> aioglacier.Job:
    job = await vault.retrieve_inventory()
    await job.wait_until_done()
    return job


async def test_a_catalog_without_the_archives_of_a_vault_is_said_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    """After a loss of the catalog the user learns how to recover it before everything is billed again."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_bytes(b"1")
    async with LocalGlacier(tmp_path / "glacier", inventory_lag=0, is_durable=False) as server:

        async def prepared(catalog: Path, *, runs: bool) -> list[str]:
            async with connected(server.url, catalog) as glacier:
                sync = FolderSync(await glacier.create_vault("folders"), tree)
                await sync.prepare()
                if runs:
                    await sync.run()
                return sync.notices

        assert await prepared(tmp_path / "first.db", runs=True) == []
        assert await prepared(tmp_path / "first.db", runs=False) == []
        (notice,) = await prepared(tmp_path / "second.db", runs=False)
        assert "catalog recover" in notice


async def test_what_is_not_archived_is_named_by_its_kind(place: Place, tmp_path: Path) -> None:
    """A FIFO is reported as one, and the other files are archived."""
    tree = tmp_path / "tree"
    tree.mkdir()
    os.mkfifo(tree / "pipe")
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        await sync.run()
    (failure,) = sync.failures
    assert "'pipe' is a FIFO and is not archived" in str(failure.error)


async def test_a_date_that_no_catalog_can_keep_is_named_and_the_rest_is_archived(
    place: Place, tmp_path: Path
) -> None:
    """The content comes back with the nearest date, and a second run sends nothing."""
    root = write(tmp_path / "dates", {"far/inside": b"1", "last": b"2", "large": bytes(1 << 20)})
    for name in ("last", "large", "far"):
        os.utime(root / name, ns=(1 << 63, 1 << 63))  # 2262; the database's largest number is one less
    if (root / "last").stat().st_mtime_ns != 1 << 63:
        pytest.skip("this file system has no such date")
    for archives in (2, 0):
        async with place.vault() as vault:
            sync = FolderSync(vault, root, SyncOptions(largest_member=4096))
            done = await sync.run()
        assert [failure.path for failure in sync.failures] == [b"far/", b"large", b"last"]
        assert (done.archives, done.failed) == (archives, 3)
    await place.restore(tmp_path / "back", folder=str(root))
    assert (tmp_path / "back" / "far" / "inside").read_bytes() == b"1"
    assert (tmp_path / "back" / "large").stat().st_mtime_ns == (1 << 63) - 1
    assert (await verify(place, root)).findings == []


async def test_each_shard_names_its_own_paths_that_cannot_be_read(place: Place, tmp_path: Path) -> None:
    """Of two shards one names the path, with the system's reason and number."""
    named: list[PathFailure] = []
    async with Catalog.open(place.catalog) as catalog:
        for number in (1, 2):
            look = FolderLook(str(tmp_path), SyncOptions(shard=Shard(number, 2)), catalog.entries)
            look.scan.failures.append(ScanFailure(b"closed/", errno.EACCES, "Permission denied"))
            failures = PathFailures()
            look.list_failures(failures)
            named += failures.kept
    (failure,) = named
    assert failure.path == b"closed/"
    assert isinstance(failure.error, SourceUnreadableError)
    assert (failure.error.path, failure.error.errno) == ("closed/", errno.EACCES)


async def test_each_shard_names_its_own_paths_that_were_asked_for_and_are_nowhere(
    place: Place, tmp_path: Path
) -> None:
    """Each is named once, in order, with the words that it was asked for by."""
    asked = [b"far/away", b"gone", b"lost", b"missing"]
    named: list[list[bytes]] = []
    async with Catalog.open(place.catalog) as catalog:
        for number in (1, 2):
            look = FolderLook(str(tmp_path), SyncOptions(only=asked, shard=Shard(number, 2)), catalog.entries)
            failures = PathFailures()
            look.list_failures(failures)
            named.append([failure.path for failure in failures.kept])
            for path, error in failures.kept:
                assert isinstance(error, SourceUnreadableError)
                assert error.path == path.decode()
                assert f"{path.decode()!r} is neither in the folder nor on record" in str(error)
    assert all(sorted(each) == each for each in named)
    assert sorted(path for each in named for path in each) == asked


async def test_shards_name_all_paths_once_whatever_keeps_them_from_being_archived(
    place: Place, tmp_path: Path
) -> None:
    """Paths that cannot be read, that have a date of no catalog, and that are no files or folders."""
    paths = [f"p{number}".encode() for number in range(8)]
    named: list[PathFailure] = []
    async with Catalog.open(place.catalog) as catalog:
        for number in (1, 2):
            look = FolderLook(str(tmp_path), SyncOptions(shard=Shard(number, 2)), catalog.entries)
            look.scan.failures += [
                ScanFailure(path, errno.EIO, "Input/output error") for path in (b"", *paths)
            ]
            look.scan.misdated += paths
            look.comparison = Comparison(look.scan, iter(()))
            look.comparison.skipped += [(path, "fifo") for path in paths]
            failures = PathFailures()
            look.list_failures(failures)
            assert failures.count > 3
            assert all(Shard(number, 2).has(failure.path) for failure in failures.kept)
            named += failures.kept
    assert sorted(failure.path for failure in named) == sorted([b"", *paths, *paths, *paths])
    words = "cannot be looked at: Input/output error", "has a date outside of 1677 to 2262", "is a FIFO"
    for path, error in named:
        assert isinstance(error, SourceUnreadableError)
        assert error.path == (path.decode() or str(tmp_path))
        assert str(error).startswith(repr(error.path))
    counts = [sum(text in str(failure.error) for failure in named) for text in words]
    assert counts == [9, 8, 8]
