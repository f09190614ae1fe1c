"""Lists of objects, with boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.server.operations.s3.conftest import Bucket

KEYS = ["a", "a b+c", "a/1", "a/2", "b/1/x", "b/2", "c", "ü"]


@pytest.fixture
def filled(bucket: Bucket) -> Bucket:
    """A bucket with ``KEYS``."""
    for key in reversed(KEYS):
        bucket.put_object(Key=key, Body=key.encode())
    return bucket


def every(bucket: Bucket, operation: str, **arguments: Any) -> tuple[list[str], list[str]]:
    """Return the keys and common prefixes of all pages."""
    keys, prefixes = [], []
    for page in bucket.client.get_paginator(operation).paginate(Bucket=bucket.name, **arguments):
        keys += [one["Key"] for one in page.get("Contents", [])]
        prefixes += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
    return keys, prefixes


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_every_key_comes_once_in_order(filled: Bucket, operation: str, size: int) -> None:
    """Pages of any size have the same keys and prefixes, in order of bytes."""
    paging = {"PaginationConfig": {"PageSize": size}}
    assert every(filled, operation, **paging) == (sorted(KEYS), [])
    assert every(filled, operation, Delimiter="/", **paging) == (["a", "a b+c", "c", "ü"], ["a/", "b/"])
    assert every(filled, operation, Delimiter="/", Prefix="b/", **paging) == (["b/2"], ["b/1/"])
    assert every(filled, operation, Prefix="a", **paging) == (["a", "a b+c", "a/1", "a/2"], [])


def test_a_list_begins_behind_a_key(filled: Bucket) -> None:
    """The key itself is not in it."""
    answer = filled.list_objects_v2(StartAfter="b/2")
    assert [one["Key"] for one in answer["Contents"]] == ["c", "ü"]
    assert answer["KeyCount"] == 2


def test_an_entry_describes_its_object(bucket: Bucket) -> None:
    """Size, class, entity tag, checksum and, on request, the state of a restore."""
    bucket.put_object(Key="k", Body=b"1234", StorageClass="GLACIER", ChecksumAlgorithm="SHA256")
    (entry,) = bucket.list_objects_v2(OptionalObjectAttributes=["RestoreStatus"], FetchOwner=True)["Contents"]
    head = bucket.head_object(Key="k")
    assert (entry["Size"], entry["StorageClass"], entry["ETag"]) == (4, "GLACIER", head["ETag"])
    assert (entry["ChecksumAlgorithm"], entry["ChecksumType"]) == (["SHA256"], "FULL_OBJECT")
    assert "RestoreStatus" not in entry
    assert entry["Owner"]["ID"]


def test_bad_queries_are_refused(bucket: Bucket) -> None:
    """A token of another server, and a page size that is none."""
    assert bucket.refused("list_objects_v2", ContinuationToken="a") == (400, "InvalidArgument")
    assert bucket.refused("list_objects_v2", MaxKeys=-1) == (400, "InvalidArgument")
    assert bucket.list_objects_v2(MaxKeys=0)["IsTruncated"] is False
