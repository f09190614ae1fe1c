"""Uploads in parts that are on record before the service hears of them.

Only such an upload can be found by the unique id in its description, and completed again, after a kill at
any moment. So bundles, encrypted files and pieces of streams are always uploaded in parts.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aioglacier.transfer.upload.writer import ArchiveWriter, open_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from aioglacier.catalog import UploadRecord
    from aioglacier.core.models import Archive
    from aioglacier.recorded.place_context import RecordedPlace


@asynccontextmanager
async def open_in_parts(
    context: RecordedPlace,
    description: str,
    part_size: int,
    *,
    name: str = "",
    reads_at_once: bool = False,
    note: Callable[[UploadRecord], Awaitable[None]] | None = None,
    keep_unfinished: bool = False,
    continued: tuple[UploadRecord, Mapping[int, bytes]] | None = None,
) -> AsyncIterator[tuple[UploadRecord, ArchiveWriter[Archive]]]:
    """Begin or continue an upload. Leaving the block before ``complete`` makes no archive.

    Args:
        context: The place.
        description: A unique description.
        part_size: The size of the parts.
        name: A unique name, for a place that keeps archives by their names.
        reads_at_once: See ``RecordedPlace.upload_options``.
        note: Records more before the upload begins.
        keep_unfinished: Keep an unfinished upload at the service instead of aborting it.
        continued: An open upload, and the tree hashes of its parts by offset. The caller writes it from its
            beginning again: parts that the service has are compared, and not sent.

    Raises:
        InvalidPlanError: Part size and memory limit do not go together. Nothing was sent.
    """
    options = context.upload_options(
        description,
        name=name,
        part_size=part_size,
        keep_unfinished=keep_unfinished,
        reads_at_once=reads_at_once,
    )
    known: Mapping[int, bytes] = {}
    if continued is not None:
        upload, known = continued
        options = options.as_begun(part_size, upload.target)  # its token tells whose the object is
    else:
        upload = await context.catalog.uploads.record_intent(
            context.key, part_size=part_size, description=description, target=options.target
        )
        if note is not None:
            await note(upload)
    store = context.store(options, record=upload)
    async with open_engine(store, context.resources, options, None) as engine:
        engine.resume(upload.upload_id or await store.initiate(part_size), known)
        writer = ArchiveWriter(engine, options)
        try:
            yield upload, writer
        finally:
            writer.release()  # also where the block ended without an archive
