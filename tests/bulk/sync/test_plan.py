"""The plan of a sync: which folder it is, what its machine and its encryption are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import FolderSync, SyncOptions
from aioglacier.core.errors import ConfigurationError
from aioglacier.core.planning import choose_part_size, count_parts
from tests.bulk.conftest import Key, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


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


async def test_a_sync_with_a_recipient_says_that_plain_copies_stay(place: Place, tmp_path: Path) -> None:
    """Encryption reaches nothing that is stored already."""
    tree = write(tmp_path / "tree", {"a": b"plain"})
    await place.sync(tree)
    async with place.vault() as vault:
        sync = FolderSync(vault, tree, SyncOptions(recipients=Key(tmp_path).recipients))
        await sync.run()
    assert any("not encrypted" in notice for notice in sync.notices)


async def test_a_machine_with_another_name_does_not_switch_encryption_off(
    place: Place, tmp_path: Path
) -> None:
    """A container with a new host name has no record of the folder, but the vault's record names its key."""
    tree = write(tmp_path / "tree", {"a": b"secret"})
    await place.sync(tree, host="2f1c", recipients=Key(tmp_path).recipients)
    with pytest.raises(ConfigurationError, match="was encrypted"):
        await place.sync(tree, host="99ab")
    assert len(await place.archives()) == 1


async def test_a_plan_counts_bytes_and_requests(place: Place, tmp_path: Path) -> None:
    """A bundle has headers, padding and an index; a big file has its parts, a beginning and a completion."""
    tree = write(tmp_path / "tree", {"small": bytes(10)})
    size = 200 * 1024**3
    with (tree / "big").open("wb") as file:
        file.truncate(size)
    async with place.vault() as vault:
        plan = await FolderSync(vault, tree).plan()
    assert (plan.files, plan.size, plan.bundles, plan.big_files) == (3, size + 10, 1, 1)  # with the folder
    assert plan.sent == size + (512 + 80) + (512 + 512 + 80)
    assert plan.requests == 3 + 2 + count_parts(size, choose_part_size(size))
