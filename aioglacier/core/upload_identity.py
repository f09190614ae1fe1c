"""The facts by which an upload is recognised whose id was lost with the service's answer.

A client cannot name an upload, and the description belongs to the user: it stays with the archive for ever,
and other tools read it. So a lost upload is recognised by its description, its part size, the time in which
it can have begun, and the fact that it has no part and no known owner. An upload that fits is as good as a
new one, because it is empty.

Two processes that lose an answer at the same moment may find each other's upload. That does no harm as long
as each upload is used once: a process that gets a used id asks for another. Processes with another catalog
are not known here, and their new uploads look lost; so the uploads of a dead process are looked for only in
its own time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.models import UploadDescription

#: The service's clock may be so far behind ours; it accepts signatures within five minutes.
CLOCK_TOLERANCE: Final = timedelta(minutes=15)

#: An upload can begin so long after it was intended: a quarter of an hour of outage, the clock's tolerance,
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
    """Return whether an unfinished upload may be one that was initiated so between these times.

    The caller still has to check that it has no parts, and that its id is not on record elsewhere.
    """
    return (
        upload.description == (description or "")
        and upload.part_size == part_size
        and upload.started >= since - CLOCK_TOLERANCE
        and (until is None or upload.started <= until)
    )
