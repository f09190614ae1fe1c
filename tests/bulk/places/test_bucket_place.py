"""Folders in a bucket: what differs from a vault, in a class that reads at once and in one that does not."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.bulk import FolderRestore, FolderSync, RestoreOptions, Trouble
from aioglacier.bulk.formats.bundle_index import read_index
from aioglacier.bulk.formats.bundle_sidecar import SIDECAR_SUFFIX, decode_sidecar
from aioglacier.bulk.places.bucket_place import BucketPlace, delete_sidecar
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.core.models import ArchiveId
from aioglacier.core.s3.objects import StorageClass
from aioglacier.core.spending import Budget, spending
from aioglacier.server import LocalGlacier
from tests.bulk.conftest import (
    MIB,
    PRICES,
    Key,
    Place,
    connected,
    forget_catalog,
    make_tree,
    picture,
    recover,
    restore,
    troubles,
    write,
)
from tests.bulk.test_kills import MORE_POINTS, POINTS, run
from tests.counting import counting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.client.buckets.bucket import Bucket

_BUCKET_POINTS = {"upload id recorded", "part sent", "completing recorded:2", "completed", "archive recorded"}
CLASSES = ["GLACIER_IR", "DEEP_ARCHIVE"]


@pytest.fixture(params=CLASSES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A bucket of each kind of class."""
    return Place(tmp_path, request.param)


async def objects(place: Place) -> dict[str, str]:
    """The class of each object by its key; no upload is open beside them."""
    async with place.bucket() as bucket:
        assert [upload async for upload in bucket.uploads()] == []
        return {entry.key: entry.storage_class async for entry in bucket.objects()}


async def listed(place: Place) -> dict[str, tuple[str, list[tuple[bytes, int | None]]]]:
    """The folder and the members that each sidecar of a bundle tells, by its key."""
    found = {}
    async with place.bucket() as bucket:
        async for entry in bucket.objects():
            if entry.key.startswith("bundles/") and entry.key.endswith(SIDECAR_SUFFIX):
                async with bucket.restored(entry.key).open_reader() as reader:
                    sidecar = decode_sidecar(await reader.read())
                pages = read_index(sidecar.index, sidecar.trailer, tree=1, run=1, upload=1, identities=None)
                members = [(member.path, member.position) for page in pages for member in page]
                found[entry.key] = sidecar.trailer.tree, members
    return found


@asynccontextmanager
async def behind_our_back(place: Place) -> AsyncIterator[Bucket]:
    """The bucket, by a program that has another catalog."""
    record, place.catalog = place.catalog, place.catalog.with_name("other.db")
    try:
        async with place.bucket() as bucket:
            yield bucket
    finally:
        place.catalog = record


async def delete(place: Place, suffix: str) -> None:
    """Delete the objects whose keys end so, behind our back."""
    keys = [key for key in await objects(place) if key.endswith(suffix)]
    assert keys
    async with behind_our_back(place) as bucket:
        for key in keys:
            await bucket.delete(key)


async def test_a_sidecar_that_is_larger_than_its_bundle_is_not_read(place: Place, tmp_path: Path) -> None:
    """A sidecar is held whole, and somebody may have put another object in its place."""
    await place.sync(write(tmp_path / "tree", {"a": b"1"}))
    async with place.bucket() as bucket:
        folder = BucketPlace(bucket)
        await folder.list_objects()
        (bundle,) = [ArchiveId(key) for key in folder.objects if not key.endswith(SIDECAR_SUFFIX)]
        sidecar = await folder.read_sidecar(bundle)
        assert sidecar is not None
        assert decode_sidecar(sidecar).facts.size == folder.objects[bundle].size
        for size, is_read in ((folder.objects[bundle].size, True), (1 << 20, False)):
            key = bundle + SIDECAR_SUFFIX
            await bucket.upload(bytes(size), key=key, overwrite=True, storage_class="STANDARD")
            assert (await folder.read_sidecar(bundle) is not None) is is_read


async def test_a_folder_goes_to_a_bucket_and_comes_back(place: Place, tmp_path: Path) -> None:
    """Bundle and big file have the class that was named, their sidecars one that reads at once."""
    tree = make_tree(tmp_path / "tree", files=8)
    (tree / "big \u00e9\n").write_bytes(os.urandom(3000))
    await place.sync(tree, largest_member=2000)
    found = await objects(place)
    assert set(found.values()) == {place.storage_class, "STANDARD"}
    assert all((SIDECAR_SUFFIX in key) == (found[key] == "STANDARD") for key in found)
    again = await place.sync(tree, largest_member=2000)
    assert again.requests == 0
    assert await objects(place) == found
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)
    assert await troubles(place, tree) == set()


async def test_what_is_deleted_behind_our_back_is_found_and_sent_again(place: Place, tmp_path: Path) -> None:
    """Verify and restore say it by name; the next sync sends it, and no more than that."""
    tree = make_tree(tmp_path / "tree", files=8)
    (tree / "big").write_bytes(os.urandom(3000))
    await place.sync(tree, largest_member=2000)
    await delete(place, "/big")
    assert (Trouble.LOST, "big") in await troubles(place, tree)
    back = await restore(place, tmp_path / "back")
    assert [failure.path for failure in back.failures] == [b"big"]
    done = await place.sync(tree, largest_member=2000)
    assert (done.archives, done.archived) == (1, 1)
    assert await troubles(place, tree) == set()
    await place.restore(tmp_path / "again")
    assert picture(tmp_path / "again") == picture(tree)


async def test_a_plan_counts_every_request(place: Place, tree: Path) -> None:
    """It counts what a run sends: bundle, sidecar, head and lists; all but storage cost what was said."""
    budget = Budget(load_prices("us-east-1", storage_class=StorageClass(str(place.storage_class))))
    async with place.bucket() as bucket:
        plan = await FolderSync(bucket, tree).plan()
        with spending(budget):
            await FolderSync(bucket, tree).run()
    assert (plan.bundles, plan.sidecars, plan.heads, plan.lists) == (1, 1, 1, 3)
    expenses = budget.take_expenses()
    counts = {each.operation: each.requests for each in expenses}
    assert sum(counts.values()) == plan.requests - 1, counts  # the completion is on record with its archive
    said = plan.cost(budget.prices) - budget.prices.storing(plan.sent) - budget.prices.uploads(1)
    assert sum(each.price or 0.0 for each in expenses) == pytest.approx(said)


async def test_a_sidecar_goes_with_its_archive(place: Place, tmp_path: Path) -> None:
    """Only once the archive is proven to be gone; an object that only has such a name stays."""
    tree = make_tree(tmp_path / "tree", files=3)
    (tree / "big").write_bytes(os.urandom(3000))
    await place.sync(tree, largest_member=2000)
    (big,) = [key for key in await objects(place) if key.endswith("/big")]
    async with behind_our_back(place) as bucket:
        assert not await delete_sidecar(bucket, big)
        await bucket.upload(b"no sidecar", key=f"other{SIDECAR_SUFFIX}", storage_class="STANDARD")
        assert not await delete_sidecar(bucket, "other")
        await bucket.delete(big)
    (tree / "big").unlink()
    before = await objects(place)
    await place.sync(tree, largest_member=2000)
    assert before.keys() - (await objects(place)).keys() == {big + SIDECAR_SUFFIX}


async def test_what_is_replaced_behind_our_back_counts_no_more(place: Place, tmp_path: Path) -> None:
    """An object of the same key and size with other bytes is not what was archived."""
    tree = make_tree(tmp_path / "tree", files=3)
    (tree / "big").write_bytes(os.urandom(3000))
    await place.sync(tree, largest_member=2000)
    (key,) = [key for key in await objects(place) if key.endswith("/big")]
    async with behind_our_back(place) as bucket:
        await bucket.upload(os.urandom(3000), key=key, overwrite=True)
    assert (Trouble.LOST, "big") in await troubles(place, tree)
    await place.sync(tree, largest_member=2000)
    assert await troubles(place, tree) == set()
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)


@pytest.mark.parametrize(
    ("place", "compress"), list(zip(CLASSES, [True, False], strict=True)), indirect=["place"]
)
async def test_a_lost_catalog_is_filled_again_from_sidecars(
    place: Place, tmp_path: Path, compress: bool
) -> None:
    """Nothing is restored for it, and what comes back is the folder."""
    tree = make_tree(tmp_path / "tree", files=8)
    (tree / "big").write_bytes(os.urandom(3000))
    await place.sync(tree, largest_member=2000, compress=compress)
    forget_catalog(place)
    done = await recover(place)
    assert (done.bundles, done.files, done.jobs_started) == (1, 2, 0)
    assert (done.damaged, done.homeless) == ([], [])
    assert (await place.restore(tmp_path / "back")).there == 0  # nor is the folder itself, which it has made
    assert picture(tmp_path / "back") == picture(tree)
    assert await troubles(place, tree) == set()


@pytest.mark.parametrize(
    ("place", "is_sealed"), list(zip(CLASSES, [False, True], strict=True)), indirect=["place"]
)
async def test_a_sidecar_that_a_kill_left_out_is_kept_by_the_next_sync(
    place: Place, tmp_path: Path, key: Key, is_sealed: bool
) -> None:
    """Until then the bundle itself is read; the new sidecar says what the old one said."""
    tree = make_tree(tmp_path / "tree", files=8)
    (tree / "big").write_bytes(os.urandom(3000))
    options: dict[str, Any] = {"recipients": key.recipients} if is_sealed else {}
    await place.sync(tree, largest_member=2000, **options)
    before = await objects(place)
    await delete(place, SIDECAR_SUFFIX)
    assert (await place.sync(tree, largest_member=2000, **options)).requests == 0
    assert await objects(place) == before
    await delete(place, SIDECAR_SUFFIX)
    forget_catalog(place)
    secrets: dict[str, Any] = {"identities": key.identities, "folder": str(tree)} if is_sealed else {}
    done = await recover(place, **secrets)
    assert (done.bundles, done.damaged) == (1, [])


async def test_a_sidecar_that_is_made_again_lists_what_lies_in_its_bundle(
    place: Place, tmp_path: Path
) -> None:
    """Not what was renamed or touched since, nor the folder of another sync that shares the bytes."""
    tree, other = make_tree(tmp_path / "tree", files=8), tmp_path / "other"
    await place.sync(tree)
    before = await listed(place)
    await delete(place, SIDECAR_SUFFIX)
    shutil.copytree(tree, other, symlinks=True)
    await place.sync(other)
    first = next(path for path in sorted(tree.rglob("*")) if path.is_file())
    first.rename(first.with_name("renamed"))
    tree.chmod(0o700)
    await place.sync(tree)
    after = await listed(place)
    assert {name: after[name] for name in before} == before
    forget_catalog(place)
    done = await recover(place)
    assert (done.damaged, done.homeless) == ([], [])


async def test_one_member_costs_a_range_or_the_restore_of_its_bundle(place: Place, tmp_path: Path) -> None:
    """Of a bundle that is read at once the server sends no more than 3 MiB."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(9):
        (tree / f"f{number:02}").write_bytes(os.urandom(MIB))
    (tree / "f05a").write_bytes(os.urandom(4096))
    async with (
        LocalGlacier(tmp_path / "server", job_delay=0) as server,
        counting(server.url) as counted,
        connected(server.url, tmp_path / "counted.db", counted.url) as glacier,
    ):
        bucket = await glacier.create_bucket("folders", place.storage_class)
        await FolderSync(bucket, tree).run()
        options = RestoreOptions(selection=SelectionOptions(patterns=["f05a"]))
        found = FolderRestore(bucket, tmp_path / "back", Budget(PRICES), options)
        plan = await found.plan()
        counted.sent = 0
        done = await found.run()
    assert found.failures == []
    assert (tmp_path / "back" / "f05a").read_bytes() == (tree / "f05a").read_bytes()
    (retrieval,) = plan.retrievals
    assert 4096 < counted.sent <= 3 * MIB
    assert (retrieval.byte_range is None) == (place.storage_class == "DEEP_ARCHIVE")
    assert done.jobs_started == (place.storage_class == "DEEP_ARCHIVE")


@pytest.mark.slow
async def test_a_copy_that_has_expired_is_restored_again(tmp_path: Path) -> None:
    """A restore that comes back too late asks once more, and then ends exact."""
    tree = make_tree(tmp_path / "tree", files=3)
    async with (
        LocalGlacier(tmp_path / "server", job_delay=3600) as server,
        connected(server.url, tmp_path / "late.db") as glacier,
    ):
        bucket = await glacier.create_bucket("folders", "DEEP_ARCHIVE")
        await FolderSync(bucket, tree).run()

        async def run() -> tuple[int, int]:
            options = RestoreOptions(waits=False, days=1)
            found = FolderRestore(bucket, tmp_path / "back", Budget(PRICES), options)
            done = await found.run()
            assert found.failures == []
            return done.jobs_started, done.jobs_left

        assert await run() == (1, 1)
        assert await run() == (0, 1)  # it goes on, and is not asked for again
        await server.advance(timedelta(days=3))
        assert await run() == (1, 1)
        await server.advance(timedelta(hours=2))
        assert await run() == (0, 0)
    assert picture(tmp_path / "back") == picture(tree)


async def test_an_upload_on_no_record_is_said(place: Place, tree: Path) -> None:
    """S3 keeps and bills it for ever, so a sync names its number and the command that lists it."""
    async with behind_our_back(place) as bucket:
        with suppress(ZeroDivisionError):
            async with bucket.open_writer("stray", keep_unfinished=True) as writer:
                await writer.write(bytes(9 * MIB))
                1 / 0  # noqa: B018  # the block fails
    async with place.bucket() as bucket:
        sync = FolderSync(bucket, tree)
        await sync.prepare()
    assert any("1 unfinished upload" in notice and "uploads list" in notice for notice in sync.notices)


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    [
        # The other points, which a vault is killed at too, in the long tests.
        pytest.param(point, marks=[] if point in _BUCKET_POINTS else pytest.mark.long)
        for point in (*POINTS, *MORE_POINTS)
        if point != "part sent:3"
    ],
)
async def test_a_sync_killed_at_any_point_is_made_good_by_the_next(tmp_path: Path, point: str) -> None:
    """One bundle and one file with their sidecars are there in the end, no upload is open."""
    place = Place(tmp_path, "GLACIER_IR")
    tree = make_tree(tmp_path / "tree", files=4)
    (tree / "sparse").unlink()
    (tree / "big").write_bytes(os.urandom(9000))
    async with behind_our_back(place):
        pass
    words = ("sync", "--storage-class=GLACIER_IR", "--bundle-up-to=8KiB", tree, "s3://folders/below")
    assert run(place, *words, crash_at=point) == -signal.SIGKILL
    assert run(place, *words) == 0
    assert len(await objects(place)) == 4
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)
    assert (await place.sync(tree, largest_member=8192)).requests == 0
