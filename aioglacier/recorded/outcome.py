"""The outcome of an upload, decided in one place.

The record of an upload is behind the service by one step and never ahead, see ``catalog.uploads``. For an
unfinished record each state has one question to the service, or to an inventory, and the answer decides the
next state::

    intent      is there an upload whose id was lost?            yes: open        no: failed
    open        which parts does it have?                        known: the end   gone: expired
    completing  complete it again                                made: completed  refused: open
                  gone, or a single request: what does the place list?
                                                                 it: completed    not it: failed
                                                                 too early: unknown
    completed   is the archive still there?                      the end

``question_about``, ``listed_archive`` and ``proves_absence`` decide, without I/O. ``find_outcome`` asks and
records until the outcome is known: ``Made``, ``Gone``, ``Open`` or ``NeverMade``. While nothing tells, it
raises ``OutcomeUnknownError``; an inventory of three days later always tells. No byte of an upload is sent on
the way.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from aioglacier.catalog import ArchiveState, UploadState
from aioglacier.catalog.inventories.inventory_merge import INVENTORY_ALLOWANCE
from aioglacier.core.errors import (
    CatalogMismatchError,
    InvalidParameterError,
    OutcomeUnknownError,
    UploadLockedError,
    UploadNotFoundError,
)
from aioglacier.core.upload_identity import CLOCK_TOLERANCE
from aioglacier.recorded.upload_records import content_of, unknown_outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from aioglacier.catalog import ArchiveRecord, UploadRecord
    from aioglacier.core.models import Archive, UploadId
    from aioglacier.recorded.place_context import RecordedPlace
    from aioglacier.recorded.vault_records import VaultRecords

NEVER_BEGUN: Final = "it was never begun"


# --- the table, without I/O


class Question(StrEnum):
    """A question about an upload, one for each state."""

    LOST_ID = "lost id"
    PARTS = "parts"
    COMPLETION = "completion"
    INVENTORY = "inventory"
    ARCHIVE = "archive"


_QUESTIONS: Final[Mapping[UploadState, Question]] = {
    UploadState.INTENT: Question.LOST_ID,
    UploadState.OPEN: Question.PARTS,
    UploadState.COMPLETING: Question.COMPLETION,
    UploadState.COMPLETED: Question.ARCHIVE,
}


def question_about(state: UploadState, *, has_id: bool) -> Question | None:
    """Return what to ask about an upload; ``None`` if its record says that nothing came of it.

    A single request has no id, so it cannot be completed again.
    """
    question = _QUESTIONS.get(state)
    if question is Question.COMPLETION and not has_id:
        return Question.INVENTORY
    return question


def listed_archive(upload: UploadRecord, alike: list[ArchiveRecord]) -> Archive | None:
    """Return the one of several archives of the same size and hash that the upload has become, if any.

    An older archive, one that another upload has made, and one that was deleted are not it.
    """
    for found in alike:
        is_later = found.archive.created >= upload.created - CLOCK_TOLERANCE
        # One that an upload has made already is another archive.
        if found.upload is None and found.state is ArchiveState.STORED and is_later:
            return found.archive
    return None


def proves_absence(upload: UploadRecord, inventoried: datetime | None) -> bool:
    """Return whether an inventory of this date would list the archive if the upload had become one."""
    return inventoried is not None and inventoried >= upload.active + INVENTORY_ALLOWANCE


# --- the outcomes


class NeverMade(NamedTuple):
    """Nothing came of the upload.

    Attributes:
        expired: Bytes that were at the service, as far as is on record, if the service has removed it.
    """

    record: UploadRecord
    expired: int | None = None


class Open(NamedTuple):
    """The upload can go on.

    Attributes:
        upload_id: The service's id.
        known: The tree hashes of its parts at the service, by offset.
    """

    record: UploadRecord
    upload_id: UploadId
    known: Mapping[int, bytes]


class Made(NamedTuple):
    """The upload has become an archive."""

    record: UploadRecord
    archive: Archive


class Gone(NamedTuple):
    """The upload has become an archive that was deleted since, or is suspect."""

    record: UploadRecord


Outcome: TypeAlias = NeverMade | Open | Made | Gone


# --- asking and recording


async def find_outcome(context: RecordedPlace, record: UploadRecord) -> Outcome:
    """Find out what became of an upload, and record it. No byte of it is sent.

    The caller holds the lock of the upload's source, or of its nonce.

    Raises:
        OutcomeUnknownError: Nothing tells yet. An inventory will.
        CatalogMismatchError: The credentials are of another account than the record.
    """
    with context.naming():
        while True:
            match question_about(record.state, has_id=record.upload_id is not None):
                case Question.LOST_ID:
                    record = await _ask_for_id(context, record)
                case Question.PARTS:
                    found = await _ask_for_parts(context, record)
                    if found is not None:
                        return found
                    return await _note_expired(context, record)
                case Question.COMPLETION:
                    record = await _complete_again(context, record)
                case Question.INVENTORY:
                    record = await context.settle(record)
                    if record.state is UploadState.COMPLETING:
                        raise unknown_outcome(record)
                case Question.ARCHIVE:
                    archive = await _archive_of(context, record)
                    return Made(record, archive) if archive is not None else Gone(record)
                case None:
                    return NeverMade(record)


async def _ask_for_id(context: RecordedPlace, record: UploadRecord) -> UploadRecord:
    upload_id = await context.find_lost(record)
    if upload_id is not None:
        with suppress(CatalogMismatchError):  # another process has taken it meanwhile
            return await context.catalog.uploads.record_initiated(record, upload_id)
    return await context.catalog.uploads.record_failed(record, NEVER_BEGUN)


async def _ask_for_parts(context: RecordedPlace, record: UploadRecord) -> Open | None:
    assert record.upload_id is not None  # noqa: S101  # it is open
    try:
        _, known = await context.fetch_parts(record.upload_id)
    except UploadNotFoundError:
        return None
    return Open(record, record.upload_id, known)


async def _note_expired(context: RecordedPlace, record: UploadRecord) -> NeverMade:
    uploads = context.catalog.uploads
    sent = sum([part.size async for part in uploads.list_parts(record.number)])
    return NeverMade(await uploads.record_expired(record, "the service has removed it"), sent)


async def _complete_again(context: RecordedPlace, record: UploadRecord) -> UploadRecord:
    """Repeat the completion, which the service answers with the same archive for a while."""
    assert record.upload_id is not None  # noqa: S101  # a single request is asked about otherwise
    size, tree_hash = content_of(record)
    store = context.store(context.options_of(record), record=record, awaits_report=True)
    try:
        await store.complete(record.upload_id, size, tree_hash)
    except InvalidParameterError:
        pass  # parts are missing: the store has recorded that it is open
    except OutcomeUnknownError:
        record = await context.settle(record)
        if record.state is UploadState.COMPLETING:
            raise
        return record
    return await context.catalog.uploads.get(record.number)  # the store has recorded the outcome


async def _archive_of(context: RecordedPlace, record: UploadRecord) -> Archive | None:
    if record.archive_id is None:
        return None
    found = await context.catalog.archives.get(context.key, record.archive_id)
    if found is None or found.state is not ArchiveState.STORED:
        return None
    # The key of an object may have been taken by a later upload.
    return found.archive if found.upload in {None, record.number} else None


async def ask_inventory(records: VaultRecords, record: UploadRecord) -> UploadRecord:
    """Compare an upload of unknown outcome with the inventories that were merged.

    Returns:
        The record: completed, failed, or as it was if the inventories do not tell.
    """
    size, tree_hash = content_of(record)
    catalog = records.catalog
    alike = catalog.archives.list_alike(records.key, size=size, tree_hash=tree_hash)
    archive = listed_archive(record, [found async for found in alike])
    if archive is not None:
        await catalog.uploads.record_completed(record, archive, is_told=False)
        return await catalog.uploads.get(record.number)
    inventoried = (await catalog.archives.totals(records.key)).inventoried
    if proves_absence(record, inventoried):
        return await catalog.uploads.record_failed(record, f"the inventory of {inventoried} does not list it")
    return record


async def settle_by_inventories(records: VaultRecords) -> list[UploadRecord]:
    """Settle every upload of unknown outcome that the merged inventories can settle.

    Returns:
        Those that are settled now: completed, or failed because there is no such archive.
    """
    waiting = [
        upload
        async for upload in records.catalog.uploads.list_unfinished(records.key)
        if upload.state is UploadState.COMPLETING
    ]
    now = [await ask_inventory(records, upload) for upload in waiting]
    return [upload for upload in now if upload.state is not UploadState.COMPLETING]


async def give_up(context: RecordedPlace, record: UploadRecord, why: str) -> UploadRecord:
    """End an unfinished upload, whatever became of it, and remove it at the service."""
    if record.state is UploadState.INTENT:
        record = await _ask_for_id(context, record)
        if record.state is UploadState.FAILED:  # it was never begun, so nothing is to abort
            return record
    if record.upload_id is not None:
        await context.abort_at_service(record)
    return await context.catalog.uploads.record_aborted(record, why)


async def sweep(context: RecordedPlace) -> None:
    """Abort uploads that dead processes began for streams and sent nothing to; they cannot go on."""
    intents = [
        upload
        async for upload in context.catalog.uploads.list_unfinished(context.key)
        if upload.state is UploadState.INTENT and upload.source is None
    ]
    for upload in intents:
        with suppress(UploadLockedError):  # its process is alive
            async with context.catalog.lock_source(context.key, upload.nonce):  # a living process holds it
                await give_up(context, upload, "its process died before anything was sent")
