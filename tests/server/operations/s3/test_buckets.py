"""Buckets, with boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.server.conftest import send
from tests.server.operations.s3.conftest import refused

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier
    from tests.server.operations.s3.conftest import Bucket


def test_a_new_bucket_is_found_and_listed(bucket: Bucket, client: Any) -> None:
    """HeadBucket, GetBucketLocation and ListBuckets know it, and its region."""
    assert bucket.head_bucket()["BucketRegion"] == "us-east-1"
    assert bucket.get_bucket_location()["LocationConstraint"] is None
    assert bucket.name in [one["Name"] for one in client.list_buckets(Prefix=bucket.name[:4])["Buckets"]]


def test_buckets_are_listed_in_pages(bucket: Bucket, client: Any) -> None:
    """Each page has a token for the next; prefixes choose."""
    names = [f"{bucket.name}-{letter}" for letter in "abc"]
    for name in names:
        client.create_bucket(Bucket=name)
    first = client.list_buckets(Prefix=f"{bucket.name}-", MaxBuckets=2)
    rest = client.list_buckets(
        Prefix=f"{bucket.name}-", MaxBuckets=2, ContinuationToken=first["ContinuationToken"]
    )
    assert [one["Name"] for one in first["Buckets"] + rest["Buckets"]] == names
    assert "ContinuationToken" not in rest


def test_a_bucket_is_created_again_by_its_owner(bucket: Bucket, client: Any) -> None:
    """The oldest region answers 200."""
    client.create_bucket(Bucket=bucket.name)


def test_a_bucket_with_objects_is_not_deleted(bucket: Bucket) -> None:
    """It is deleted once it is empty, and then it is unknown."""
    bucket.put_object(Key="k", Body=b"x")
    assert bucket.refused("delete_bucket") == (409, "BucketNotEmpty")
    bucket.delete_object(Key="k")
    bucket.delete_bucket()
    assert bucket.refused("head_bucket") == (404, "404")
    assert bucket.refused("put_object", Key="k", Body=b"x") == (404, "NoSuchBucket")


@pytest.mark.parametrize("name", ["UP.per", "a..b", "1.2.3.4", "-a", "xn--a", "a-s3alias", "ab"])
async def test_bad_names_are_refused(faithful: LocalGlacier, name: str) -> None:
    """The rules of names hold, also for clients that do not check them."""
    answer = await send(faithful, "PUT", f"/{name}", x_amz_glacier_version="")
    assert answer.status == 400
    assert b"<Code>InvalidBucketName</Code>" in answer.body


def test_another_region_is_refused(client: Any) -> None:
    """This server has one region."""
    wish = {"LocationConstraint": "eu-west-1"}
    answer = refused(client.create_bucket, Bucket="elsewhere", CreateBucketConfiguration=wish)
    assert answer == (400, "IllegalLocationConstraintException")


def test_another_owner_is_refused(bucket: Bucket) -> None:
    """A bucket that belongs to another account than expected is not touched."""
    assert bucket.refused("head_bucket", ExpectedBucketOwner="999999999999") == (403, "403")
    bucket.head_bucket(ExpectedBucketOwner="012345678901")
