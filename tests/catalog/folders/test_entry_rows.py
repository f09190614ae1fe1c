"""The archives decide, at each look, which version of a path counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aioglacier.catalog import ArchiveState, UploadState
from aioglacier.catalog.folders import entry_rows
from aioglacier.catalog.folders.entry_records import Standing
from tests.catalog.conftest import NOON, PHOTOS, TREE_HASH, archive
from tests.catalog.folders.conftest import Folder, version


async def test_a_version_counts_once_its_archive_is_proven(folder: Folder) -> None:
    """Until then the older one does, at every moment; a failed upload changes nothing."""
    first, _ = await folder.sync(b"a")
    run, upload = await folder.run(), await folder.upload()
    await folder.catalog.entries.add([version(folder.tree, run, path, upload) for path in (b"a", b"b")])
    assert await folder.stored() == {b"a": (first, True)}
    assert await folder.unproven() == {b"b": Standing.AWAITED}
    assert {path: each[1] for path, each in (await folder.current()).items()} == {
        b"a": Standing.AWAITED,
        b"b": Standing.AWAITED,
    }
    await folder.complete(upload)
    assert await folder.stored() == {b"a": (run, False), b"b": (run, False)}
    assert await folder.stored(first) == {b"a": (first, False)}
    assert await folder.unproven() == {}


@pytest.mark.parametrize("state", [ArchiveState.SUSPECT, ArchiveState.DELETING, ArchiveState.DELETED])
async def test_an_archive_that_is_not_proven_takes_its_versions_along(
    folder: Folder, state: ArchiveState
) -> None:
    """The next older proven version is current again, in the same moment, and comes back with the archive."""
    first, _ = await folder.sync(b"a")
    second, upload = await folder.sync(b"a", b"b")
    await folder.state_of(upload, state)
    assert await folder.stored() == {b"a": (first, True)}
    assert await folder.unproven() == {b"b": Standing.LOST}
    assert {each[1] for each in (await folder.current()).values()} == {Standing.LOST}
    await folder.state_of(upload, ArchiveState.STORED)
    assert await folder.stored() == {b"a": (second, False), b"b": (second, False)}


async def test_folders_need_no_archive(folder: Folder) -> None:
    """A path without content is proven as soon as it is recorded."""
    run = await folder.run()
    await folder.catalog.entries.add(
        [version(folder.tree, run, b"", None), version(folder.tree, run, b"d/", None)]
    )
    assert await folder.stored() == {b"": (run, False), b"d/": (run, False)}


async def test_an_inventory_that_lacks_an_archive_takes_its_versions(folder: Folder) -> None:
    """They are current again when a later inventory lists it."""
    run, upload = await folder.sync(b"a")
    late = NOON + timedelta(days=4)
    merged = await folder.catalog.archives.merge_inventory(PHOTOS, [], inventoried=late)
    assert merged.missing == 1
    assert await folder.unproven() == {b"a": Standing.LOST}
    assert (await folder.catalog.uploads.get(upload.number)).state is UploadState.COMPLETED
    listed = [archive(1, tree_hash=TREE_HASH)]
    await folder.catalog.archives.merge_inventory(PHOTOS, listed, inventoried=late + timedelta(days=1))
    assert await folder.stored() == {b"a": (run, False)}


async def test_versions_are_recorded_together(folder: Folder) -> None:
    """Neither the rows of a full statement are lost nor those of the last one, and each is as it was."""
    paths = [b"%03d" % number for number in range(2 * entry_rows._ROWS + 7)]
    run, _ = await folder.sync(*paths)
    assert await folder.stored() == dict.fromkeys(paths, (run, False))
