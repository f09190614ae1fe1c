"""A version counts only while its archive is proven: what sync, restore and verify say when one is not."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.bulk import (
    FolderRestore,
    FolderSync,
    FolderVerify,
    RestoreOptions,
    SyncOptions,
    Trouble,
    VerifyOptions,
    find_losses,
)
from aioglacier.bulk.pricing import load_prices
from aioglacier.catalog import ArchiveState
from aioglacier.core.errors import ConfigurationError, NotStoredError
from aioglacier.core.spending import Budget
from tests.bulk.conftest import MIB, picture
from tests.bulk.formats.test_age import Key
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.bulk.conftest import Place

PRICES = load_prices("us-east-1")


def write(root: Path, files: Mapping[str, bytes]) -> Path:
    """Files with these contents."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


async def restore(place: Place, target: Path, **options: Any) -> FolderRestore:
    """A restore that was run, whatever failed."""
    async with place.vault() as vault:
        restore = FolderRestore(vault, target, Budget(PRICES), RestoreOptions(**options))
        await restore.run()
        return restore


async def troubles(place: Place, tree: Path) -> set[tuple[Trouble, str]]:
    """Return the findings of a comparison."""
    async with place.vault() as vault:
        verify = FolderVerify(vault, tree, Budget(PRICES))
        await verify.run()
        return {(trouble, what) for trouble, what in verify.findings}


async def test_files_of_a_deleted_archive_are_missed_and_sent_again(place: Place, tmp_path: Path) -> None:
    """Restore and verify name them, and the next sync stores them, big and small, links and folders."""
    tree = write(tmp_path / "tree", {"d/a": b"small", "big": os.urandom(17 * MIB)})
    (tree / "link").symlink_to("d/a")
    (tree / "other").hardlink_to(tree / "d" / "a")
    await place.sync(tree)
    archives = await place.archives()
    async with place.vault() as vault:
        for archive in archives:
            await vault.delete_archive(archive.id)
    missed = await restore(place, tmp_path / "empty")
    assert {failure.path for failure in missed.failures} >= {b"d/a", b"big", b"link"}
    assert all(isinstance(failure.error, NotStoredError) for failure in missed.failures)
    assert {(Trouble.LOST, "d/a"), (Trouble.LOST, "big")} <= await troubles(place, tree)
    again = await place.sync(tree)
    assert (again.unchanged, again.archives) == (0, 2)
    assert await troubles(place, tree) == set()
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)


async def test_an_older_version_comes_back_where_the_newest_is_lost(place: Place, tmp_path: Path) -> None:
    """The restore says so, and verify reports it."""
    tree = write(tmp_path / "tree", {"a": b"old"})
    await place.sync(tree)
    first = {archive.id for archive in await place.archives()}
    write(tree, {"a": b"newer"})
    await place.sync(tree)
    (newest,) = [archive for archive in await place.archives() if archive.id not in first]
    async with place.vault() as vault:
        context = vault.context.recorded()
        await context.catalog.archives.record_state(context.key, newest.id, ArchiveState.SUSPECT)
    done = await restore(place, tmp_path / "back")
    assert (tmp_path / "back" / "a").read_bytes() == b"old"
    assert any("'a' is an older version" in notice for notice in done.notices)
    assert (Trouble.CHANGED, "a") in await troubles(place, tree)


async def test_a_rename_that_is_killed_keeps_the_old_names(place: Place, tmp_path: Path) -> None:
    """Until the new ones count, whatever the moment."""
    tree = write(tmp_path / "tree", {f"old/f{number}": os.urandom(3000) for number in range(20)})
    await place.sync(tree)
    (tree / "old").rename(tree / "new")
    write(tree, {"more": os.urandom(3000)})
    assert run(place, "sync", tree, "folders", crash_at="part sent") == -signal.SIGKILL
    back = await restore(place, tmp_path / "back")
    assert back.failures == []
    assert len(list((tmp_path / "back" / "old").iterdir())) == 20


async def test_content_that_is_stored_is_not_sent_again(place: Place, tmp_path: Path) -> None:
    """Not under another name, in another folder, nor when it comes back."""
    big = os.urandom(17 * MIB)
    tree = write(tmp_path / "tree", {"a/small": os.urandom(3000), "a/big": big})
    await place.sync(tree)
    (tree / "a").rename(tree / "b")
    moved = await place.sync(tree)
    assert moved.recorded >= 2
    assert moved.sent < MIB
    other = write(tmp_path / "other", {"copy": big})
    assert (await place.sync(other)).sent < MIB
    await place.restore(tmp_path / "back", folder=str(tree))
    assert picture(tmp_path / "back") == picture(tree)


async def test_most_of_a_folder_is_not_recorded_as_removed_unasked(place: Place, tmp_path: Path) -> None:
    """A disk that is not mounted looks like an empty folder; once confirmed, it is one."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2", "c": b"3"})
    await place.sync(tree)
    for name in ("a", "b"):
        (tree / name).unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        assert (await sync.run()).removed == 0
        assert sync.held_back == 2
    await place.restore(tmp_path / "all")
    assert len(list((tmp_path / "all").iterdir())) == 3
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        await sync.run()
        await sync.accept_removals()
        assert (sync.held_back, sync.snapshot().removed) == (0, 2)
    await place.restore(tmp_path / "rest")
    assert [path.name for path in (tmp_path / "rest").iterdir()] == ["c"]


async def test_two_machines_keep_folders_of_one_path_apart(place: Place, tmp_path: Path) -> None:
    """One catalog, the same path, and neither machine records the other's files as removed."""
    tree = write(tmp_path / "tree", {"alice": b"a"})
    await place.sync(tree)
    (tree / "alice").rename(tree / "bob")
    await place.sync(tree, host="elsewhere")
    await place.restore(tmp_path / "back", folder=str(tree))
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["alice"]


async def test_a_folder_whose_machine_has_another_name_is_not_taken_silently_for_a_new_one(
    place: Place, tmp_path: Path
) -> None:
    """A container has another host name at each start: the user is asked for the name to keep, once."""
    tree = write(tmp_path / "tree", {"a": b"1"})
    await place.sync(tree, host="2f1c")
    async with place.vault() as vault:
        for count in (1, 0):
            sync = FolderSync(vault, tree, SyncOptions(host="99ab"))
            await sync.run()
            assert [notice for notice in sync.notices if "--host 2f1c" in notice] == sync.notices
            assert len(sync.notices) == count
        assert (await FolderSync(vault, tree, SyncOptions(host="2f1c")).plan()).files == 0


async def test_a_hard_link_stands_for_what_its_file_was(place: Place, tmp_path: Path) -> None:
    """A link that was broken up before a killed sync does not get the content of the other file."""
    tree = write(tmp_path / "tree", {"a": b"shared"})
    (tree / "z").hardlink_to(tree / "a")
    await place.sync(tree)
    (tree / "z").unlink()
    write(tree, {"a": os.urandom(20_000), "z": os.urandom(30_000)})
    words = ("sync", "--bundle-up-to=25000", tree, "folders")
    assert run(place, *words, crash_at="archive recorded:2") == -signal.SIGKILL
    await restore(place, tmp_path / "back")
    assert (tmp_path / "back" / "z").read_bytes() in {b"shared", (tree / "z").read_bytes()}
    assert run(place, *words) == 0
    await place.restore(tmp_path / "whole")
    assert picture(tmp_path / "whole") == picture(tree)


async def test_what_an_identity_cannot_open_is_not_paid_for(place: Place, tmp_path: Path) -> None:
    """Files that were encrypted to others are named, and the rest comes back."""
    first, second = Key(tmp_path, "first"), Key(tmp_path, "second")
    tree = write(tmp_path / "tree", {"old": b"1" * 1000})
    await place.sync(tree, recipients=first.recipients)
    write(tree, {"new": b"2" * 1000})
    await place.sync(tree, recipients=second.recipients)
    done = await restore(place, tmp_path / "back", identities=second.identities)
    assert [failure.path for failure in done.failures] == [b"old"]
    assert done.snapshot().jobs_started == 1
    assert (tmp_path / "back" / "new").read_bytes() == b"2" * 1000
    async with place.vault() as vault:
        options = VerifyOptions(sample=1, identities=Key(tmp_path, "third").identities)
        verify = FolderVerify(vault, tree, Budget(PRICES), options)
        with pytest.raises(ConfigurationError, match="nothing was asked for"):
            await verify.run()


async def test_a_sync_with_a_recipient_says_that_plain_copies_stay(place: Place, tmp_path: Path) -> None:
    """Encryption reaches nothing that is stored already."""
    tree = write(tmp_path / "tree", {"a": b"plain"})
    await place.sync(tree)
    async with place.vault() as vault:
        sync = FolderSync(vault, tree, SyncOptions(recipients=Key(tmp_path).recipients))
        await sync.run()
    assert any("not encrypted" in notice for notice in sync.notices)


async def test_the_files_that_would_be_lost_are_known_before(place: Place, tmp_path: Path) -> None:
    """By name, and whether an older version stays."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2"})
    await place.sync(tree)
    first = {archive.id for archive in await place.archives()}
    write(tree, {"a": b"changed"})
    await place.sync(tree)
    (newest,) = [archive for archive in await place.archives() if archive.id not in first]
    async with place.vault() as vault:
        pages = [page async for page in find_losses(vault, [newest.id])]
        every = [loss.path for page in [each async for each in find_losses(vault)] for loss in page]
    losses = {loss.path: loss.has_older for page in pages for loss in page}
    assert losses[b"a"]
    assert {b"a", b"b"} <= set(every)


async def test_removals_are_accepted_only_of_paths_that_are_still_gone(place: Place, tmp_path: Path) -> None:
    """The disk was mounted while someone was asked: what is there again is not recorded as removed."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2", "c": b"3"})
    await place.sync(tree)
    (tree / "a").rename(tmp_path / "a")
    (tree / "b").unlink()
    async with place.vault() as vault:
        sync = FolderSync(vault, tree)
        await sync.run()
        assert sync.held_back == 2
        (tmp_path / "a").rename(tree / "a")
        await sync.accept_removals()
        assert sync.snapshot().removed == 1
    await place.restore(tmp_path / "back")
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["a", "c"]


async def test_a_machine_with_another_name_does_not_switch_encryption_off(
    place: Place, tmp_path: Path
) -> None:
    """A container with a new host name has no record of the folder, but the vault's record names its key."""
    tree = write(tmp_path / "tree", {"a": b"secret"})
    await place.sync(tree, host="2f1c", recipients=Key(tmp_path).recipients)
    with pytest.raises(ConfigurationError, match="was encrypted"):
        await place.sync(tree, host="99ab")
    assert len(await place.archives()) == 1
