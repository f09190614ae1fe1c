"""Bundles whose uploads fail take their versions with them."""

from __future__ import annotations

from aioglacier.catalog.folders.entry_records import BundleRecord, Standing
from aioglacier.tasks.shard import WHOLE, Shard
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


async def test_a_bundle_is_kept_with_its_figures(folder: Folder) -> None:
    """The last record of an upload counts, and those of others stay."""
    bundles, run = folder.catalog.bundles, await folder.run()
    upload, other = await folder.upload(), await folder.upload()
    assert await bundles.get(upload.number) is None
    await bundles.record(folder.tree, run, BundleRecord(upload.number, "tar", "zstd", None))
    full = BundleRecord(upload.number, "tar", "zstd", "age", 2, 30, 400, 5000)
    await bundles.record(folder.tree, run, full)
    await bundles.record(folder.tree, run, BundleRecord(other.number, "file", None, None))
    assert await bundles.get(upload.number) == full


async def test_unfinished_bundles_are_those_of_a_shard(folder: Folder) -> None:
    """The whole has those of all shards; what has come to its end is no more among them."""
    bundles, runs = folder.catalog.bundles, folder.catalog.runs
    made = {}
    for shard in ("1/2", "2/2"):
        run = await runs.begin(folder.tree, "sync", {"shard": shard})
        upload = await folder.upload()
        made[shard] = BundleRecord(upload.number, "tar", None, None)
        await bundles.record(folder.tree, run, made[shard])
    done = await folder.upload()
    await bundles.record(folder.tree, await folder.run(), BundleRecord(done.number, "tar", None, None))
    await folder.complete(done)
    first, second = Shard(1, 2), Shard(2, 2)
    assert await bundles.unfinished(folder.tree) == [*made.values()]
    assert await bundles.unfinished(folder.tree, first) == [made["1/2"]]
    assert await bundles.of_shard(folder.tree, second) == {made["2/2"].upload}
    assert await bundles.of_shard(folder.tree, WHOLE) == {
        *(each.upload for each in made.values()),
        done.number,
    }
    other = await folder.catalog.trees.open(folder.tree.key, "/srv", host="here", owner="me")
    assert await bundles.unfinished(other) == []
    assert await bundles.of_shard(other, WHOLE) == set()


async def test_a_bundle_that_is_dropped_takes_its_versions_alone(folder: Folder) -> None:
    """Those of other uploads stay, also in the same run."""
    bundles, run = folder.catalog.bundles, await folder.run()
    dropped, kept = await folder.upload(), await folder.upload()
    for upload, path in ((dropped, b"a"), (kept, b"b")):
        await bundles.record(folder.tree, run, BundleRecord(upload.number, "tar", None, None))
        await folder.catalog.entries.add([version(folder.tree, run, path, upload)])
    await bundles.drop(dropped.number)
    assert await bundles.get(dropped.number) is None
    assert await bundles.get(kept.number) is not None
    assert [*await folder.current()] == [b"b"]
