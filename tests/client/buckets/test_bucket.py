"""Buckets: objects go in, are listed, and come back; wrong input is refused before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier import (
    BucketNameError,
    BucketNotFoundError,
    Glacier,
    InvalidPlanError,
    ObjectExistsError,
    ObjectSettings,
    ServiceError,
    StorageClass,
    tree_hash,
)
from aioglacier.core.errors import ResumeMismatchError
from aioglacier.core.s3.objects import ChecksumAlgorithm, UploadedObjectPart
from aioglacier.recorded.buckets.open_bucket import choose_resumed_part_size

if TYPE_CHECKING:
    from aioglacier import Bucket

MIB = 1024 * 1024
DATA = bytes(range(251)) * 1000


@pytest.fixture
async def bucket(local: Glacier) -> Bucket:
    """Return a bucket of a local Glacier, with a class that reads at once."""
    return await local.create_bucket("museum", "GLACIER_IR")


async def test_a_small_object_is_proven_and_comes_back(bucket: Bucket) -> None:
    """One request stores it, with its class and the tree hash in its metadata."""
    stored = await bucket.upload(DATA, key="scans/1907 ä.tar", metadata={"film": "ektar"})
    assert (stored.id, stored.bucket, stored.size) == ("scans/1907 ä.tar", "museum", len(DATA))
    assert stored.tree_hash == tree_hash(DATA)
    head = await bucket.head(stored.key)
    assert (head.storage_class, head.checksum) == ("GLACIER_IR", stored.checksum)
    assert head.metadata["film"] == "ektar"
    assert head.metadata["aioglacier-tree-hash"] == tree_hash(DATA).hex()


async def test_a_stream_that_fits_a_part_is_one_object(bucket: Bucket) -> None:
    """A writer makes the object at the clean end of its block."""
    async with bucket.open_writer("a", storage_class=StorageClass.STANDARD) as writer:
        await writer.write(DATA)
    assert (writer.archive.tree_hash, writer.upload_id) == (tree_hash(DATA), None)
    assert (await bucket.head("a")).storage_class == "STANDARD"


async def test_an_object_is_not_replaced_unless_asked_for(bucket: Bucket) -> None:
    """The error names the key and the argument that replaces it."""
    await bucket.upload(b"one", key="a")
    with pytest.raises(ObjectExistsError, match="overwrite=True") as caught:
        await bucket.upload(b"two", key="a")
    assert (caught.value.bucket, caught.value.key) == ("museum", "a")
    assert (await bucket.upload(b"two", key="a", overwrite=True)).size == 3


@pytest.mark.slow
@pytest.mark.long
async def test_uploads_by_the_thousand_are_listed_and_aborted(bucket: Bucket) -> None:
    """More than a page of them: each is listed once, in order, and those of the last page are aborted."""
    place, settings = bucket.context, ObjectSettings(storage_class=StorageClass.GLACIER_IR)
    keys = [f"scans/{number:04}" for number in range(1010)]  # two pages

    async def begin(some: list[str]) -> None:
        for key in some:
            await place.gateway.create_multipart_upload(
                place.ref, key, settings=settings, algorithm=ChecksumAlgorithm.SHA256
            )

    async with anyio.create_task_group() as tasks:
        for first in range(8):
            tasks.start_soon(begin, keys[first::8])
    uploads = [upload async for upload in bucket.uploads()]
    assert [upload.key for upload in uploads] == keys
    assert await place.find_upload_key(uploads[1005].id) == keys[1005]
    for upload in uploads[1000:]:
        await upload.abort()
    assert len([upload async for upload in bucket.uploads()]) == 1000


async def test_the_prefix_begins_every_key(local: Glacier, bucket: Bucket) -> None:
    """Objects of a bucket with a prefix lie below it."""
    below = local.bucket("museum", "STANDARD", "scans/")
    assert (await below.upload(b"x", key="1907")).url == "s3://museum/scans/1907"
    assert (await bucket.head("scans/1907")).size == (await below.head("1907")).size == 1
    await below.delete("1907")
    await below.delete("1907")
    retried = await bucket.upload(b"y", key="scans/1907")
    assert retried.size == 1


async def test_buckets_are_listed_and_made_once(local: Glacier, bucket: Bucket) -> None:
    """Creating one's own bucket again is no error."""
    assert (await local.create_bucket(bucket.name)).name == "museum"
    assert [each.name async for each in local.buckets()] == ["museum"]


async def test_no_class_is_chosen_for_the_caller(local: Glacier) -> None:
    """A class is money for months, so the error lists those that there are."""
    with pytest.raises(InvalidPlanError, match="DEEP_ARCHIVE"):
        await local.bucket("nowhere").upload(b"x", key="a")
    with pytest.raises(InvalidPlanError):
        local.bucket("nowhere", "COLD")
    with pytest.raises(BucketNameError):
        local.bucket("No Bucket")


async def test_a_bucket_with_objects_is_not_deleted(bucket: Bucket) -> None:
    """The error says how to list them; an empty bucket goes."""
    await bucket.upload(b"x", key="a")
    with pytest.raises(ServiceError) as caught:
        await bucket.remove()
    assert caught.value.__notes__ == ["list its objects: aioglacier list s3://museum, or bucket.objects()"]
    await bucket.delete("a")
    await bucket.remove()


async def test_a_bucket_that_is_not_there_is_named(local: Glacier) -> None:
    """The first request tells."""
    with pytest.raises(BucketNotFoundError) as caught:
        await local.bucket("nowhere", "GLACIER").upload(b"x", key="a")
    assert caught.value.bucket == "nowhere"


def parts(*sizes: int, first: int = 1) -> list[UploadedObjectPart]:
    """Return parts of these sizes, as S3 lists them."""
    return [UploadedObjectPart(number, size, "", None) for number, size in enumerate(sizes, first)]


@pytest.mark.parametrize(
    ("listed", "size", "wanted", "expected"),
    [
        (parts(16 * MIB, 16 * MIB, 5), None, None, 16 * MIB),
        (parts(8 * MIB), 100 * MIB, None, 8 * MIB),
        (parts(5, first=2), 20 * MIB, None, 16 * MIB),  # the last part alone tells nothing
        (parts(), 20 * MIB, 8 * MIB, 8 * MIB),
        (parts(), None, None, 8 * MIB),
    ],
)
def test_the_parts_of_an_upload_tell_their_size(
    listed: list[UploadedObjectPart], size: int | None, wanted: int | None, expected: int
) -> None:
    """All parts but the last have the part size."""
    assert choose_resumed_part_size(listed, size, wanted, "u") == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("listed", "wanted"), [(parts(5 * MIB, 5 * MIB), None), (parts(8 * MIB, 1), 16 * MIB)]
)
def test_an_upload_of_another_program_is_not_resumed(
    listed: list[UploadedObjectPart], wanted: int | None
) -> None:
    """Parts that are no nodes of a tree hash cannot go on."""
    with pytest.raises(ResumeMismatchError):
        choose_resumed_part_size(listed, None, wanted, "u")  # type: ignore[arg-type]
