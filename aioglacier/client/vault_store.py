"""Continuing an unfinished upload by its id, from a source read again or from where a stream stopped.

A source that is read again is hashed again and proves itself. A stream that goes on from the middle is not:
for the parts before, the service's hashes are taken, and compared with those on record.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from aioglacier.core.errors import ResumeMismatchError
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from aioglacier.transfer.upload.writer import UploadOptions, open_writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.catalog import UploadRecord
    from aioglacier.core.models import Archive, UploadDescription, UploadId
    from aioglacier.recorded.vault_context import VaultContext
    from aioglacier.transfer.upload.sources import Source
    from aioglacier.transfer.upload.writer import ArchiveWriter


async def prepare_resume(
    context: VaultContext, upload_id: UploadId, source: Source, *, awaits_report: bool
) -> SourceUpload[Archive]:
    """See ``Vault.prepare_resume``."""
    with context.naming():
        record, description, known = await _find(context, upload_id)
        opened = await as_source(source)
        size = opened.size
        if size is not None and known and max(known) >= size:  # known before a byte is read
            raise ResumeMismatchError(
                f"upload {upload_id} holds bytes up to {max(known)} and more, but the source has {size}; "
                "abort that upload and upload the source again"
            )
        options = _options(context, description)
        store = context.store(options, opened, record, found=description, awaits_report=awaits_report)
        return SourceUpload(store, context.resources, options, opened, resume=(upload_id, known))


@asynccontextmanager
async def resume_writer(
    context: VaultContext, upload_id: UploadId, expected_size: int | None
) -> AsyncIterator[ArchiveWriter[Archive]]:
    """See ``Vault.resume_writer``."""
    with context.naming():
        record, description, known = await _find(context, upload_id)
        # The bytes before are not at hand to be hashed again.
        sizes = await _check_recorded(context, record, known)
        options = replace(_options(context, description), expected_size=expected_size)
        there: list[bytes] = []
        while (start := len(there) * description.part_size) in known:
            # The last part at the service may be short, and only the record tells its size.
            if start + description.part_size not in known and sizes.get(start) != description.part_size:
                break
            there.append(known[start])
        store = context.store(options, record=record, found=description)
        resume = upload_id, known, there
        async with open_writer(store, context.resources, options, resume=resume) as writer:
            yield writer


async def _find(
    context: VaultContext, upload_id: UploadId
) -> tuple[UploadRecord | None, UploadDescription, dict[int, bytes]]:
    """Return the record of an upload, its description at the service, and its parts there."""
    record = await context.records.uploads.find(upload_id) if context.records is not None else None
    description, known = await context.fetch_parts(upload_id)
    return record, description, known


async def _check_recorded(
    context: VaultContext, record: UploadRecord | None, known: dict[int, bytes]
) -> dict[int, int]:
    """Compare the parts on record with those at the service; return their sizes by offset."""
    sizes: dict[int, int] = {}
    if record is None or context.records is None:
        return sizes
    async for part in context.records.catalog.uploads.list_parts(record.number):
        start = part.index * record.part_size
        if known.get(start, part.tree_hash) != part.tree_hash:
            raise ResumeMismatchError(
                f"part {part.index} of upload {record.upload_id} is not what was sent from here; feed the "
                "stream again from its beginning, or abort that upload"
            )
        sizes[start] = part.size
    return sizes


def _options(context: VaultContext, upload: UploadDescription) -> UploadOptions:
    return UploadOptions(context.name, upload.description or None, upload.part_size, keep_unfinished=True)
