"""GetObjectAttributes, with boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.limits import MIB

if TYPE_CHECKING:
    from tests.server.operations.s3.conftest import Bucket

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


def test_an_object_of_one_request_has_no_parts(bucket: Bucket) -> None:
    """Size, class, entity tag and checksum are those of the put, and nothing else is asked for."""
    put = bucket.put_object(Key="k", Body=b"1234", StorageClass="DEEP_ARCHIVE", ChecksumAlgorithm="SHA256")
    answer = bucket.get_object_attributes(Key="k", ObjectAttributes=ALL)
    assert (answer["ObjectSize"], answer["StorageClass"]) == (4, "DEEP_ARCHIVE")
    assert answer["ETag"] == put["ETag"].strip('"')
    assert answer["Checksum"] == {"ChecksumSHA256": put["ChecksumSHA256"], "ChecksumType": "FULL_OBJECT"}
    assert "ObjectParts" not in answer
    assert "ETag" not in bucket.get_object_attributes(Key="k", ObjectAttributes=["ObjectSize"])


def test_parts_come_in_pages_with_checksums(bucket: Bucket) -> None:
    """The composite checksum has no count of parts here, as at S3."""
    upload_id = bucket.create_multipart_upload(Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, data in enumerate((bytes(5 * MIB), bytes(5 * MIB), b"tail"), start=1):
        sent = bucket.upload_part(
            Key="k", UploadId=upload_id, PartNumber=number, Body=data, ChecksumAlgorithm="SHA256"
        )
        parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]})
    done = bucket.complete_multipart_upload(Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    first = bucket.get_object_attributes(Key="k", ObjectAttributes=ALL, MaxParts=2)
    assert first["Checksum"]["ChecksumSHA256"] + "-3" == done["ChecksumSHA256"]
    rest = bucket.get_object_attributes(
        Key="k", ObjectAttributes=ALL, PartNumberMarker=first["ObjectParts"]["NextPartNumberMarker"]
    )
    assert (first["ObjectParts"]["IsTruncated"], rest["ObjectParts"]["IsTruncated"]) == (True, False)
    found = first["ObjectParts"]["Parts"] + rest["ObjectParts"]["Parts"]
    assert [part["Size"] for part in found] == [5 * MIB, 5 * MIB, 4]
    assert [part["ChecksumSHA256"] for part in found] == [part["ChecksumSHA256"] for part in parts]
    assert rest["ObjectParts"]["TotalPartsCount"] == 3


def test_an_unknown_attribute_is_refused(bucket: Bucket) -> None:
    """The list of attributes is closed."""
    bucket.put_object(Key="k", Body=b"x")
    assert bucket.refused("get_object_attributes", Key="k", ObjectAttributes=["Oops"]) == (
        400,
        "InvalidArgument",
    )
