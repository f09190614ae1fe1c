"""Whether an archived object can be read: the state of its restored copy, as a function of the clock.

Nothing happens when a restore ends or a copy expires: both are instants in the object's record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.server.protocol import s3_behaviour as behaviour, wire_format as wire
from aioglacier.server.protocol.s3_refusals import S3RefusalError
from aioglacier.server.requests.s3_call import http_date

if TYPE_CHECKING:
    import sqlite3
    from typing import Any


def is_archived(row: sqlite3.Row) -> bool:
    """Return whether the object's class is read after a restore only."""
    return row["storage_class"] in behaviour.RESTORE_SECONDS


def is_ongoing(row: sqlite3.Row, now: int) -> bool:
    """Return whether a restore runs."""
    return row["restore_due"] is not None and now < row["restore_due"]


def is_restored(row: sqlite3.Row, now: int) -> bool:
    """Return whether there is a copy to read."""
    return row["restore_due"] is not None and row["restore_due"] <= now < row["restore_until"]


def check_readable(row: sqlite3.Row, now: int) -> None:
    """Refuse to read an archived object without a copy.

    Raises:
        S3RefusalError: InvalidObjectState.
    """
    if is_archived(row) and not is_restored(row, now):
        raise S3RefusalError("InvalidObjectState", StorageClass=row["storage_class"])


def header(row: sqlite3.Row, now: int) -> dict[str, str]:
    """Return the ``x-amz-restore`` header; none without a restore, or after the copy has expired."""
    if is_ongoing(row, now):
        return {"x-amz-restore": 'ongoing-request="true"'}
    if is_restored(row, now):
        until = http_date(row["restore_until"])
        return {"x-amz-restore": f'ongoing-request="false", expiry-date="{until}"'}
    return {}


def element(row: sqlite3.Row, now: int) -> dict[str, Any] | None:
    """Return the RestoreStatus of a list's entry, ``None`` as for the header."""
    if is_ongoing(row, now):
        return {"IsRestoreInProgress": True}
    if is_restored(row, now):
        return {"IsRestoreInProgress": False, "RestoreExpiryDate": wire.instant(row["restore_until"])}
    return None
