"""Heads of objects, and whether the objects can be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aioglacier.core.s3.objects import ObjectHead, RestoreState

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("storage_class", "tier", "restore", "reads"),
    [
        ("GLACIER_IR", None, None, True),
        ("SNOW", None, None, True),  # a class that is not known here
        ("INTELLIGENT_TIERING", None, None, True),
        ("INTELLIGENT_TIERING", "ARCHIVE_ACCESS", None, False),
        ("GLACIER", None, None, False),
        ("GLACIER", None, RestoreState(is_ongoing=True), False),
        ("DEEP_ARCHIVE", None, RestoreState(is_ongoing=False), True),
        ("DEEP_ARCHIVE", None, RestoreState(is_ongoing=False, expires=NOW + timedelta(days=1)), True),
        ("DEEP_ARCHIVE", None, RestoreState(is_ongoing=False, expires=NOW), False),
    ],
)
def test_class_and_restore_tell_whether_an_object_reads(
    storage_class: str, tier: str | None, restore: RestoreState | None, *, reads: bool
) -> None:
    """A class that reads at once needs no copy; a copy reads until it expires."""
    head = ObjectHead(
        key="a",
        size=1,
        etag="e",
        modified=NOW,
        storage_class=storage_class,
        archive_tier=tier,
        restore=restore,
    )
    assert head.is_readable(NOW) is reads
