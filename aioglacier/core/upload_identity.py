"""Uploads whose id was lost with the service's answer, and how they are known again.

An upload has no name that its maker could choose, and the description belongs to the user: whatever is
written there stays with the archive for ever and is read by other tools. So a lost upload is known by all
that is known of it: description, part size, the time since which it can have been begun, and that nobody has
sent it a part or has its id. One that fits is as good as a new one, since nothing is in it.

Two who lose an answer at the same moment may find each other's. That does no harm as long as each upload is
taken once: whoever then gets an id that is taken already asks for another. Of those who keep other records
nobody can know that, and one of theirs that has just begun looks lost; so what a dead process left is looked
for only among the uploads of its own time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.models import UploadDescription

#: How far the service's clock may be behind ours; it accepts signatures within five minutes.
CLOCK_TOLERANCE: Final = timedelta(minutes=15)

#: How long after it was intended an upload can have been begun: a quarter of an hour of outage, the clock,
#: and as much again.
LATEST_BEGIN: Final = timedelta(hours=1)


def may_be_lost(
    upload: UploadDescription,
    *,
    description: str | None,
    part_size: int,
    since: datetime,
    until: datetime | None = None,
) -> bool:
    """Whether an unfinished upload may be one that was initiated so between these times, by our clock.

    It remains to be seen that it has no parts, and that nobody else has its id.
    """
    return (
        upload.description == (description or "")
        and upload.part_size == part_size
        and upload.started >= since - CLOCK_TOLERANCE
        and (until is None or upload.started <= until)
    )
