"""Big files are read below the folder, whatever is moved about meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import FolderSync, SyncOptions
from aioglacier.bulk.sync.folder_files import look_at_file
from aioglacier.bulk.sync.seal_files import archive_sealed
from tests.bulk.conftest import MIB, Key, picture, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


@pytest.mark.parametrize("is_encrypted", [False, True])
async def test_a_folder_swapped_for_a_link_leads_nowhere(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_encrypted: bool
) -> None:
    """Nothing from outside of the folder is archived; the file is listed as one that failed."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for folder in (tree / "d", outside):
        folder.mkdir(parents=True)
        (folder / "big").write_bytes(os.urandom(17 * MIB))

    def swap(*arguments: object) -> object:
        found = None if is_encrypted else look_at_file(*arguments)  # type: ignore[arg-type]
        if not (tree / "d").is_symlink():
            (tree / "d").rename(tree / "was")
            (tree / "d").symlink_to(outside)
        return found

    if is_encrypted:

        async def sealed(*arguments: object) -> object:
            swap()
            return await archive_sealed(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr("aioglacier.bulk.sync.big_files.archive_sealed", sealed)
    else:
        monkeypatch.setattr("aioglacier.bulk.sync.big_files.look_at_file", swap)
    recipients = Key(tmp_path).recipients if is_encrypted else None
    async with place.vault() as vault:
        sync = FolderSync(vault, tree, SyncOptions(recipients=recipients))
        await sync.run()
    assert b"d/big" in {failure.path for failure in sync.failures}
    assert all(archive.size < MIB for archive in await place.archives())


async def test_a_big_file_is_sent_again_only_if_its_content_changed(place: Place, tmp_path: Path) -> None:
    """Another content of the same size is new to the vault; another date of the same content is not."""
    tree = write(tmp_path / "tree", {"big": bytes(5000)})
    os.setxattr(tree / "big", "user.note", b"kept")
    options = {"largest_member": 4096}
    assert (await place.sync(tree, **options)).archives == 2
    (tree / "big").write_bytes(b"\1" * 5000)
    assert (await place.sync(tree, **options)).archives == 1
    os.utime(tree / "big", ns=(1, 1))
    assert (await place.sync(tree, **options)).archives == 0
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)
