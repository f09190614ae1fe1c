"""Reading objects, with boto3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.ranges import ByteRange
from aioglacier.server.operations.s3.object_reading import parse_range
from aioglacier.server.protocol.s3_refusals import S3RefusalError

if TYPE_CHECKING:
    from tests.server.operations.s3.conftest import Bucket


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, None),
        ("bytes=0-", ByteRange(0, 10)),
        ("bytes=2-3", ByteRange(2, 4)),
        ("bytes=2-99", ByteRange(2, 10)),
        ("bytes=-3", ByteRange(7, 10)),
        ("bytes=-99", ByteRange(0, 10)),
        ("bytes=3-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("oops", None),
    ],
)
def test_ranges_are_those_of_http(text: str | None, found: ByteRange | None) -> None:
    """A range is cut at the end, and a malformed one is ignored."""
    assert parse_range(text, 10) == found


@pytest.mark.parametrize("text", ["bytes=10-", "bytes=10-11", "bytes=-0"])
def test_ranges_past_the_end_are_refused(text: str) -> None:
    """A range without a byte is 416."""
    with pytest.raises(S3RefusalError, match="InvalidRange"):
        parse_range(text, 10)


def test_a_range_is_read(bucket: Bucket) -> None:
    """The answer names the range and the whole size."""
    bucket.put_object(Key="k", Body=b"0123456789")
    answer = bucket.get_object(Key="k", Range="bytes=2-4")
    assert (answer["Body"].read(), answer["ContentRange"]) == (b"234", "bytes 2-4/10")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert bucket.refused("get_object", Key="k", Range="bytes=10-") == (416, "InvalidRange")


def test_conditions_of_reads_hold(bucket: Bucket) -> None:
    """Entity tags and dates decide between 200, 304 and 412, for gets and heads."""
    etag = bucket.put_object(Key="k", Body=b"x")["ETag"]
    past, future = (datetime.now(UTC) + timedelta(days=days) for days in (-1000, 1000))
    good: list[dict[str, Any]] = [
        {"IfMatch": etag},
        {"IfMatch": "*"},
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": past},
        {"IfUnmodifiedSince": future},
        {"IfMatch": etag, "IfUnmodifiedSince": past},
    ]
    for condition in good:
        assert bucket.read("k", **condition) == b"x"
    for condition in ({"IfNoneMatch": etag}, {"IfModifiedSince": future}):
        assert bucket.refused("get_object", Key="k", **condition)[0] == 304
    for condition in ({"IfMatch": '"other"'}, {"IfUnmodifiedSince": past}):
        assert bucket.refused("get_object", Key="k", **condition) == (412, "PreconditionFailed")
        assert bucket.refused("head_object", Key="k", **condition) == (412, "412")


@pytest.mark.parametrize("name", ["CRC32", "SHA1", "SHA256"])
def test_checksums_come_back(bucket: Bucket, name: str) -> None:
    """A checksum is stored with its object and shown on request."""
    put = bucket.put_object(Key="k", Body=b"x", ChecksumAlgorithm=name)
    head = bucket.head_object(Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{name}"] == put[f"Checksum{name}"]
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert f"Checksum{name}" not in bucket.head_object(Key="k")


def test_a_reader_chooses_headers(bucket: Bucket) -> None:
    """A signed request may replace headers of the answer."""
    bucket.put_object(Key="k", Body=b"x")
    answer = bucket.get_object(Key="k", ResponseContentType="a/b", ResponseCacheControl="no-cache")
    assert (answer["ContentType"], answer["CacheControl"]) == ("a/b", "no-cache")


def test_an_archived_object_is_not_read(bucket: Bucket) -> None:
    """Head and put work, a get needs a restore; GLACIER_IR is read at once."""
    for name in ("GLACIER", "DEEP_ARCHIVE"):
        bucket.put_object(Key=name, Body=b"x", StorageClass=name)
        assert bucket.head_object(Key=name)["StorageClass"] == name
        assert bucket.refused("get_object", Key=name) == (403, "InvalidObjectState")
    bucket.put_object(Key="ir", Body=b"x", StorageClass="GLACIER_IR")
    assert bucket.read("ir") == b"x"
