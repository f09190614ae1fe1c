"""A call of each operation, and the same call in botocore's words."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from aioglacier.core.models import Tier, UploadId
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.objects import (
    BucketRef,
    ChecksumAlgorithm,
    ObjectChecksum,
    ObjectSettings,
    StorageClass,
    UploadedObjectPart,
)
from aioglacier.core.treehash import PartHashes, hash_part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.gateway.s3.gateway import S3Gateway

BUCKET = BucketRef("museum")
KEY = "scans/1907 é+&~//..//plan.tar"
BODY = memoryview(b"november")
HASHES = hash_part(BODY)
CRC_HASHES = PartHashes(b"", b"", b"", bytes.fromhex("ae8b14860a799888"))
UPLOAD = UploadId("UP.load_id-1")
SHA256_TEXT = b64encode(HASHES.payload_hash).decode()
LOCKED_UNTIL = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
PLAIN = ObjectSettings(storage_class=StorageClass.DEEP_ARCHIVE)
ALL_SETTINGS = ObjectSettings(
    storage_class=StorageClass.GLACIER,
    metadata={"token": "abc", "x-y": "1 2"},
    tags={"a b": "c&d", "é": ""},
    content_type="application/x-tar",
    encryption="aws:kms",
    kms_key="alias/archive",
    uses_bucket_key=True,
    lock_mode="COMPLIANCE",
    locked_until=LOCKED_UNTIL,
    is_held=True,
)
THEIR_SETTINGS = {
    "StorageClass": "GLACIER",
    "Metadata": dict(ALL_SETTINGS.metadata),
    "Tagging": "a%20b=c%26d&%C3%A9=",
    "ContentType": "application/x-tar",
    "ServerSideEncryption": "aws:kms",
    "SSEKMSKeyId": "alias/archive",
    "BucketKeyEnabled": True,
    "ObjectLockMode": "COMPLIANCE",
    "ObjectLockRetainUntilDate": LOCKED_UNTIL,
    "ObjectLockLegalHoldStatus": "ON",
}
PARTS = (UploadedObjectPart(2, 5, "bb", b"2" * 32), UploadedObjectPart(1, 8 << 20, "aa", b"1" * 32))
COMPOSITE = ObjectChecksum(ChecksumAlgorithm.SHA256, b"c" * 32, 2)
FULL = ObjectChecksum(ChecksumAlgorithm.CRC64NVME, b"12345678")


class Alike(NamedTuple):
    """The same request by this gateway and by botocore's client."""

    ours: Callable[[S3Gateway], Awaitable[Any]]
    method: str
    parameters: dict[str, Any]


async def read(gateway: S3Gateway, **asked: Any) -> bytes:
    """Return the bytes of an object."""
    async with gateway.get_object(BUCKET, KEY, **asked) as output:
        return b"".join([block async for block in output])


CALLS: dict[str, Alike] = {
    "create": Alike(
        lambda s3: s3.create_bucket(BUCKET, region="eu-west-1", has_object_lock=True),
        "create_bucket",
        {
            "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"},
            "ObjectLockEnabledForBucket": True,
        },
    ),
    "create in us-east-1": Alike(
        lambda s3: s3.create_bucket(BUCKET, region="us-east-1"), "create_bucket", {}
    ),
    "bucket": Alike(lambda s3: s3.head_bucket(BUCKET), "head_bucket", {}),
    "buckets": Alike(
        lambda s3: s3.list_buckets(prefix="m", limit=7, marker="a/b="),
        "list_buckets",
        {"Bucket": None, "Prefix": "m", "MaxBuckets": 7, "ContinuationToken": "a/b="},
    ),
    "delete bucket": Alike(lambda s3: s3.delete_bucket(BUCKET), "delete_bucket", {}),
    "lifecycle": Alike(lambda s3: s3.get_bucket_lifecycle(BUCKET), "get_bucket_lifecycle_configuration", {}),
    "versioning": Alike(lambda s3: s3.get_bucket_versioning(BUCKET), "get_bucket_versioning", {}),
    "object lock": Alike(lambda s3: s3.get_object_lock(BUCKET), "get_object_lock_configuration", {}),
    "put": Alike(
        lambda s3: s3.put_object(BUCKET, KEY, BODY, hashes=HASHES, settings=ALL_SETTINGS),
        "put_object",
        {
            "Key": KEY,
            "Body": bytes(BODY),
            "ChecksumSHA256": SHA256_TEXT,
            "IfNoneMatch": "*",
            **THEIR_SETTINGS,
        },
    ),
    "put over": Alike(
        lambda s3: s3.put_object(BUCKET, KEY, BODY, hashes=CRC_HASHES, settings=PLAIN, overwrite=True),
        "put_object",
        {
            "Key": KEY,
            "Body": bytes(BODY),
            "ChecksumCRC64NVME": b64encode(CRC_HASHES.crc64nvme).decode(),
            "StorageClass": "DEEP_ARCHIVE",
        },
    ),
    "head": Alike(
        lambda s3: s3.head_object(BUCKET, KEY, part_number=3, version_id="v/1"),
        "head_object",
        {"Key": KEY, "PartNumber": 3, "VersionId": "v/1", "ChecksumMode": "ENABLED"},
    ),
    "get": Alike(
        lambda s3: read(s3, byte_range=ByteRange(5, 9), etag="aa", version_id="v"),
        "get_object",
        {"Key": KEY, "Range": "bytes=5-8", "IfMatch": '"aa"', "VersionId": "v", "ChecksumMode": "ENABLED"},
    ),
    "get part": Alike(
        lambda s3: read(s3, part_number=2),
        "get_object",
        {"Key": KEY, "PartNumber": 2, "ChecksumMode": "ENABLED"},
    ),
    "delete": Alike(
        lambda s3: s3.delete_object(BUCKET, KEY, version_id="v"),
        "delete_object",
        {"Key": KEY, "VersionId": "v"},
    ),
    "attributes": Alike(
        lambda s3: s3.get_object_attributes(BUCKET, KEY, limit=9, marker="40"),
        "get_object_attributes",
        {
            "Key": KEY,
            "ObjectAttributes": ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"],
            "MaxParts": 9,
            "PartNumberMarker": 40,
        },
    ),
    "list": Alike(
        lambda s3: s3.list_objects(BUCKET, prefix="a b/", after="a b/c", limit=10, marker="t+="),
        "list_objects_v2",
        {
            "Prefix": "a b/",
            "StartAfter": "a b/c",
            "MaxKeys": 10,
            "ContinuationToken": "t+=",
            "EncodingType": "url",
            "OptionalObjectAttributes": ["RestoreStatus"],
        },
    ),
    "restore": Alike(
        lambda s3: s3.restore_object(BUCKET, KEY, days=3, tier=Tier.BULK, storage_class="GLACIER"),
        "restore_object",
        {"Key": KEY, "RestoreRequest": {"Days": 3, "GlacierJobParameters": {"Tier": "Bulk"}}},
    ),
    "create upload": Alike(
        lambda s3: s3.create_multipart_upload(
            BUCKET, KEY, settings=ALL_SETTINGS, algorithm=ChecksumAlgorithm.SHA256
        ),
        "create_multipart_upload",
        {"Key": KEY, "ChecksumAlgorithm": "SHA256", "ChecksumType": "COMPOSITE", **THEIR_SETTINGS},
    ),
    "create fast upload": Alike(
        lambda s3: s3.create_multipart_upload(
            BUCKET, KEY, settings=PLAIN, algorithm=ChecksumAlgorithm.CRC64NVME
        ),
        "create_multipart_upload",
        {
            "Key": KEY,
            "ChecksumAlgorithm": "CRC64NVME",
            "ChecksumType": "FULL_OBJECT",
            "StorageClass": "DEEP_ARCHIVE",
        },
    ),
    "part": Alike(
        lambda s3: s3.upload_part(BUCKET, KEY, UPLOAD, BODY, number=7, hashes=HASHES),
        "upload_part",
        {"Key": KEY, "UploadId": UPLOAD, "PartNumber": 7, "Body": bytes(BODY), "ChecksumSHA256": SHA256_TEXT},
    ),
    "complete": Alike(
        lambda s3: s3.complete_multipart_upload(
            BUCKET, KEY, UPLOAD, parts=PARTS, size=(8 << 20) + 5, checksum=COMPOSITE
        ),
        "complete_multipart_upload",
        {
            "Key": KEY,
            "UploadId": UPLOAD,
            "IfNoneMatch": "*",
            "MpuObjectSize": (8 << 20) + 5,
            "ChecksumType": "COMPOSITE",
            "MultipartUpload": {
                "Parts": [
                    {
                        "PartNumber": part.number,
                        "ETag": f'"{part.etag}"',
                        "ChecksumSHA256": b64encode(part.checksum or b"").decode(),
                    }
                    for part in reversed(PARTS)
                ]
            },
        },
    ),
    "complete over": Alike(
        lambda s3: s3.complete_multipart_upload(
            BUCKET, KEY, UPLOAD, parts=PARTS[1:], size=8 << 20, checksum=FULL, overwrite=True
        ),
        "complete_multipart_upload",
        {
            "Key": KEY,
            "UploadId": UPLOAD,
            "MpuObjectSize": 8 << 20,
            "ChecksumType": "FULL_OBJECT",
            "ChecksumCRC64NVME": b64encode(FULL.value).decode(),
            "MultipartUpload": {
                "Parts": [
                    {
                        "PartNumber": 1,
                        "ETag": '"aa"',
                        "ChecksumCRC64NVME": b64encode(PARTS[1].checksum or b"").decode(),
                    }
                ]
            },
        },
    ),
    "abort": Alike(
        lambda s3: s3.abort_multipart_upload(BUCKET, KEY, UPLOAD),
        "abort_multipart_upload",
        {"Key": KEY, "UploadId": UPLOAD},
    ),
    "parts": Alike(
        lambda s3: s3.list_parts(BUCKET, KEY, UPLOAD, limit=3, marker="5"),
        "list_parts",
        {"Key": KEY, "UploadId": UPLOAD, "MaxParts": 3, "PartNumberMarker": 5},
    ),
    "uploads": Alike(
        lambda s3: s3.list_multipart_uploads(
            BUCKET, prefix="a b", limit=2, marker="key-marker=k%2F1&upload-id-marker=u%2B"
        ),
        "list_multipart_uploads",
        {"Prefix": "a b", "MaxUploads": 2, "KeyMarker": "k/1", "UploadIdMarker": "u+", "EncodingType": "url"},
    ),
}
