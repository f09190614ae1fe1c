"""Bundles whose uploads fail take their versions with them."""

from __future__ import annotations

from aioglacier.catalog.folders.entry_records import Standing
from tests.catalog.folders.conftest import Folder, version


async def test_a_failed_upload_leaves_the_older_version(folder: Folder) -> None:
    """Its versions are lost, and removing them changes nothing else."""
    first, _ = await folder.sync(b"a")
    run, upload = await folder.run(), await folder.upload()
    await folder.catalog.entries.add([version(folder.tree, run, b"a", upload)])
    await folder.catalog.uploads.record_failed(upload, "refused")
    assert await folder.stored() == {b"a": (first, True)}
    assert (await folder.current())[b"a"][1] is Standing.LOST
    await folder.catalog.bundles.drop_fruitless(folder.tree)
    assert await folder.stored() == {b"a": (first, False)}
    assert (await folder.current())[b"a"][1] is Standing.PROVEN


async def test_a_dropped_version_does_not_bring_a_gone_path_back(folder: Folder) -> None:
    """All rows of the path have ended, not the newest alone."""
    await folder.sync(b"a")
    run, upload = await folder.run(), await folder.upload()
    await folder.catalog.entries.add([version(folder.tree, run, b"a", upload)])
    await folder.end(run, outcome="stopped")
    looked = await folder.run()
    await folder.end(looked, (await folder.current())[b"a"][0])
    await folder.catalog.uploads.record_failed(upload, "refused")
    await folder.catalog.bundles.drop_fruitless(folder.tree)
    assert await folder.stored() == {}
    assert await folder.current() == {}
