"""Restores of archived objects, with boto3 and a clock that moves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.server import Fault

if TYPE_CHECKING:
    from aioglacier.testing import ServedGlacier
    from tests.server.operations.s3.conftest import Bucket

HOUR = 3600.0


def restore(bucket: Bucket, tier: str | None = None, days: int = 1) -> int:
    """Ask for a restore of "k"; return the status."""
    wish: dict[str, Any] = {"Days": days}
    if tier is not None:
        wish["GlacierJobParameters"] = {"Tier": tier}
    answer = bucket.restore_object(Key="k", RestoreRequest=wish)
    status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status


def refused(bucket: Bucket, tier: str, days: int = 1) -> tuple[int, str]:
    """Ask for a restore of "k" that must be refused."""
    wish = {"Days": days, "GlacierJobParameters": {"Tier": tier}}
    return bucket.refused("restore_object", Key="k", RestoreRequest=wish)


@pytest.mark.parametrize(
    ("storage_class", "tier", "hours"),
    [
        ("GLACIER", "Expedited", 0.1),
        ("GLACIER", "Standard", 4.1),
        ("GLACIER", "Bulk", 8.1),
        ("DEEP_ARCHIVE", "Standard", 12.1),
        ("DEEP_ARCHIVE", "Bulk", 48.1),
    ],
)
def test_a_restore_takes_its_time(
    bucket: Bucket, depot: ServedGlacier, storage_class: str, tier: str, hours: float
) -> None:
    """Head and list show the state; the copy is read once it is there, and expires."""
    bucket.put_object(Key="k", Body=b"x", StorageClass=storage_class)
    assert restore(bucket, tier, days=2) == 202
    assert bucket.head_object(Key="k")["Restore"] == 'ongoing-request="true"'
    (entry,) = bucket.list_objects_v2(OptionalObjectAttributes=["RestoreStatus"])["Contents"]
    assert entry["RestoreStatus"] == {"IsRestoreInProgress": True}
    assert bucket.refused("get_object", Key="k") == (403, "InvalidObjectState")
    depot.advance(hours * HOUR)
    assert bucket.head_object(Key="k")["Restore"].startswith('ongoing-request="false", expiry-date="')
    (entry,) = bucket.list_objects_v2(OptionalObjectAttributes=["RestoreStatus"])["Contents"]
    assert entry["RestoreStatus"]["IsRestoreInProgress"] is False
    expiry = entry["RestoreStatus"]["RestoreExpiryDate"]
    assert timedelta(days=1) < expiry - depot.now < timedelta(days=3)
    assert (expiry.hour, expiry.minute, expiry.second) == (0, 0, 0)
    assert bucket.read("k") == b"x"
    depot.advance(timedelta(days=3))
    assert "Restore" not in bucket.head_object(Key="k")
    assert bucket.refused("get_object", Key="k") == (403, "InvalidObjectState")


def test_a_restored_copy_is_kept_for_longer(bucket: Bucket, depot: ServedGlacier) -> None:
    """A second request answers 200 and sets a new period."""
    bucket.put_object(Key="k", Body=b"x", StorageClass="GLACIER")
    restore(bucket, "Expedited")
    depot.advance(0.1 * HOUR)
    before = bucket.head_object(Key="k")["Restore"]
    assert restore(bucket, days=30) == 200
    assert bucket.head_object(Key="k")["Restore"] != before
    depot.advance(timedelta(days=29))
    assert bucket.read("k") == b"x"


def test_a_faster_tier_speeds_a_restore_up(bucket: Bucket, depot: ServedGlacier) -> None:
    """The same or a slower tier is refused while a restore runs."""
    bucket.put_object(Key="k", Body=b"x", StorageClass="GLACIER")
    restore(bucket, "Bulk")
    assert refused(bucket, "Bulk") == (409, "RestoreAlreadyInProgress")
    assert restore(bucket, "Standard") == 202
    assert refused(bucket, "Bulk") == (409, "RestoreAlreadyInProgress")
    depot.advance(4.1 * HOUR)
    assert bucket.read("k") == b"x"


def test_restores_that_make_no_sense_are_refused(bucket: Bucket, depot: ServedGlacier) -> None:
    """A class that is read at once, a tier that a class does not have, days and tiers that do not exist."""
    bucket.put_object(Key="k", Body=b"x", StorageClass="GLACIER_IR")
    assert refused(bucket, "Standard") == (403, "InvalidObjectState")
    bucket.put_object(Key="k", Body=b"x", StorageClass="DEEP_ARCHIVE")
    assert refused(bucket, "Expedited") == (400, "InvalidRequest")
    assert refused(bucket, "Standard", days=0) == (400, "InvalidArgument")
    assert refused(bucket, "Slow") == (400, "MalformedXML")
    assert bucket.refused("restore_object", Key="nothere", RestoreRequest={"Days": 1}) == (404, "NoSuchKey")
    depot.add_faults(Fault("RestoreObject", code="GlacierExpeditedRetrievalNotAvailable", where=bucket.name))
    assert refused(bucket, "Standard") == (503, "GlacierExpeditedRetrievalNotAvailable")


def test_an_early_deletion_is_counted(bucket: Bucket, depot: ServedGlacier) -> None:
    """A delete counts the bytes and the days that are left of the class's minimum, and so does a put."""
    before = depot.status()
    bucket.put_object(Key="k", Body=b"12345", StorageClass="GLACIER")
    depot.advance(timedelta(days=30))
    bucket.put_object(Key="k", Body=b"x", StorageClass="STANDARD")
    bucket.delete_object(Key="k")
    after = depot.status()
    assert after["early_deletions"] - before["early_deletions"] == 1
    assert after["early_deletion_byte_days"] - before["early_deletion_byte_days"] == 5 * 60
