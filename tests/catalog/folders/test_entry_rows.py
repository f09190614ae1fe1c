"""Which version of a path counts follows from the archives, at the moment of the question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import ArchiveState, Catalog, UploadState
from aioglacier.catalog.folders.entry_records import Entry, RunNumber, Standing, TreeRecord
from tests.catalog.conftest import FILMS, NOON, PHOTOS, archive

if TYPE_CHECKING:
    from aioglacier.catalog import UploadRecord, VaultKey

#: More than a page of rows, and so many more that there is a last page.
MANY = 5003


def version(
    tree: TreeRecord, run: RunNumber, path: bytes, upload: UploadRecord | None, **facts: object
) -> Entry:
    """A version of a small file in a bundle, or of a folder."""
    entry = Entry(
        tree=tree.number,
        path=path,
        since=run,
        kind="directory" if upload is None else "file",
        size=0 if upload is None else 5,
        mtime_ns=run,
        ctime_ns=1,
        inode=1,
        device=1,
        mode=0o644,
        uid=1,
        gid=1,
        target=None,
        extra=None,
        content_hash=None if upload is None else bytes(32),
        upload=None if upload is None else upload.number,
        position=None if upload is None else 0,
        stored=None if upload is None else 512,
        compression=None,
        encryption=None,
    )
    return entry._replace(**facts)  # type: ignore[arg-type]


@dataclass
class Folder:
    """A folder of a catalog, and what a sync does with it."""

    catalog: Catalog
    tree: TreeRecord
    archives: int = 0

    async def run(self) -> RunNumber:
        """Begin a run."""
        return await self.catalog.runs.begin(self.tree, "sync", {})

    async def end(self, run: RunNumber, *gone: int, outcome: str = "") -> None:
        """End it."""
        await self.catalog.runs.end(self.tree, run, counters={}, outcome=outcome, gone=gone)

    async def upload(self) -> UploadRecord:
        """Begin to send a bundle."""
        upload = await self.catalog.uploads.record_intent(self.tree.key, part_size=1)
        return await self.catalog.uploads.record_completing(upload, size=5, tree_hash=bytes(32))

    async def complete(self, upload: UploadRecord) -> None:
        """Record that the bundle is an archive."""
        self.archives += 1
        made = archive(self.archives, tree_hash=bytes(32))
        await self.catalog.uploads.record_completed(upload, made)

    async def sync(self, *paths: bytes) -> tuple[RunNumber, UploadRecord]:
        """Archive paths in a bundle, from begin to end."""
        run, upload = await self.run(), await self.upload()
        await self.catalog.entries.add([version(self.tree, run, path, upload) for path in paths])
        await self.complete(upload)
        await self.end(run)
        return run, upload

    async def state_of(self, upload: UploadRecord, state: ArchiveState) -> None:
        """Record the state of the archive of an upload."""
        record = await self.catalog.uploads.get(upload.number)
        assert record.archive_id is not None
        await self.catalog.archives.record_state(self.tree.key, record.archive_id, state)

    async def stored(self, run: RunNumber | None = None) -> dict[bytes, tuple[int, bool]]:
        """Return, for each path that a restore brings, the run of its version and whether it is older."""
        rows = [one async for page in self.catalog.entries.stored(self.tree, run) for one in page]
        found = {one.entry.path: (one.entry.since, one.is_older) for one in rows}
        assert len(found) == len(rows)  # a path has one version that counts
        return found

    async def unproven(self, run: RunNumber | None = None) -> dict[bytes, Standing]:
        """Return the paths that a restore must name because it cannot bring them."""
        pages = [page async for page in self.catalog.entries.unproven(self.tree, run)]
        return {entry.path: standing for page in pages for entry, standing in page}

    async def current(self) -> dict[bytes, tuple[int, Standing]]:
        """Return, for each path that a sync compares, its row and its standing."""
        rows = await self.catalog.entries.current_page(self.tree, None)
        return {row[0]: (row[10], row[-1]) for row in rows}


@pytest.fixture
async def folder(catalog: Catalog) -> Folder:
    """A folder that nothing was archived of."""
    return Folder(catalog, await catalog.trees.open(PHOTOS, "/home", host="here", owner="me"))


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


async def test_a_path_is_gone_once_a_run_that_ended_says_so(folder: Folder) -> None:
    """A run that was stopped proves nothing; earlier times still show the path."""
    first, _ = await folder.sync(b"a", b"b")
    row = (await folder.current())[b"a"][0]
    stopped = await folder.run()
    await folder.end(stopped, row, outcome="stopped")
    assert await folder.stored() == {b"a": (first, False), b"b": (first, False)}
    run = await folder.run()
    await folder.end(run, row)
    assert await folder.stored() == {b"b": (first, False)}
    assert [*await folder.current()] == [b"b"]
    assert [*await folder.stored(stopped)] == [b"a", b"b"]
    assert await folder.catalog.entries.stored_at(folder.tree, b"a", None) is None
    later, _ = await folder.sync(b"a")
    assert await folder.stored() == {b"a": (later, False), b"b": (first, False)}
    assert [*await folder.stored(run)] == [b"b"]


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


async def test_folders_need_no_archive(folder: Folder) -> None:
    """A path without content is proven as soon as it is recorded."""
    run = await folder.run()
    await folder.catalog.entries.add(
        [version(folder.tree, run, b"", None), version(folder.tree, run, b"d/", None)]
    )
    assert await folder.stored() == {b"": (run, False), b"d/": (run, False)}


async def test_all_pages_of_all_views_are_read(folder: Folder) -> None:
    """Each path once, in order, also backwards and by position in the archive."""
    paths = [b"%05d" % number for number in range(MANY)]
    run, upload = await folder.run(), await folder.upload()
    await folder.catalog.entries.add(
        [
            version(folder.tree, run, path, upload, position=512 * (number // 2))
            for number, path in enumerate(paths)
        ]
    )
    assert [*await folder.unproven()] == paths
    await folder.complete(upload)
    assert [*await folder.stored()] == paths
    entries = folder.catalog.entries
    backwards = [page async for page in entries.stored(folder.tree, is_descending=True)]
    assert [one.entry.path for page in backwards for one in page] == paths[::-1]
    inside = [page async for page in entries.stored_in(folder.tree, upload.number)]
    assert [one.entry.path for page in inside for one in page] == paths
    some = [page async for page in entries.stored_in(folder.tree, upload.number, start=512, stop=1536)]
    assert [one.entry.path for page in some for one in page] == paths[2:6]
    members = [page async for page in entries.members(upload.number)]
    assert [entry.path for page in members for entry in page] == paths
    following = await entries.current_page(folder.tree, paths[4999])
    assert [row[0] for row in following] == paths[5000:]


@pytest.mark.parametrize("key", [PHOTOS, FILMS])
async def test_content_is_found_wherever_it_is_in_the_vault(folder: Folder, key: VaultKey) -> None:
    """By size and tree hash, under any path; not in another vault, and not in a lost archive."""
    _, upload = await folder.sync(b"a")
    wanted = [(5, bytes(32)), (6, bytes(32)), (5, bytes(31) + b"1"), (0, bytes(32))]
    found = await folder.catalog.entries.find_content(key, wanted)
    assert {pair: content.upload for pair, content in found.items()} == (
        {(5, bytes(32)): upload.number} if key is PHOTOS else {}
    )
    await folder.state_of(upload, ArchiveState.SUSPECT)
    assert await folder.catalog.entries.find_content(key, wanted) == {}


async def test_encrypted_content_is_found_for_the_same_recipients_only(folder: Folder) -> None:
    """Content that others could read, or that we could not, is no substitute."""
    run = await folder.catalog.runs.begin(folder.tree, "sync", {"recipients": ["age1x", "age1y"]})
    upload = await folder.upload()
    hash_ = bytes(range(32))
    await folder.catalog.entries.add(
        [version(folder.tree, run, b"a", upload, encryption="age", content_hash=hash_)]
    )
    await folder.complete(upload)
    find = folder.catalog.entries.find_content
    assert await find(PHOTOS, [(5, hash_)], encryption="age", recipients=["age1y", "age1x"])
    for recipients in ([], ["age1x"], ["age1x", "age1y", "age1z"]):
        assert not await find(PHOTOS, [(5, hash_)], encryption="age", recipients=recipients)
    assert not await find(PHOTOS, [(5, hash_)])


async def test_content_that_another_command_archived_is_found(folder: Folder) -> None:
    """A whole archive with this size and tree hash is the content, from any command."""
    upload = await folder.upload()
    await folder.complete(upload)
    (found,) = (await folder.catalog.entries.find_content(PHOTOS, [(5, bytes(32))])).values()
    assert (found.upload, found.position, found.stored) == (upload.number, None, None)


async def test_an_inventory_that_lacks_an_archive_takes_its_versions(folder: Folder) -> None:
    """They are current again when a later inventory lists it."""
    run, upload = await folder.sync(b"a")
    late = NOON + timedelta(days=4)
    merged = await folder.catalog.archives.merge_inventory(PHOTOS, [], inventoried=late)
    assert merged.missing == 1
    assert await folder.unproven() == {b"a": Standing.LOST}
    assert (await folder.catalog.uploads.get(upload.number)).state is UploadState.COMPLETED
    listed = [archive(1, tree_hash=bytes(32))]
    await folder.catalog.archives.merge_inventory(PHOTOS, listed, inventoried=late + timedelta(days=1))
    assert await folder.stored() == {b"a": (run, False)}


async def test_what_rests_on_an_archive_is_named(folder: Folder) -> None:
    """Each current version in it, and whether an older one is elsewhere; all of a vault leaves nothing."""
    await folder.sync(b"a")
    _, upload = await folder.sync(b"a", b"b")
    record = await folder.catalog.uploads.get(upload.number)
    assert record.archive_id is not None
    entries = folder.catalog.entries
    some = [page async for page in entries.resting_on(PHOTOS, [record.archive_id])]
    assert some == [[("/home", b"a", True), ("/home", b"b", False)]]
    everything = [page async for page in entries.resting_on(PHOTOS, None)]
    assert everything == [[("/home", b"a", False), ("/home", b"b", False)]]
    assert [page async for page in entries.resting_on(FILMS, None)] == []


async def test_plain_content_and_sizes_are_known(folder: Folder) -> None:
    """Only of archives that are proven."""
    entries = folder.catalog.entries
    assert not await entries.has_plain(folder.tree)
    _, upload = await folder.sync(b"a")
    assert await entries.has_plain(folder.tree)
    assert await entries.sizes_on_record(PHOTOS, 5) == {5}
    assert await entries.sizes_on_record(PHOTOS, 6) == set()
    await folder.state_of(upload, ArchiveState.DELETED)
    assert not await entries.has_plain(folder.tree)
    assert await entries.sizes_on_record(PHOTOS, 0) == set()
