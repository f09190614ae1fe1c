"""Content and archives of folders are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import ArchiveState
from aioglacier.catalog.folders import entry_rows
from aioglacier.catalog.folders.entry_records import Standing
from tests.catalog.conftest import FILMS, OTHER_HASH, PHOTOS, TREE_HASH
from tests.catalog.folders.conftest import Folder, version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.catalog import VaultKey
    from aioglacier.catalog.folders.entry_records import StoredEntry

#: More than a page of rows, and so many more that there is a last page.
MANY = 5003


@pytest.mark.slow
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
    assert [*await folder.unproven()] == []
    assert [*await folder.stored()] == paths
    entries = folder.catalog.entries
    backwards = [page async for page in entries.stored(folder.tree, is_descending=True)]
    assert [one.entry.path for page in backwards for one in page] == paths[::-1]
    between = [page async for page in entries.stored(folder.tree, between=(paths[7], paths[9]))]
    assert [one.entry.path for page in between for one in page] == paths[7:9]
    inside = [page async for page in entries.stored_in(folder.tree, upload.number)]
    assert [one.entry.path for page in inside for one in page] == paths
    some = [page async for page in entries.stored_in(folder.tree, upload.number, start=512, stop=1536)]
    assert [one.entry.path for page in some for one in page] == paths[2:6]
    last = entries.stored_in(folder.tree, upload.number, between=(b"05000", b"05001"))
    assert [one.entry.path async for page in last for one in page] == paths[5000:5001]
    members = [page async for page in entries.members(upload.number)]
    assert [entry.path for page in members for entry in page] == paths
    following = await entries.current_page(folder.tree, paths[4999])
    assert [row[0] for row in following] == paths[5000:]


async def test_the_paths_of_an_archive_that_is_one_file_are_found(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several paths may have its content, in several pages; no part of it begins later."""
    monkeypatch.setattr(entry_rows, "PAGE", 2)
    run, upload = await folder.run(), await folder.upload()
    paths = [b"a", b"b", b"c"]
    of_file = {"position": None, "stored": None}
    await folder.catalog.entries.add([version(folder.tree, run, path, upload, **of_file) for path in paths])
    await folder.complete(upload)
    pages = [page async for page in folder.catalog.entries.stored_in(folder.tree, upload.number, stop=5)]
    assert [[one.entry.path for one in page] for page in pages] == [[b"a", b"b"], [b"c"]]
    assert not [page async for page in folder.catalog.entries.stored_in(folder.tree, upload.number, start=1)]


async def test_places_are_those_of_the_files_that_are_stored(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each archive, now and as of each run, in the same order, without folders and empty files."""
    monkeypatch.setattr(entry_rows, "PAGE", 2)
    entries = folder.catalog.entries
    first, old = await folder.sync(b"a", b"d/a", b"e")
    second, new = await folder.sync(b"a", b"d/a", b"d/b")
    file, failed = await folder.upload(), await folder.upload()
    third = await folder.run()
    of_file = {"position": None, "stored": None, "encryption": "age"}
    await entries.add([version(folder.tree, third, path, file, **of_file) for path in (b"a", b"f", b"g")])
    await entries.add([version(folder.tree, third, b"empty", new, size=0, position=1024)])
    await entries.add([version(folder.tree, third, b"h", new, position=512)])
    await entries.add(
        [version(folder.tree, third, b"folder/", None), version(folder.tree, third, b"x", failed)]
    )
    await folder.complete(file)
    await folder.catalog.uploads.record_failed(failed, "refused")
    count = 0
    for upload in (old, new, file, failed):
        for run in (None, first, second, third):
            stored = [
                one
                async for page in entries.stored_in(folder.tree, upload.number, run)
                for one in page
                if one.entry.kind == "file" and one.entry.size
            ]
            places = [
                place async for page in entries.places_in(folder.tree, upload.number, run) for place in page
            ]
            assert places == [
                (
                    one.entry.path,
                    one.entry.size,
                    one.entry.position,
                    one.entry.stored,
                    one.entry.encryption,
                    one.archive_id,
                    one.archive_size,
                )
                for one in stored
            ]
            count += len(places)
    assert count > 10


async def test_an_outline_leaves_out_files_with_content(folder: Folder) -> None:
    """Folders, links, empty files, and files of which a newer version is not proven."""
    run, upload = await folder.run(), await folder.upload()
    kinds: dict[bytes, dict[str, object]] = {
        b"a": {},
        b"b": {"size": 0},
        b"c": {"kind": "symlink", "size": 0, "target": b"a"},
        b"d": {},
    }
    members = [version(folder.tree, run, path, upload, **facts) for path, facts in kinds.items()]
    await folder.catalog.entries.add([version(folder.tree, run, b"", None), *members])
    await folder.complete(upload)
    later = await folder.run()
    newer = version(folder.tree, later, b"d", await folder.upload())
    await folder.catalog.entries.add([newer])
    pages = folder.catalog.entries.stored(folder.tree, is_outline=True)
    found = [one async for page in pages for one in page]
    assert [(one.entry.path, one.is_older) for one in found] == [
        (b"", False),
        (b"b", False),
        (b"c", False),
        (b"d", True),
    ]


@pytest.mark.parametrize("key", [PHOTOS, FILMS])
async def test_content_is_found_wherever_it_is_in_the_vault(folder: Folder, key: VaultKey) -> None:
    """By size and tree hash, under any path; not in another vault, and not in a lost archive."""
    _, upload = await folder.sync(b"a")
    wanted = [(5, TREE_HASH), (6, TREE_HASH), (5, bytes(31) + b"1"), (0, TREE_HASH)]
    found = await folder.catalog.entries.find_content(key, wanted)
    assert {pair: content.upload for pair, content in found.items()} == (
        {(5, TREE_HASH): upload.number} if key is PHOTOS else {}
    )
    await folder.state_of(upload, ArchiveState.SUSPECT)
    assert await folder.catalog.entries.find_content(key, wanted) == {}


async def test_encrypted_content_is_found_for_the_same_recipients_only(folder: Folder) -> None:
    """Content that others could read, or that we could not, is no substitute."""
    run = await folder.catalog.runs.begin(folder.tree, "sync", {"recipients": ["age1x", "age1y"]})
    upload = await folder.upload()
    hash_ = OTHER_HASH
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
    (found,) = (await folder.catalog.entries.find_content(PHOTOS, [(5, TREE_HASH)])).values()
    assert (found.upload, found.position, found.stored) == (upload.number, None, None)
    assert found.archive_id == (await folder.catalog.uploads.get(upload.number)).archive_id


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
    """Content counts only where its archive is proven."""
    entries = folder.catalog.entries
    assert not await entries.has_plain(folder.tree)
    _, upload = await folder.sync(b"a")
    assert await entries.has_plain(folder.tree)
    assert await entries.sizes_on_record(PHOTOS, 5) == {5}
    assert await entries.sizes_on_record(PHOTOS, 6) == set()
    await folder.state_of(upload, ArchiveState.DELETED)
    assert not await entries.has_plain(folder.tree)
    assert await entries.sizes_on_record(PHOTOS, 0) == set()


async def test_children_are_what_lies_directly_in_a_folder(folder: Folder) -> None:
    """Neither what lies in folders of it, nor neighbours whose names begin alike."""
    paths = [b"", b"a", b"b/", b"b/c", b"b/d/", b"b/d/e", b"b/d/f/", b"b/e/", b"b/e/g", b"b0", b"b.txt"]
    await folder.sync(*paths)

    async def children(name: bytes) -> list[bytes]:
        pages = folder.catalog.entries.children(folder.tree, name)
        return [one.entry.path async for page in pages for one in page]

    assert await children(b"") == [b"a", b"b.txt", b"b/", b"b0"]
    assert await children(b"b/") == [b"b/c", b"b/d/", b"b/e/"]
    assert await children(b"b/d/") == [b"b/d/e", b"b/d/f/"]
    assert await children(b"b/d/f/") == []


async def test_every_view_shows_a_folder_as_of_a_run(folder: Folder) -> None:
    """Each view leaves out newer versions, also in an archive of one file, and paths that came later."""
    entries = folder.catalog.entries
    first, old = await folder.sync(b"a", b"d/a")
    second, new = await folder.sync(b"a", b"d/a", b"d/b")
    file = await folder.upload()
    third = await folder.run()
    of_file = {"position": None, "stored": None}
    await entries.add([version(folder.tree, third, path, file, **of_file) for path in (b"a", b"e")])
    await folder.complete(file)
    fourth, failed = await folder.run(), await folder.upload()
    await entries.add([version(folder.tree, fourth, b"x", failed)])
    await folder.catalog.uploads.record_failed(failed, "refused")

    async def seen(pages: AsyncIterator[list[StoredEntry]]) -> dict[bytes, int]:
        return {one.entry.path: one.entry.since async for page in pages for one in page}

    assert await seen(entries.children(folder.tree, b"d/", first)) == {b"d/a": first}
    assert await seen(entries.children(folder.tree, b"d/")) == {b"d/a": second, b"d/b": second}
    assert await seen(entries.stored_in(folder.tree, old.number, first)) == {b"a": first, b"d/a": first}
    assert await seen(entries.stored_in(folder.tree, old.number)) == {}
    assert await seen(entries.stored_in(folder.tree, new.number, second)) == dict.fromkeys(
        (b"a", b"d/a", b"d/b"), second
    )
    assert await seen(entries.stored_in(folder.tree, new.number)) == {b"d/a": second, b"d/b": second}
    assert await seen(entries.stored_in(folder.tree, file.number, second)) == {}
    assert await seen(entries.stored_in(folder.tree, file.number)) == {b"a": third, b"e": third}
    for run, since in ((first, first), (second, second), (third, third), (None, third)):
        found = await entries.stored_at(folder.tree, b"a", run)
        assert found is not None
        assert found.entry.since == since
    assert await entries.stored_at(folder.tree, b"e", second) is None
    assert await folder.unproven(third) == {}
    assert await folder.unproven(fourth) == await folder.unproven() == {b"x": Standing.LOST}
