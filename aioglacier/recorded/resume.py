"""Uploading a file where the catalog may have an unfinished upload of it.

``recorded.outcome`` says what became of that upload. Here it is continued, reported or replaced, for one
process and one task at a time: the file is locked while the block runs.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aioglacier.catalog import SourceIdentity, UploadState
from aioglacier.core.errors import ResumeMismatchError, UploadExpiredError
from aioglacier.core.planning import choose_part_size
from aioglacier.recorded.outcome import Gone, Made, NeverMade, Open, find_outcome, give_up
from aioglacier.tasks.see_through import GRACE_SECONDS
from aioglacier.transfer.snapshot import TransferSnapshot
from aioglacier.transfer.upload.named_file import look_at_file
from aioglacier.transfer.upload.source_upload import SourceUpload

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from aioglacier.catalog import UploadRecord
    from aioglacier.core.models import Archive
    from aioglacier.recorded.vault_context import RecordedVault
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.writer import UploadOptions


@dataclass(frozen=True, slots=True)
class Expired:
    """An upload that the service has removed.

    Attributes:
        record: The upload.
        size: Bytes of it that were at the service as far as is on record, and have to go again.
    """

    record: UploadRecord
    size: int


class ResumedUpload:
    """An upload of a file that begins, goes on, or turns out to be done; to be run once.

    Attributes:
        file: The file.
        continued: The record of the upload it goes on with, as it was found; ``None`` for a new one.
        expired: One that was to go on, and is gone.
        aborted: One that was aborted on request.
        former: An archive of an earlier version of the file, which was not reported until now.
    """

    def __init__(self, context: RecordedVault, file: NamedFile, options: UploadOptions) -> None:
        self.file = file
        self.continued: UploadRecord | None = None
        self.expired: Expired | None = None
        self.aborted: UploadRecord | None = None
        self.former: Archive | None = None
        self._context = context
        self._options = options
        self._upload: SourceUpload | None = None
        self._archive: Archive | None = None

    @property
    def is_new(self) -> bool:
        """Whether nothing of the file is known to be at the service."""
        return self.continued is None

    @property
    def archive(self) -> Archive | None:
        """The archive, once there is one; before ``run`` where a former run has made it."""
        return self._archive or (self._upload.archive if self._upload else None)

    def snapshot(self) -> TransferSnapshot:
        """Return the counters now."""
        if self._upload is not None:
            return self._upload.snapshot()
        done = self.file.size if self._archive else 0
        return TransferSnapshot(self.file.size, done, done, done, 0, 0)

    async def run(self) -> Archive:
        """Upload the missing parts; see ``Vault.upload`` for the errors."""
        if self._archive is not None:
            return self._archive
        assert self._upload is not None  # noqa: S101  # it was prepared before it was given out
        try:
            return await self._upload.run()
        except UploadExpiredError:
            if self.continued is None:
                raise
            self.expired = Expired(self.continued, self.snapshot().done)
            self._begin()
            return await self._upload.run()

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Stop gently; see ``SourceUpload.drain``."""
        if self._upload is not None:
            self._upload.drain(seconds)

    async def prepare(self, *, resume: bool, restart: bool, in_parts: bool) -> None:
        """Find out where to begin; see ``open_or_resume``."""
        record = await self._find_unfinished() if resume else None
        if record is not None and restart:
            await self._give_up(record)
        elif record is not None and await self._take(record):
            return
        if in_parts:
            await self._begin_in_parts()
        else:
            self._begin()

    async def _find_unfinished(self) -> UploadRecord | None:
        uploads, place = self._context.catalog.uploads, self._context.place
        record = await uploads.find_unfinished(place, self.file.path)
        return record or await uploads.find_untold(place, self.file.path)

    async def _give_up(self, record: UploadRecord) -> None:
        if record.state is UploadState.COMPLETED:
            await self._context.catalog.uploads.record_told(record.number)
            return
        ended = await give_up(self._context, record, "aborted to begin again, on request")
        if ended.upload_id is not None:
            self.aborted = ended

    async def _take(self, record: UploadRecord) -> bool:
        """Go on with an upload, or report its archive. Return false if the file starts from its beginning."""
        outcome = await find_outcome(self._context, record)
        match outcome:
            case NeverMade(found, expired):
                self.expired = Expired(found, expired) if expired is not None else None
                return False
            case Open() as found:
                return await self._go_on(found)
            case Made(found, archive):
                if found.identity == SourceIdentity(*self.file.identity):
                    self.continued, self._archive = found, archive
                    return True
                self.former = archive
            case Gone():
                pass
        await self._context.catalog.uploads.record_told(outcome.record.number)
        return False

    async def _go_on(self, found: Open) -> bool:
        record, wanted = found.record, self._options
        description = wanted.description or ""
        part_size = choose_part_size(self.file.size, wanted.part_size)
        if not found.known and (record.part_size, record.description) != (part_size, description):
            await give_up(self._context, record, "nothing had been sent")
            return False
        if wanted.part_size not in {None, record.part_size}:
            raise _mismatch(record, "part size", f"{record.part_size} bytes", f"{wanted.part_size} bytes")
        if description != record.description:
            raise _mismatch(record, "description", repr(record.description), repr(description))
        self.continued = record
        options = replace(wanted, part_size=record.part_size)
        store = self._context.store(options, self.file, record, awaits_report=True)
        self._upload = SourceUpload(
            store, self._context.resources, options, self.file, resume=(found.upload_id, found.known)
        )
        return True

    def _begin(self) -> None:
        self.continued = None
        store = self._context.store(self._options, self.file, awaits_report=True)
        self._upload = SourceUpload(store, self._context.resources, self._options, self.file)

    async def _begin_in_parts(self) -> None:
        part_size = choose_part_size(self.file.size, self._options.part_size)
        options = replace(self._options, part_size=part_size)
        store = self._context.store(options, self.file, awaits_report=True)
        upload_id = await store.initiate(part_size)
        self._upload = SourceUpload(
            store, self._context.resources, options, self.file, resume=(upload_id, {})
        )


@asynccontextmanager
async def open_or_resume(
    context: RecordedVault,
    path: str | os.PathLike[str],
    options: UploadOptions,
    *,
    resume: bool = True,
    restart: bool = False,
    in_parts: bool = False,
) -> AsyncIterator[ResumedUpload]:
    """See ``Vault.open_or_resume``.

    With ``in_parts`` a small file is not sent in one request, whose outcome, if it is cut off, stays unknown
    for days. It takes two requests more.
    """
    file = await look_at_file(path)
    with context.naming():
        async with context.catalog.lock_source(context.place, file.path):
            upload = ResumedUpload(context, file, options)
            await upload.prepare(resume=resume, restart=restart, in_parts=in_parts)
            yield upload


def _mismatch(record: UploadRecord, what: str, recorded: str, wanted: str) -> ResumeMismatchError:
    error = ResumeMismatchError(
        f"the unfinished upload of {record.source!r} was begun with {what} {recorded}, but now it is {wanted}"
    )
    error.upload_id = record.upload_id
    return error
