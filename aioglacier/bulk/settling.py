"""The uploads that a stopped ``sync`` left, settled before the next one scans the folder.

Afterwards each bundle of the folder is an archive or is nowhere. If the outcome of one is not known yet, its
files are not sent again until an inventory tells.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio

from aioglacier.core.errors import OutcomeUnknownError, ShardMismatchError, UploadLockedError
from aioglacier.recorded.outcome import Gone, Made, Open, find_outcome, give_up
from aioglacier.recorded.place_context import RECORDING_SECONDS
from aioglacier.recorded.shard_locks import hold_all
from aioglacier.tasks.shard import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aioglacier.catalog import UploadRecord
    from aioglacier.catalog.folders.entry_records import TreeRecord
    from aioglacier.recorded.place_context import RecordedPlace


async def settle_folder(
    context: RecordedPlace, tree: TreeRecord, shard: Shard = WHOLE
) -> list[OutcomeUnknownError]:
    """Settle the unfinished uploads of a folder, or of one shard while others are at work.

    Return those whose outcome is not known yet.
    """
    catalog = context.catalog
    unknown: list[OutcomeUnknownError] = []
    for bundle in await catalog.bundles.unfinished(tree, shard):
        record = await context.catalog.uploads.get(bundle.upload)
        try:
            if not await _settle(context, record):
                await catalog.bundles.drop(bundle.upload)  # its versions would wait for an archive for ever
        except OutcomeUnknownError as error:
            unknown.append(error)
    if await catalog.runs.last_state(tree) not in {None, "completed"}:
        await catalog.bundles.drop_fruitless(tree)
    return unknown


async def drop_fruitless_versions(context: RecordedPlace, tree: TreeRecord) -> None:
    """Remove the versions of uploads that came to nothing, before a restore or verify reads the folder.

    While a ``sync`` runs nothing is touched: its versions count once their archives are proven.
    """
    catalog = context.catalog
    if await catalog.runs.last_state(tree) == "completed":
        return
    with suppress(UploadLockedError, ShardMismatchError):
        async with hold_all(catalog, context.key, tree.root):
            await catalog.bundles.drop_fruitless(tree)


async def _settle(context: RecordedPlace, record: UploadRecord) -> bool:
    """Return whether the upload has become an archive; if not, end it."""
    match await find_outcome(context, record):
        case Made(made) | Gone(made):
            await context.catalog.uploads.record_told(made.number)
            return True
        case Open(opened):
            await give_up(context, opened, "its run was stopped")
    return False


@asynccontextmanager
async def recording_run(
    context: RecordedPlace,
    tree: TreeRecord,
    kind: str,
    settings: Mapping[str, Any],
    counters: Callable[[], Mapping[str, Any]],
    *,
    target: str | None = None,
) -> AsyncIterator[None]:
    """Record a restore or comparison that runs in the block: its beginning, its counters, and its outcome."""
    runs = context.catalog.runs
    run = await runs.begin(tree, kind, settings, target=target)
    try:
        yield
    except BaseException as error:
        with anyio.move_on_after(RECORDING_SECONDS, shield=True):
            await runs.end(tree, run, counters=counters(), outcome=outcome_of(error))
        raise
    await runs.end(tree, run, counters=counters())


def outcome_of(error: BaseException) -> str:
    """Return how the record of a run or of an archive ends; the cause is the part before the first colon."""
    if isinstance(error, Exception):
        return f"{type(error).__name__}: {error}"
    return "stopped"
