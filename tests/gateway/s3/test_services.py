"""The S3 gateway against servers that are not scripted: the local one, and SeaweedFS."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from aioglacier.core.crc import crc64nvme
from aioglacier.core.errors import (
    BucketNotFoundError,
    IntegrityError,
    InvalidParameterError,
    NotRetrievedError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectNotFoundError,
    ResourceNotFoundError,
    RestoreInProgressError,
    UploadNotFoundError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.models import Tier
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.objects import (
    BucketRef,
    ChecksumAlgorithm,
    ObjectChecksum,
    ObjectSettings,
    RestoreState,
    StorageClass,
)
from aioglacier.core.treehash import PartHashes, hash_part
from aioglacier.gateway.connect import open_s3_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.contract.paging import follow
from aioglacier.server import LocalGlacier
from tests.seaweedfs import ACCESS_KEY, SECRET_KEY, seaweedfs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator
    from pathlib import Path

    from aioglacier.core.models import Page, UploadId
    from aioglacier.core.s3.objects import ObjectHead, StoredObject, UploadedObjectPart
    from aioglacier.gateway.contract.protocols import Output
    from aioglacier.gateway.s3.gateway import S3Gateway

T = TypeVar("T")

SETTINGS = ObjectSettings(storage_class=StorageClass.STANDARD, metadata={"token": "abc"})
FIRST, LAST = memoryview(bytes(range(256)) * (5 * MIB // 256)), memoryview(b"the end")
HASHES = hash_part(FIRST), hash_part(LAST)
COMPOSITE = ObjectChecksum(
    ChecksumAlgorithm.SHA256, sha256(b"".join(each.payload_hash for each in HASHES)).digest(), 2
)


@dataclass
class Subject:
    """A gateway to a server, with a bucket of its own.

    Attributes:
        tells_all: Whether the server tells the checksums of parts, and compares the size of a completion.
    """

    s3: S3Gateway
    bucket: BucketRef
    tells_all: bool

    async def put(self, key: str, *, overwrite: bool = False) -> StoredObject:
        """Store the small body."""
        return await self.s3.put_object(
            self.bucket, key, LAST, hashes=HASHES[1], settings=SETTINGS, overwrite=overwrite
        )

    async def read(self, key: str, **asked: Any) -> tuple[Output[ObjectHead], bytes]:
        """Return an output and all its bytes."""
        async with self.s3.get_object(self.bucket, key, **asked) as output:
            return output, b"".join([block async for block in output])

    async def begin(self, key: str, *bodies: int) -> tuple[UploadId, list[UploadedObjectPart]]:
        """Begin an upload, and send some of the two bodies."""
        upload = await self.s3.create_multipart_upload(
            self.bucket, key, settings=SETTINGS, algorithm=ChecksumAlgorithm.SHA256
        )
        parts = [
            await self.s3.upload_part(
                self.bucket, key, upload, (FIRST, LAST)[each], number=number, hashes=HASHES[each]
            )
            for number, each in enumerate(bodies, 1)
        ]
        return upload, parts


@asynccontextmanager
async def opened(url: str, bucket: BucketRef, *, tells_all: bool) -> AsyncIterator[Subject]:
    """Open a gateway, and make the bucket."""
    options = GatewayOptions(
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    async with open_s3_gateway(options) as s3:
        await s3.create_bucket(bucket, region="us-east-1")
        yield Subject(s3, bucket, tells_all)


@pytest.fixture(scope="module")
def weed() -> Iterator[str]:
    """Yield the URL of SeaweedFS."""
    with seaweedfs() as url:
        yield url


@pytest.fixture(params=["local", pytest.param("seaweedfs", marks=pytest.mark.slow)])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """Yield each server in turn."""
    bucket = BucketRef(f"test-{uuid.uuid4().hex[:12]}")
    if request.param == "local":
        async with (
            LocalGlacier(tmp_path, is_durable=False) as server,
            opened(server.url, bucket, tells_all=True) as one,
        ):
            yield one
    else:
        async with opened(request.getfixturevalue("weed"), bucket, tells_all=False) as one:
            yield one


async def test_an_object_in_one_request(subject: Subject) -> None:
    """It is stored once, described, read whole and in parts, replaced only if asked, and deleted."""
    stored = await subject.put("a/é +&?#%41~")
    [entry] = (await subject.s3.list_objects(subject.bucket, prefix="a/")).items
    head = await subject.s3.head_object(subject.bucket, entry.key)
    assert (entry.key, entry.size, entry.etag) == ("a/é +&?#%41~", LAST.nbytes, stored.etag)
    assert (head.size, head.etag, head.metadata) == (LAST.nbytes, stored.etag, {"token": "abc"})
    assert head.checksum == ObjectChecksum(ChecksumAlgorithm.SHA256, HASHES[1].payload_hash)
    assert (await subject.read(entry.key))[1] == LAST
    output, body = await subject.read(entry.key, byte_range=ByteRange(4, 7), etag=stored.etag)
    assert (output.start, output.total, body) == (4, LAST.nbytes, b"end")
    with pytest.raises(ObjectExistsError):
        await subject.put(entry.key)
    await subject.put(entry.key, overwrite=True)
    with pytest.raises(ObjectChangedError):
        await subject.read(entry.key, etag="other")
    await subject.s3.delete_object(subject.bucket, entry.key)
    await subject.s3.delete_object(subject.bucket, entry.key)
    with pytest.raises(ObjectNotFoundError):
        await subject.s3.head_object(subject.bucket, entry.key)
    with pytest.raises(ObjectNotFoundError):
        await subject.read(entry.key)


async def test_an_object_without_bytes(subject: Subject) -> None:
    """S3 keeps one, and it is read like any other."""
    empty = hash_part(b"")
    await subject.s3.put_object(subject.bucket, "k", memoryview(b""), hashes=empty, settings=SETTINGS)
    output, body = await subject.read("k")
    assert (output.size, body) == (0, b"")


async def test_other_bytes_than_were_hashed_are_refused(subject: Subject) -> None:
    """Either checksum is compared on arrival, and nothing is stored."""
    crc = PartHashes(b"", b"", b"", crc64nvme(bytes(LAST)).to_bytes(8, "big"))
    for hashes in (HASHES[0], crc._replace(crc64nvme=bytes(8))):
        with pytest.raises(IntegrityError) as caught:
            await subject.s3.put_object(subject.bucket, "k", LAST, hashes=hashes, settings=SETTINGS)
        assert not caught.value.is_stored
    stored = await subject.s3.put_object(subject.bucket, "k", LAST, hashes=crc, settings=SETTINGS)
    assert stored.checksum == ObjectChecksum(ChecksumAlgorithm.CRC64NVME, crc.crc64nvme)


async def test_an_upload_in_parts(subject: Subject) -> None:
    """Parts are proven one by one, listed in pages, and joined to an object that tells their checksum."""
    upload, parts = await subject.begin("k", 0, 1)
    [listed] = (await subject.s3.list_multipart_uploads(subject.bucket, prefix="k")).items
    assert (listed.key, listed.id) == ("k", upload)
    seen: list[UploadedObjectPart] = []
    list_parts = partial(subject.s3.list_parts, subject.bucket, "k", upload, limit=1)
    async for part in follow("ListParts", lambda marker: second(list_parts(marker=marker))):
        seen.append(part if subject.tells_all else replace(part, checksum=HASHES[len(seen)].payload_hash))
    assert seen == parts
    size = FIRST.nbytes + LAST.nbytes
    complete = partial(subject.s3.complete_multipart_upload, subject.bucket, "k", upload, parts=parts)
    if subject.tells_all:
        with pytest.raises(InvalidParameterError):
            await complete(size=size - 1, checksum=COMPOSITE)
    stored = await complete(size=size, checksum=COMPOSITE)
    head = await subject.s3.head_object(subject.bucket, "k")
    assert (head.size, head.etag, head.checksum) == (size, stored.etag, COMPOSITE)
    assert head.metadata == {"token": "abc"}
    output, body = await subject.read("k", part_number=2)
    assert (output.start, output.total, body) == (FIRST.nbytes, size, bytes(LAST))
    assert output.head.parts_count == 2
    attributes, page = await subject.s3.get_object_attributes(subject.bucket, "k")
    assert (attributes.size, attributes.parts_count) == (size, 2)
    if subject.tells_all:
        assert attributes.checksum == COMPOSITE
        assert output.head.checksum == ObjectChecksum(ChecksumAlgorithm.SHA256, HASHES[1].payload_hash)
        assert [part.checksum for part in page.items] == [each.payload_hash for each in HASHES]


async def second(pair: Awaitable[tuple[Any, Page[T]]]) -> Page[T]:
    """Return the page behind an upload."""
    return (await pair)[1]


async def test_completions_that_are_refused(subject: Subject) -> None:
    """Small parts, a wrong checksum of the whole and an object under the key are three errors."""
    upload, parts = await subject.begin("k", 1, 1)
    wrong = COMPOSITE._replace(value=bytes(32))
    complete = partial(subject.s3.complete_multipart_upload, subject.bucket, "k", upload, checksum=wrong)
    with pytest.raises(InvalidParameterError):
        await complete(parts=parts, size=2 * LAST.nbytes)
    await subject.put("k")
    with pytest.raises(ObjectExistsError):
        await complete(parts=parts[:1], size=LAST.nbytes)
    await subject.s3.abort_multipart_upload(subject.bucket, "k", upload)
    with pytest.raises(UploadNotFoundError):
        await subject.s3.list_parts(subject.bucket, "k", upload)
    assert not (await subject.s3.list_multipart_uploads(subject.bucket)).items


@pytest.mark.parametrize("when", ["before", "while sent"])
async def test_a_fast_upload_with_a_wrong_sum_of_all_bytes(subject: Subject, when: str) -> None:
    """The checksum of all bytes is compared at the end, and a wrong one makes no object."""
    crc = PartHashes(b"", b"", b"", crc64nvme(bytes(LAST)).to_bytes(8, "big"))
    upload = await subject.s3.create_multipart_upload(
        subject.bucket, "k", settings=SETTINGS, algorithm=ChecksumAlgorithm.CRC64NVME
    )
    hashes = crc if when == "before" else PartHashes(b"", b"", b"")
    part = await subject.s3.upload_part(subject.bucket, "k", upload, LAST, number=1, hashes=hashes)
    assert part.checksum == crc.crc64nvme
    complete = partial(
        subject.s3.complete_multipart_upload, subject.bucket, "k", upload, parts=[part], size=LAST.nbytes
    )
    with pytest.raises(IntegrityError) as caught:
        await complete(checksum=ObjectChecksum(ChecksumAlgorithm.CRC64NVME, bytes(8)))
    assert not caught.value.is_stored
    right = ObjectChecksum(ChecksumAlgorithm.CRC64NVME, crc.crc64nvme)
    await complete(checksum=right)
    assert (await subject.s3.head_object(subject.bucket, "k")).checksum == right


async def test_lists_in_pages(subject: Subject) -> None:
    """Every key comes once, in order, and a list may begin behind a key."""
    keys = ["a/1", "a/2 +%", "a/é", "b"]
    for key in keys:
        await subject.put(key)
    listed = partial(subject.s3.list_objects, subject.bucket, limit=1)
    assert [each.key async for each in follow("ListObjectsV2", lambda marker: listed(marker=marker))] == keys
    after = await subject.s3.list_objects(subject.bucket, prefix="a/", after="a/1")
    assert [each.key for each in after.items] == keys[1:3]
    names = [bucket.name for bucket in (await subject.s3.list_buckets()).items]
    assert subject.bucket.name in names


async def test_things_that_do_not_exist(subject: Subject) -> None:
    """A missing bucket, object and upload are three errors; a bucket without rules has none or says so."""
    nowhere = BucketRef(f"{subject.bucket.name}-x")
    for call in (
        subject.s3.head_bucket(nowhere),
        subject.s3.delete_bucket(nowhere),
        subject.s3.list_objects(nowhere),
        subject.s3.get_bucket_lifecycle(nowhere),
    ):
        with pytest.raises(BucketNotFoundError) as caught:
            await call
        assert caught.value.bucket == nowhere.name
    with suppress(ResourceNotFoundError):
        assert await subject.s3.get_bucket_lifecycle(subject.bucket) == ()
    await subject.s3.delete_bucket(subject.bucket)


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
async def test_a_restore_on_the_local_server(tmp_path: Path, storage_class: str) -> None:
    """An archived object is refused, restored once, listed with its state, read, and refused again."""
    bucket = BucketRef("museum")
    async with (
        LocalGlacier(tmp_path, is_durable=False) as server,
        opened(server.url, bucket, tells_all=True) as subject,
    ):
        s3, settings = subject.s3, replace(SETTINGS, storage_class=StorageClass(storage_class))
        await s3.put_object(bucket, "k", LAST, hashes=HASHES[1], settings=settings)
        with pytest.raises(NotRetrievedError):
            await subject.read("k")
        assert await s3.restore_object(bucket, "k", days=2, tier=Tier.BULK) is True
        with pytest.raises(RestoreInProgressError):
            await s3.restore_object(bucket, "k", days=2, tier=Tier.BULK)
        assert (await s3.head_object(bucket, "k")).restore == RestoreState(is_ongoing=True)
        await server.advance(timedelta(hours=49))
        head = await s3.head_object(bucket, "k")
        [entry] = (await s3.list_objects(bucket)).items
        assert head.restore is not None
        assert (head.restore.is_ongoing, entry.storage_class) == (False, storage_class)
        assert entry.restore is not None
        assert entry.restore.expires is not None
        assert (await subject.read("k"))[1] == LAST
        assert await s3.restore_object(bucket, "k", days=1) is False
        await server.advance(timedelta(days=4))
        with pytest.raises(NotRetrievedError):
            await subject.read("k")
