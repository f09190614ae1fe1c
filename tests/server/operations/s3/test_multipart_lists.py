"""Lists of uploads and parts, with boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.server.operations.s3.conftest import Bucket


def begin(bucket: Bucket, key: str) -> str:
    """Create an upload; return its id."""
    upload_id: str = bucket.create_multipart_upload(Key=key, StorageClass="GLACIER")["UploadId"]
    return upload_id


def every(bucket: Bucket, operation: str, entry: str, **arguments: Any) -> list[dict[str, Any]]:
    """Return the entries of all pages."""
    pages = bucket.client.get_paginator(operation).paginate(Bucket=bucket.name, **arguments)
    return [one for page in pages for one in page.get(entry, [])]


def test_parts_are_listed_in_pages(bucket: Bucket) -> None:
    """Each has number, size, entity tag and checksum."""
    upload_id = bucket.create_multipart_upload(Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    sent = [
        bucket.upload_part(
            Key="k", UploadId=upload_id, PartNumber=number, Body=b"x" * number, ChecksumAlgorithm="SHA256"
        )
        for number in (1, 2, 5)
    ]
    parts = every(
        bucket, "list_parts", "Parts", Key="k", UploadId=upload_id, PaginationConfig={"PageSize": 2}
    )
    assert [(part["PartNumber"], part["Size"]) for part in parts] == [(1, 1), (2, 2), (5, 5)]
    assert [part["ChecksumSHA256"] for part in parts] == [one["ChecksumSHA256"] for one in sent]
    assert [part["ETag"] for part in parts] == [one["ETag"] for one in sent]
    whole = bucket.list_parts(Key="k", UploadId=upload_id)
    assert (whole["ChecksumAlgorithm"], whole["ChecksumType"]) == ("SHA256", "COMPOSITE")


def test_uploads_are_listed_in_pages(bucket: Bucket) -> None:
    """All come once, by key, those of one key by age."""
    ids = [begin(bucket, key) for key in ("b", "a", "b", "b", "c/1", "c/2")]
    wanted = [ids[1], ids[0], ids[2], ids[3], ids[4], ids[5]]
    for size in (1, 2, 5, 10):
        found = every(bucket, "list_multipart_uploads", "Uploads", PaginationConfig={"PageSize": size})
        assert [one["UploadId"] for one in found] == wanted
        assert found[0]["StorageClass"] == "GLACIER"
    grouped = bucket.list_multipart_uploads(Delimiter="/")
    assert [one["Prefix"] for one in grouped["CommonPrefixes"]] == ["c/"]
    assert [one["Key"] for one in grouped["Uploads"]] == ["a", "b", "b", "b"]
    assert [one["Key"] for one in bucket.list_multipart_uploads(Prefix="c")["Uploads"]] == ["c/1", "c/2"]


def test_a_list_goes_on_behind_an_aborted_upload(bucket: Bucket) -> None:
    """A client that aborts page by page meets every upload."""
    for _ in range(5):
        begin(bucket, "k")
    seen = set()
    marker: dict[str, str] = {}
    while True:
        page = bucket.list_multipart_uploads(MaxUploads=2, **marker)
        for one in page.get("Uploads", []):
            seen.add(one["UploadId"])
            bucket.abort_multipart_upload(Key="k", UploadId=one["UploadId"])
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert len(seen) == 5
    assert "Uploads" not in bucket.list_multipart_uploads()
