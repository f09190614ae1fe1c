"""What a stopped ``sync`` left, brought to an end before the next one looks at anything.

Afterwards each bundle of the folder is an archive, or is nowhere; one whose outcome nobody can tell yet
counts as an archive until an inventory tells.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from aioglacier.catalog.records import UploadState
from aioglacier.core.errors import (
    CatalogMismatchError,
    OutcomeUnknownError,
    UploadLockedError,
    UploadNotFoundError,
)
from aioglacier.recorded.resume import find_lost, settle

if TYPE_CHECKING:
    from aioglacier.catalog import UploadRecord
    from aioglacier.catalog.folders.entries import TreeRecord
    from aioglacier.recorded.vault_context import RecordedVault


async def settle_folder(context: RecordedVault, tree: TreeRecord) -> list[OutcomeUnknownError]:
    """Settle what is unfinished of a folder. Returns what nobody can tell yet."""
    entries = context.catalog.entries
    unknown: list[OutcomeUnknownError] = []
    for bundle in await entries.unfinished(tree):
        record = await context.catalog.uploads.get_number(bundle.upload)
        try:
            if not await _settle(context, record):
                await entries.drop(bundle.upload)
        except OutcomeUnknownError as error:
            unknown.append(error)
    if await entries.last_run_state(tree) not in {None, "completed"}:
        await entries.mend(tree)
    return unknown


async def mend_folder(context: RecordedVault, tree: TreeRecord) -> None:
    """For whoever only reads: see that no version is there twice after a ``sync`` that was stopped.

    While a ``sync`` runs nothing is touched: what it has recorded already counts once it is complete.
    """
    entries = context.catalog.entries
    if await entries.last_run_state(tree) == "completed":
        return
    with suppress(UploadLockedError):
        async with context.catalog.lock_source(context.place, tree.root):
            await entries.mend(tree)


async def _settle(context: RecordedVault, record: UploadRecord) -> bool:
    """Whether the upload has become an archive; if not, it is gone.

    Raises:
        OutcomeUnknownError: Nothing tells yet.
    """
    uploads = context.catalog.uploads
    state = record.state
    if state is UploadState.COMPLETING:
        settled = await settle(context, record)
        if settled is None:
            return False
        record, state = settled, settled.state
        if state is UploadState.COMPLETED:
            await uploads.record_told(record.number)
            return True
    if state is UploadState.INTENT:
        upload_id = await find_lost(context, record)
        if upload_id is None:
            await uploads.record_failed(record, "it was never begun")
            return False
        try:
            record = await uploads.record_initiated(record, upload_id)
        except CatalogMismatchError:
            await uploads.record_failed(record, "it was never begun")
            return False
    assert record.upload_id is not None  # noqa: S101  # it is open
    with suppress(UploadNotFoundError):  # it has expired
        await context.gateway.abort_multipart_upload(context.name, record.upload_id)
    await uploads.record_aborted(record, "the run that it was of was stopped")
    return False


def outcome_of(error: BaseException) -> str:
    """Return what the record of a run says of its end."""
    if isinstance(error, Exception):
        return f"{type(error).__name__}: {error}"
    return "stopped"
