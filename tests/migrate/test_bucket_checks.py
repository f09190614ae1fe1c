"""A bucket is examined before archives are paid for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from aioglacier.core.errors import AccessDeniedError
from aioglacier.migrate.bucket_checks import look_at_bucket
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.server import Fault
from aioglacier.tasks.threads import run_in_thread
from tests.migrate.conftest import ACCOUNT, bucket_of, migration_of

if TYPE_CHECKING:
    from tests.bulk.archives.conftest import OldVault

RULES = [
    {"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": ""},
     "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    {"ID": "elsewhere", "Status": "Enabled", "Filter": {"Prefix": "new/"}, "Expiration": {"Days": 1}},
    {"ID": "off", "Status": "Disabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 1}},
    {"ID": "away", "Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 9}},
    {"ID": "deep", "Status": "Enabled", "Filter": {"Prefix": "old/"},
     "Transitions": [{"Days": 30, "StorageClass": "DEEP_ARCHIVE"}]},
]  # fmt: skip

LOCK = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 2}}}


async def call(old_vault: OldVault, method: str, **parameters: Any) -> None:
    """Call S3 as the bucket's owner does."""
    client = boto3.client(
        "s3",
        endpoint_url=old_vault.server.url,
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="secret",
    )
    await run_in_thread(partial(getattr(client, method), Bucket="museum", **parameters))


async def test_rules_versions_and_locks_are_said(old_vault: OldVault) -> None:
    """Rules that delete or move what is below the prefix, a missing rule, no versions, a default lock."""
    async with old_vault.connected() as glacier:
        bucket = glacier.bucket("museum", "GLACIER", "old/", owner=ACCOUNT)
        await bucket.context.gateway.create_bucket(
            bucket.context.ref, region="us-east-1", has_object_lock=True
        )
        target = await BucketTarget.of(bucket)
        plain = await look_at_bucket(bucket, target)
        assert [sentence.partition(" museum ")[2].partition(" ")[0] for sentence in plain] == ["has", "keeps"]
        await call(old_vault, "put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": RULES})
        await call(old_vault, "put_object_lock_configuration", ObjectLockConfiguration=LOCK)
        deletes, moves, versions, lock = await look_at_bucket(bucket, target)
        assert deletes.startswith("lifecycle rule 'away'")
        assert moves.startswith("lifecycle rule 'deep'")
        assert moves.endswith("DEEP_ARCHIVE")
        assert "no versions" in versions
        assert "2 years in mode COMPLIANCE" in lock


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation",
    ["PutObject", "GetObject", "ListObjectsV2", "CreateMultipartUpload", "ListParts", "AbortMultipartUpload"],
)
async def test_a_right_that_is_missing_is_found_before_a_job_is_paid(
    old_vault: OldVault, operation: str
) -> None:
    """Each kind of request that a move makes is tried, and the key of encryption with it."""
    await old_vault.fill({"a": b"1"})
    old_vault.server.faults.add(Fault(operation, code="AccessDenied", status=403, count=None))
    async with old_vault.connected() as glacier:
        with pytest.raises(AccessDeniedError):
            await (await migration_of(glacier)).run()
        assert await old_vault.jobs(glacier.vault("old")) == 0


async def test_a_bucket_that_may_not_be_examined_is_said(old_vault: OldVault) -> None:
    """Rules that may not be read are no reason to stop."""
    for operation in ("GetBucketLifecycleConfiguration", "GetBucketVersioning", "GetObjectLockConfiguration"):
        old_vault.server.faults.add(Fault(operation, code="AccessDenied", status=403))
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        said = await look_at_bucket(bucket, await BucketTarget.of(bucket))
    assert [("may not be read" in sentence) for sentence in said] == [True, True]
