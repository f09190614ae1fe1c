"""Archives of several things are always uploaded in parts, and on record before the service hears of them.

Only such an upload can be found again, by the nonce in its description, and completed again, after a kill at
any moment.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aioglacier.transfer.upload.writer import ArchiveWriter, UploadOptions, open_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from aioglacier.catalog import UploadRecord
    from aioglacier.recorded.vault_context import RecordedVault


@asynccontextmanager
async def open_in_parts(
    context: RecordedVault,
    description: str,
    part_size: int,
    *,
    note: Callable[[UploadRecord], Awaitable[None]] | None = None,
    keep_unfinished: bool = False,
    continued: tuple[UploadRecord, Mapping[int, bytes]] | None = None,
) -> AsyncIterator[tuple[UploadRecord, ArchiveWriter]]:
    """Begin an upload, or go on with one. Leaving the block before ``complete`` is no archive.

    Args:
        context: The vault.
        description: Unlike any other.
        part_size: Of the parts.
        note: What to record beside the upload before it begins.
        keep_unfinished: Keep it for another time; otherwise it is aborted.
        continued: An open upload, and the tree hashes of its parts by offset. It is written from its
            beginning again: what the service has is compared, and not sent.

    Raises:
        InvalidPlanError: Part size and memory limit do not go together. Nothing was sent.
    """
    options = UploadOptions(context.name, description, part_size, keep_unfinished=keep_unfinished)
    if continued is not None:
        upload, known = continued
    else:
        upload, known = (
            await context.catalog.uploads.record_intent(
                context.key, part_size=part_size, description=description
            ),
            {},
        )
        if note is not None:
            await note(upload)
    store = context.store(options, record=upload)
    async with open_engine(store, context.resources, options, None) as engine:
        upload_id = upload.upload_id or await store.initiate(part_size)
        engine.resume(upload_id, known)
        writer = ArchiveWriter(engine, options)
        try:
            yield upload, writer
        finally:
            writer.release()
