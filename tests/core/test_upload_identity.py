"""The facts by which an upload whose id was lost is recognised."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aioglacier.core.models import UploadDescription, UploadId
from aioglacier.core.upload_identity import CLOCK_TOLERANCE, may_be_lost

SINCE = datetime(2026, 11, 22, 12, tzinfo=UTC)
UPLOAD = UploadDescription(UploadId("u"), "photos", 1 << 20, "raw", SINCE)


@pytest.mark.parametrize(
    ("upload", "fits"),
    [
        (UPLOAD, True),
        (replace(UPLOAD, description="other"), False),
        (replace(UPLOAD, part_size=1 << 21), False),
        (replace(UPLOAD, started=SINCE - CLOCK_TOLERANCE), True),
        (replace(UPLOAD, started=SINCE - CLOCK_TOLERANCE - timedelta(seconds=1)), False),
        (replace(UPLOAD, started=SINCE + timedelta(hours=1)), True),
        (replace(UPLOAD, started=SINCE + timedelta(hours=1, seconds=1)), False),
    ],
)
def test_an_upload_fits_by_description_part_size_and_time(upload: UploadDescription, *, fits: bool) -> None:
    """Each fact alone excludes an upload, and the times include their ends."""
    until = SINCE + timedelta(hours=1)
    assert may_be_lost(upload, description="raw", part_size=1 << 20, since=SINCE, until=until) is fits


def test_without_an_end_any_later_upload_fits() -> None:
    """A running process looks for its own upload, however late the service began it."""
    late = replace(UPLOAD, started=SINCE + timedelta(days=9), description="")
    assert may_be_lost(late, description=None, part_size=1 << 20, since=SINCE)
