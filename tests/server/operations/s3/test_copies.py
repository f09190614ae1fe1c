"""Copies of objects, with boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aioglacier.testing import ServedGlacier
    from tests.server.operations.s3.conftest import Bucket


def test_a_copy_outlives_its_source(bucket: Bucket, depot: ServedGlacier) -> None:
    """Metadata and checksum come along; the bytes stay when the source goes."""
    bucket.put_object(Key="a b+ü", Body=b"x", Metadata={"m": "1"}, ChecksumAlgorithm="SHA256", Tagging="t=1")
    source = {"Bucket": bucket.name, "Key": "a b+ü"}
    answer = bucket.copy_object(Key="copy", CopySource=source, StorageClass="STANDARD_IA")
    assert answer["CopyObjectResult"]["ETag"] == bucket.head_object(Key="copy")["ETag"]
    bucket.delete_object(Key="a b+ü")
    depot.advance(1)  # waits until the files that nothing needs are removed
    head = bucket.head_object(Key="copy", ChecksumMode="ENABLED")
    assert (head["Metadata"], head["StorageClass"], head["TagCount"]) == ({"m": "1"}, "STANDARD_IA", 1)
    assert head["ChecksumSHA256"]
    assert bucket.read("copy") == b"x"


def test_a_copy_onto_itself_changes_class_or_metadata(bucket: Bucket, depot: ServedGlacier) -> None:
    """Without a change it is refused."""
    bucket.put_object(Key="k", Body=b"x", Metadata={"m": "1"})
    itself = {"Bucket": bucket.name, "Key": "k"}
    assert bucket.refused("copy_object", Key="k", CopySource=itself) == (400, "InvalidRequest")
    bucket.copy_object(Key="k", CopySource=itself, Metadata={"m": "2"}, MetadataDirective="REPLACE")
    assert bucket.head_object(Key="k")["Metadata"] == {"m": "2"}
    depot.advance(1)
    assert bucket.read("k") == b"x"
    bucket.copy_object(Key="k", CopySource=itself, StorageClass="DEEP_ARCHIVE")
    assert bucket.refused("get_object", Key="k") == (403, "InvalidObjectState")
    assert bucket.refused("copy_object", Key="other", CopySource=itself) == (403, "InvalidObjectState")


def test_copies_have_conditions(bucket: Bucket) -> None:
    """They apply to the source and to the target."""
    etag = bucket.put_object(Key="k", Body=b"x")["ETag"]
    source = {"Bucket": bucket.name, "Key": "k"}
    wrong = {"Key": "copy", "CopySource": source}
    assert bucket.refused("copy_object", CopySourceIfMatch='"x"', **wrong) == (412, "PreconditionFailed")
    assert bucket.refused("copy_object", CopySourceIfNoneMatch=etag, **wrong) == (412, "PreconditionFailed")
    missing = {"Bucket": bucket.name, "Key": "nothere"}
    assert bucket.refused("copy_object", Key="copy", CopySource=missing) == (404, "NoSuchKey")
    bucket.copy_object(Key="copy", CopySource=source, CopySourceIfMatch=etag)


def test_parts_are_copied_from_objects(bucket: Bucket) -> None:
    """A part is a range of an object, or all of it; its checksum is computed."""
    bucket.put_object(Key="source", Body=b"0123456789")
    source = {"Bucket": bucket.name, "Key": "source"}
    upload_id = bucket.create_multipart_upload(Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    wish = {"Key": "k", "UploadId": upload_id, "PartNumber": 1, "CopySource": source}
    assert bucket.refused("upload_part_copy", CopySourceRange="bytes=2-10", **wish) == (
        400,
        "InvalidArgument",
    )
    bucket.upload_part_copy(**wish)
    part = bucket.upload_part_copy(CopySourceRange="bytes=2-9", **wish)["CopyPartResult"]
    named = {"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}
    bucket.complete_multipart_upload(Key="k", UploadId=upload_id, MultipartUpload={"Parts": [named]})
    assert bucket.read("k") == b"23456789"
