"""Arguments as headers and documents of S3."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aioglacier.core.errors import InvalidPlanError
from aioglacier.core.models import Tier
from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectChecksum, ObjectSettings, StorageClass
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.contract.row_columns import written
from aioglacier.gateway.s3.arguments import (
    BODY_CHECKSUM,
    SETTINGS,
    write_restore_request,
    write_unless_overwriting,
    write_whole_checksum,
)

HASHES = hash_part(b"bytes")
WHOLE = ObjectChecksum(ChecksumAlgorithm.SHA256, bytes(32))


def test_settings_that_are_not_given_leave_no_header() -> None:
    """Only the class is always sent, so that nothing depends on the bucket's default."""
    found = written(SETTINGS, {"settings": ObjectSettings(storage_class=StorageClass.GLACIER)})
    assert {name: value for name, value in found.items() if value} == {"x-amz-storage-class": "GLACIER"}


def test_every_setting_has_its_header() -> None:
    """Tags are escaped like a query, switches and dates are written as S3 reads them."""
    settings = ObjectSettings(
        storage_class=StorageClass.DEEP_ARCHIVE,
        metadata={"name": "film"},
        tags={"a b": "c&d"},
        content_type="video/mp4",
        encryption="aws:kms",
        kms_key="key",
        uses_bucket_key=False,
        lock_mode="GOVERNANCE",
        locked_until=datetime(2026, 11, 22, tzinfo=UTC),
        is_held=True,
    )
    found = written(SETTINGS, {"settings": settings})
    assert found["x-amz-meta-"] == {"name": "film"}
    assert found["x-amz-tagging"] == "a%20b=c%26d"
    assert found["x-amz-server-side-encryption-bucket-key-enabled"] == "false"
    assert str(found["x-amz-object-lock-retain-until-date"]).startswith("2026-11-22T00:00:00")
    assert found["x-amz-object-lock-legal-hold"] == "ON"
    assert found.keys() == SETTINGS.keys()


def test_a_body_carries_the_checksum_that_was_made() -> None:
    """With the fast checksum the payload is unsigned, and the header is that of its algorithm."""
    found = written(BODY_CHECKSUM, {"hashes": HASHES})
    assert found[""].keys() == {"x-amz-checksum-sha256"}
    fast = HASHES._replace(payload_hash=b"", crc64nvme=bytes(8))
    found = written(BODY_CHECKSUM, {"hashes": fast})
    assert found["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert found[""] == {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}


def test_a_completion_sends_the_checksum_of_a_whole_object_only() -> None:
    """One of the parts' checksums is compared with the answer instead."""
    assert write_whole_checksum({}) == {}
    composite = write_whole_checksum({"checksum": WHOLE._replace(parts=3)})
    assert composite == {"x-amz-checksum-type": "COMPOSITE"}
    full = write_whole_checksum({"checksum": WHOLE})
    assert full.keys() == {"x-amz-checksum-type", "x-amz-checksum-sha256"}


def test_a_write_replaces_nothing_unless_it_may() -> None:
    """The condition is left out where the caller allows to overwrite."""
    assert write_unless_overwriting({}) == "*"
    assert write_unless_overwriting({"overwrite": True}) is None


def test_a_restore_of_a_wrong_tier_is_not_sent() -> None:
    """DEEP_ARCHIVE has no Expedited tier."""
    arguments = {"days": 3, "tier": Tier.BULK, "storage_class": "DEEP_ARCHIVE"}
    assert b"<Days>3</Days>" in write_restore_request(arguments)
    with pytest.raises(InvalidPlanError):
        write_restore_request(arguments | {"tier": Tier.EXPEDITED})
