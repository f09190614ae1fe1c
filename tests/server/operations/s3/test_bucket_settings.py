"""Settings of buckets, with boto3, and the rules that the clock obeys."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aioglacier.testing import ServedGlacier
    from tests.server.operations.s3.conftest import Bucket

RULE = {
    "ID": "old",
    "Status": "Enabled",
    "Filter": {"Prefix": "tmp/"},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}


def test_a_lifecycle_aborts_old_uploads(bucket: Bucket, depot: ServedGlacier) -> None:
    """Only below its prefix, and only after its days."""
    nothing = bucket.refused("get_bucket_lifecycle_configuration")
    assert nothing == (404, "NoSuchLifecycleConfiguration")
    bucket.put_bucket_lifecycle_configuration(LifecycleConfiguration={"Rules": [RULE]})
    assert bucket.get_bucket_lifecycle_configuration()["Rules"] == [RULE]
    for key in ("tmp/a", "kept"):
        bucket.create_multipart_upload(Key=key)
    depot.advance(timedelta(days=6))
    assert len(bucket.list_multipart_uploads()["Uploads"]) == 2
    depot.advance(timedelta(days=1, seconds=1))
    assert [one["Key"] for one in bucket.list_multipart_uploads()["Uploads"]] == ["kept"]
    bucket.delete_bucket_lifecycle()
    assert bucket.refused("get_bucket_lifecycle_configuration") == nothing


def test_notifications_are_stored(bucket: Bucket) -> None:
    """An empty configuration turns them off."""
    queue = {
        "Id": "q",
        "QueueArn": "arn:aws:sqs:us-east-1:012345678901:restores",
        "Events": ["s3:ObjectRestore:*"],
    }
    bucket.put_bucket_notification_configuration(NotificationConfiguration={"QueueConfigurations": [queue]})
    assert bucket.get_bucket_notification_configuration()["QueueConfigurations"] == [queue]
    bucket.put_bucket_notification_configuration(NotificationConfiguration={})
    assert "QueueConfigurations" not in bucket.get_bucket_notification_configuration()


def test_a_bucket_has_no_versions_and_no_lock(bucket: Bucket) -> None:
    """Reads of both say so."""
    assert "Status" not in bucket.get_bucket_versioning()
    assert bucket.refused("get_object_lock_configuration") == (404, "ObjectLockConfigurationNotFoundError")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_bucket_acl", {}),
        ("get_bucket_policy", {}),
        ("get_bucket_encryption", {}),
        ("get_bucket_tagging", {}),
        ("get_object_acl", {"Key": "k"}),
        ("list_object_versions", {}),
        ("get_object", {"Key": "k", "VersionId": "1"}),
        ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Enabled"}}),
    ],
)
def test_the_rest_of_s3_is_not_implemented(bucket: Bucket, operation: str, arguments: Any) -> None:
    """The answer says so, and nothing is taken for something else."""
    assert bucket.refused(operation, **arguments) == (501, "NotImplemented")
