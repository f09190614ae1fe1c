"""Restores of objects that are on record before they are asked for.

All restores of one object share a lock. A process holds it from its look at the object's head until the
answer is on record, so the next one finds the restore. S3 gives a restore no id and forgets it with its copy:
the head tells what there is, and the record tells when it was asked for, at which price, and with which tier
and days, which ask for it again once the copy has expired.

Only a connection with a catalog imports this module, because it takes long to load.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aioglacier.catalog import JobState
from aioglacier.core.errors import (
    CostLimitError,
    InvalidPlanError,
    RestoreInProgressError,
    ServiceError,
    TemporaryServiceError,
)
from aioglacier.core.models import ArchiveId, JobAction, JobId
from aioglacier.core.spending import take_expenses
from aioglacier.files.crashpoints import passing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.catalog import JobRecord
    from aioglacier.core.models import Tier
    from aioglacier.core.s3.objects import ObjectHead
    from aioglacier.recorded.buckets.recorded_bucket import RecordedBucket


async def reserve_restore(
    place: RecordedBucket,
    key: str,
    ask: Callable[[ObjectHead], Awaitable[bool]],
    *,
    tier: Tier,
    days: int,
    again: bool = False,
) -> bool:
    """Ask for a restore that is on record; return whether one began.

    Args:
        place: The bucket.
        key: The key below its prefix.
        ask: Sends the request, and returns whether a restore began.
        tier: Its tier.
        days: The life of the copy.
        again: Whether to ask although there is a copy, or a restore that goes on.
    """
    jobs = place.catalog.jobs
    async with place.catalog.lock_source(place.key, f"restores of {key}", waits=True):
        # Another process may have asked for it since the caller's look.
        head = await place.gateway.head_object(place.ref, place.prefix + key)
        await note_restore(place, key, head, is_alone=True)
        if not again and (_is_ongoing(head) or head.is_readable(datetime.now(UTC))):
            return False
        record = await jobs.record_intent(
            place.key, JobAction.ARCHIVE_RETRIEVAL, archive_id=ArchiveId(key), tier=tier, days=days
        )
        passing("restore intent recorded")
        try:
            is_new = await ask(head)
        except RestoreInProgressError as error:  # of another program, and no slower
            await jobs.record_state(record, JobState.FAILED, error.message)
            return False
        except (CostLimitError, InvalidPlanError, ServiceError) as error:
            if not isinstance(error, TemporaryServiceError):  # otherwise it may go on
                await jobs.record_state(record, JobState.FAILED, error.message)
            raise
        passing("restore asked for")
        await jobs.record_initiated(record, _id_of(record), spent=take_expenses("RestoreObject"))
        passing("restore recorded")
        return is_new


async def note_restore(
    place: RecordedBucket, key: str, head: ObjectHead, *, is_alone: bool = False
) -> JobRecord | None:
    """Record the state of an object's restores as its head tells it; return the latest that was useful.

    ``is_alone`` says that no other process asks now, so an intent on record is of one that died.
    """
    jobs, latest = place.catalog.jobs, None
    is_ongoing, is_there = _is_ongoing(head), head.is_readable(datetime.now(UTC))
    for found in reversed(await jobs.list_like(place.key, ArchiveId(key))):
        record = found
        if record.state is JobState.INTENT:
            if not is_alone:
                continue
            if not (is_ongoing or is_there):
                await jobs.record_state(record, JobState.FAILED, "S3 knows of no such restore")
                continue
            record = await jobs.record_initiated(record, _id_of(record))
        if is_there and record.state is JobState.OPEN:
            record = await jobs.record_state(record, JobState.SUCCEEDED)
        elif not (is_ongoing or is_there):
            record = await jobs.record_state(record, JobState.GONE, "its copy has expired")
        latest = record  # one that is gone still tells how to ask again
    return latest


def _is_ongoing(head: ObjectHead) -> bool:
    return head.restore is not None and head.restore.is_ongoing


def _id_of(record: JobRecord) -> JobId:
    return JobId(f"restore {record.nonce}")  # no job of a vault has a space in its id
