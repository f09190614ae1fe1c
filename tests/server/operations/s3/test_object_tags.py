"""Tags and locks of objects, with boto3."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aioglacier.testing import ServedGlacier
    from tests.server.operations.s3.conftest import Bucket


def test_tags_are_replaced_and_removed(bucket: Bucket) -> None:
    """All tags change at once."""
    bucket.put_object(Key="k", Body=b"x", Tagging="a=1&b=%20")
    assert bucket.get_object_tagging(Key="k")["TagSet"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": " "},
    ]
    tags = [{"Key": "c", "Value": "<&>"}]
    bucket.put_object_tagging(Key="k", Tagging={"TagSet": tags})
    assert bucket.get_object_tagging(Key="k")["TagSet"] == tags
    bucket.delete_object_tagging(Key="k")
    assert bucket.get_object_tagging(Key="k")["TagSet"] == []
    assert bucket.refused("put_object_tagging", Key="k", Tagging={"TagSet": tags * 2}) == (400, "InvalidTag")


@pytest.fixture
def locked(bucket: Bucket, client: Any) -> Bucket:
    """A bucket with Object Lock."""
    name = f"{bucket.name}-locks"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return type(bucket)(name, client)


def test_a_lock_ends_with_its_date(locked: Bucket, depot: ServedGlacier) -> None:
    """Until then it can be made longer, not shorter."""
    locked.put_object(Key="k", Body=b"x")
    until = depot.now + timedelta(days=10)
    locked.put_object_retention(Key="k", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
    assert locked.head_object(Key="k")["ObjectLockMode"] == "COMPLIANCE"
    shorter = {"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(days=1)}
    assert locked.refused("put_object_retention", Key="k", Retention=shorter) == (403, "AccessDenied")
    assert locked.refused("delete_object", Key="k", BypassGovernanceRetention=True) == (403, "AccessDenied")
    depot.advance(timedelta(days=11))
    locked.delete_object(Key="k")


def test_a_governance_lock_can_be_bypassed(locked: Bucket, depot: ServedGlacier) -> None:
    """A request says so."""
    until = depot.now + timedelta(days=10)
    locked.put_object(Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    assert locked.refused("delete_object", Key="k") == (403, "AccessDenied")
    assert locked.get_object_retention(Key="k")["Retention"]["Mode"] == "GOVERNANCE"
    locked.delete_object(Key="k", BypassGovernanceRetention=True)


def test_a_bucket_locks_each_new_object(locked: Bucket, bucket: Bucket, depot: ServedGlacier) -> None:
    """The default retention is of the bucket; a request's own goes first."""
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 10}}
    wish = {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule}}
    locked.put_object_lock_configuration(**wish)
    assert (
        locked.get_object_lock_configuration()["ObjectLockConfiguration"] == wish["ObjectLockConfiguration"]
    )
    locked.put_object(Key="k", Body=b"x")
    until = depot.now + timedelta(days=1)
    locked.put_object(Key="own", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    assert locked.head_object(Key="own")["ObjectLockMode"] == "GOVERNANCE"
    depot.advance(timedelta(days=9))
    locked.delete_object(Key="own")
    assert locked.refused("delete_object", Key="k") == (403, "AccessDenied")
    depot.advance(timedelta(days=2))
    locked.delete_object(Key="k")
    assert bucket.refused("put_object_lock_configuration", **wish) == (409, "InvalidBucketState")
    for wrong in ({"Mode": "NONE", "Days": 1}, {"Mode": "GOVERNANCE"}):
        wish["ObjectLockConfiguration"]["Rule"] = {"DefaultRetention": wrong}
        assert locked.refused("put_object_lock_configuration", **wish) == (400, "MalformedXML")


def test_a_hold_is_set_and_lifted(locked: Bucket, bucket: Bucket) -> None:
    """A bucket without Object Lock has neither."""
    locked.put_object(Key="k", Body=b"x")
    locked.put_object_legal_hold(Key="k", LegalHold={"Status": "ON"})
    assert locked.refused("delete_object", Key="k") == (403, "AccessDenied")
    locked.put_object_legal_hold(Key="k", LegalHold={"Status": "OFF"})
    assert locked.get_object_legal_hold(Key="k")["LegalHold"]["Status"] == "OFF"
    locked.delete_object(Key="k")
    bucket.put_object(Key="k", Body=b"x")
    hold = {"Key": "k", "LegalHold": {"Status": "ON"}}
    assert bucket.refused("put_object_legal_hold", **hold) == (400, "InvalidRequest")
    assert bucket.refused("get_object_retention", Key="k") == (404, "NoSuchObjectLockConfiguration")
