"""Restores: a readable copy of an archived object, for some days, after some hours.

Nothing happens when a restore ends or a copy expires: both are instants in the object's record, and the state
is a function of the clock.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.server.operations.s3 import object_records as records
from aioglacier.server.operations.s3.object_records import DAY_MS
from aioglacier.server.protocol import s3_behaviour as behaviour, wire_format as wire
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_argument, bad_request, not_implemented
from aioglacier.server.requests.call import Answer
from aioglacier.server.requests.s3_call import http_date

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.s3_call import S3Call

#: Tiers, the fastest first.
_TIERS: Final = ("Expedited", "Standard", "Bulk")
_MAX_DAYS: Final = 2**31 - 1


async def restore_object(call: S3Call) -> Answer:
    """RestoreObject: 202 where it begins or becomes faster, 200 where a copy is kept for longer."""
    wish = call.need_document("RestoreRequest")
    if wish.value("Type") is not None or wish.find("SelectParameters") is not None:
        raise not_implemented("restores of type SELECT")
    tier = wish.value("GlacierJobParameters", "Tier") or wish.value("Tier") or "Standard"
    if tier not in _TIERS:
        raise S3RefusalError("MalformedXML")
    days = wish.value("Days")
    if days is None:
        raise S3RefusalError("MalformedXML")
    if not days.isdecimal() or not 1 <= int(days) <= _MAX_DAYS:
        raise bad_argument("Days", days, "restoration days should be at least 1")
    status = await call.commit(partial(_restore, call=call, tier=tier, days=int(days)))
    call.site.housekeeping.expect_job(call.now)  # it announces the end
    return Answer(status)


def _restore(db: sqlite3.Connection, call: S3Call, tier: str, days: int) -> int:
    row = records.find_object(db, call)
    if not is_archived(row):
        raise S3RefusalError(
            "InvalidObjectState",
            "Restore is not allowed for the object's current storage class",
            StorageClass=row["storage_class"],
        )
    if is_restored(row, call.now):  # the new life counts from now, also if it is shorter
        until = _expiry(call.now, days)
        db.execute("UPDATE objects SET restore_until = ? WHERE number = ?", (until, row["number"]))
        return 200
    if tier not in behaviour.RESTORE_SECONDS[row["storage_class"]]:
        raise bad_request("Retrieval option is not supported by this storage class")
    due = call.now + int(call.site.settings.restore_seconds(row["storage_class"], tier) * 1000)
    if is_ongoing(row, call.now):
        if _TIERS.index(tier) >= _TIERS.index(row["restore_tier"]):
            raise S3RefusalError("RestoreAlreadyInProgress")
        days = (row["restore_until"] - row["restore_due"]) // DAY_MS  # a faster tier does not change the days
        due = min(due, row["restore_due"])  # a change of tier never delays a restore
    db.execute(
        "UPDATE objects SET restore_tier = ?, restore_asked = ?, restore_due = ?, restore_until = ?, "
        "is_announced = 0 WHERE number = ?",
        (tier, call.now, due, _expiry(due, days), row["number"]),
    )
    return 202


def _expiry(begin: int, days: int) -> int:
    """Return the midnight, UTC, at or behind the end of so many days (API, "RestoreObject")."""
    return -(-(begin + days * DAY_MS) // DAY_MS) * DAY_MS


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
