"""Unfinished uploads that no record ties to a file: another machine began them, or the catalog was lost.

The description is all that the service keeps of a file's name, and several files may have the same one. So a
candidate is only continued if its parts prove it: each is hashed again from the file, and nothing is sent
before. None is ever aborted here, since it may be another file's.
"""

from __future__ import annotations

import logging
import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.errors import (
    AccessDeniedError,
    GlacierError,
    MemoryLimitError,
    ResumeMismatchError,
    UploadExpiredError,
    UploadLockedError,
    UploadNotFoundError,
)
from aioglacier.core.models import UploadId
from aioglacier.core.planning import count_parts
from aioglacier.transfer.upload.source_upload import SourceUpload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aioglacier.core.models import Archive, UploadDescription
    from aioglacier.recorded.place_context import RecordedPlace
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.writer import UploadOptions

_log: Final = logging.getLogger("aioglacier.recorded.described_uploads")

#: Errors of one candidate, after which the next may still be the right one.
PASSED_OVER: Final = (UploadLockedError, MemoryLimitError, UploadNotFoundError, UploadExpiredError)


class Candidate(NamedTuple):
    """An unfinished upload with a file's description, and the tree hashes of its parts by offset."""

    upload: UploadDescription
    known: Mapping[int, bytes]


class PassedOver(NamedTuple):
    """An unfinished upload with the file's description that was left alone, and why."""

    upload: UploadDescription
    error: GlacierError


async def find_candidates(
    context: RecordedPlace, file: NamedFile, options: UploadOptions
) -> tuple[list[Candidate], list[PassedOver]]:
    """Find uploads that a file may have begun, the newest first, and those with another part size."""
    candidates: list[Candidate] = []
    passed_over: list[PassedOver] = []
    try:
        found = [each async for each in context.list_candidates(options)]
    except AccessDeniedError as error:
        _log.warning("unfinished uploads cannot be listed, so none can be continued: %s", error)
        return [], []
    for upload in sorted(found, key=lambda each: each.started, reverse=True):
        record = await context.records.uploads.find(upload.id)
        if record is not None and record.source is not None and is_of_another(record.source, file):
            continue
        if options.part_size not in {None, upload.part_size}:
            what = f"it has parts of {upload.part_size} bytes, and {options.part_size} were asked for"
            passed_over.append(PassedOver(upload, ResumeMismatchError(what)))
        elif count_parts(file.size, upload.part_size) <= context.limits.max_parts:
            try:
                _, known = await context.fetch_parts(upload.id)
            except UploadNotFoundError:
                continue
            if known:  # or there is neither proof nor gain
                candidates.append(Candidate(upload, known))
    return candidates, passed_over


async def prepare(
    stack: AsyncExitStack,
    context: RecordedPlace,
    file: NamedFile,
    candidate: Candidate,
    options: UploadOptions,
) -> SourceUpload[Archive]:
    """Lock a candidate, for as long as the stack is open, and prepare to go on with it.

    Raises:
        UploadLockedError: Another process goes on with it.
        ResumeMismatchError: It holds more bytes than the file has.
    """
    upload, known = candidate
    record = await context.records.uploads.find(upload.id)
    # The caller has the lock of the file.
    await stack.enter_async_context(locking_upload(context, upload.id, locked=file.path))
    if max(known) >= file.size:
        raise ResumeMismatchError(f"it holds bytes up to {max(known)} and more, but the file has {file.size}")
    target = record.target if record is not None else None
    # Its parts decide; a mismatch must not abort what another file may have begun.
    options = replace(options, expected_size=None, keep_unfinished=True).as_begun(upload.part_size, target)
    store = context.store(options, file, record, found=upload, awaits_report=True)
    return SourceUpload(store, context.resources, options, file, resume=(upload.id, known))


@asynccontextmanager
async def locking_upload(
    context: RecordedPlace,
    upload_id: str,
    *,
    path: str | os.PathLike[str] | None = None,
    locked: str | None = None,
) -> AsyncIterator[None]:
    """Keep every other process from going on with an upload, or with the file that it is on record for.

    Args:
        context: The vault.
        upload_id: The upload.
        path: Another file to lock.
        locked: A file whose lock the caller has already.

    Raises:
        UploadLockedError: Another process has one of the locks.
    """
    record = await context.records.uploads.find(UploadId(upload_id))
    locks = {upload_id, record.source if record is not None else None}
    if path is not None:
        locks.add(os.path.abspath(os.fsdecode(path)))  # noqa: ASYNC240, PTH100  # nothing is looked up
    async with AsyncExitStack() as stack:
        # In order, so that two processes that want the same locks do not wait for each other.
        for lock in sorted(each for each in locks if each is not None and each != locked):
            await stack.enter_async_context(context.catalog.lock_source(context.key, lock))
        yield


def is_of_another(source: str, file: NamedFile) -> bool:
    """Return whether an upload is on record for another file that still exists. Files may be moved."""
    return source != file.path and os.path.lexists(source)
