"""The choice among existing jobs for a request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from aioglacier.core.models import (
    ArchiveId,
    InventoryFormat,
    InventoryParameters,
    JobAction,
    JobDescription,
    JobId,
    JobStatus,
    Tier,
)
from aioglacier.core.ranges import ByteRange
from aioglacier.recorded.job_request import JobRequest, find_in_output, part_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PART = ByteRange(10, 30)
JOB = JobDescription(
    JobId("j"),
    "arn:aws:glacier:eu-west-1:111122223333:vaults/v",
    JobAction.ARCHIVE_RETRIEVAL,
    JobStatus.IN_PROGRESS,
    NOON,
    tier=Tier.STANDARD,
    archive_id=ArchiveId("a"),
    archive_size=100,
    description="mine",
    sns_topic="topic",
)
WANTED = JobRequest(ArchiveId("a"), PART, Tier.STANDARD)


@pytest.mark.parametrize(
    ("job", "wanted", "is_met"),
    [
        ({}, {}, True),
        ({"byte_range": ByteRange(0, 30)}, {}, True),
        ({"byte_range": ByteRange(11, 40)}, {}, False),
        ({"byte_range": PART}, {"byte_range": None}, False),
        ({"byte_range": ByteRange(0, 100)}, {"byte_range": None}, True),
        ({"archive_id": ArchiveId("b")}, {}, False),
        ({"status": JobStatus.FAILED}, {}, False),
        ({}, {"tier": Tier.BULK}, True),
        ({}, {"tier": Tier.EXPEDITED}, False),
        ({"status": JobStatus.SUCCEEDED}, {"tier": Tier.EXPEDITED}, True),
        ({}, {"description": "mine"}, True),
        ({}, {"description": "other"}, False),
        ({}, {"sns_topic": "topic"}, True),
        ({}, {"sns_topic": "other"}, False),
    ],
)
def test_a_job_meets_a_request(job: dict[str, Any], wanted: dict[str, Any], *, is_met: bool) -> None:
    """It has the bytes, is as fast or done, and has the description and the topic that are asked for."""
    assert replace(WANTED, **wanted).is_met_by(replace(JOB, **job)) is is_met


@pytest.mark.parametrize(
    ("found", "wanted", "is_met"),
    [
        (None, InventoryParameters(), True),
        (InventoryParameters(marker="next"), InventoryParameters(), True),
        (InventoryParameters(), InventoryParameters(marker="next"), False),
        (InventoryParameters(format=InventoryFormat.CSV), InventoryParameters(), False),
        (InventoryParameters(limit=1), InventoryParameters(), False),
    ],
)
def test_an_inventory_meets_a_request(
    found: InventoryParameters | None, wanted: InventoryParameters, *, is_met: bool
) -> None:
    """The part of the list is the same; a job that goes on from a marker is always another one."""
    job = replace(JOB, action=JobAction.INVENTORY_RETRIEVAL, archive_id=None, inventory=found)
    assert JobRequest(inventory=wanted).is_met_by(job) is is_met


def test_a_retrieval_is_no_inventory() -> None:
    """A job for an archive has no parameters of a list, as the job for a whole list may have none."""
    assert not JobRequest(inventory=InventoryParameters()).is_met_by(JOB)


def test_the_wanted_bytes_are_found_in_the_output() -> None:
    """They count from the start of what the job retrieves; ``None`` stands for all of it."""
    assert part_of(JOB, "a", PART) == PART
    assert part_of(replace(JOB, byte_range=ByteRange(5, 50)), "a", PART) == ByteRange(5, 25)
    assert part_of(replace(JOB, byte_range=PART), "a", PART) is None
    assert part_of(JOB, "a", None) is None
    assert find_in_output(JOB, "a", PART) == PART
    assert find_in_output(replace(JOB, status=JobStatus.FAILED), "a", PART) is None
    assert find_in_output(replace(JOB, archive_size=None), "a", PART) is None
