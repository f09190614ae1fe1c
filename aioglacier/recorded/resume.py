"""Uploading a file where the catalog may have an unfinished upload of it.

``recorded.outcome`` says what became of that upload. Here it is continued, reported or replaced, for one
process and one task at a time: the file is locked while the block runs. A file that is on record as stored,
and has not changed since, is not sent again unless asked for. Where nothing is on record, an unfinished
upload may be known by its description, see ``recorded.described_uploads``.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from aioglacier.catalog import UploadState
from aioglacier.core.errors import ResumeMismatchError, UploadExpiredError
from aioglacier.core.planning import choose_part_size
from aioglacier.recorded.described_uploads import PASSED_OVER, Candidate, PassedOver, find_candidates, prepare
from aioglacier.recorded.outcome import Gone, Made, NeverMade, Open, find_outcome, give_up
from aioglacier.tasks.see_through import GRACE_SECONDS
from aioglacier.transfer.snapshot import TransferSnapshot
from aioglacier.transfer.upload.named_file import look_at_file
from aioglacier.transfer.upload.source_upload import SourceUpload

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from aioglacier.catalog import ArchiveRecord, UploadRecord
    from aioglacier.core.models import Archive
    from aioglacier.recorded.place_context import RecordedPlace
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.writer import UploadOptions


class Expired(NamedTuple):
    """An upload that the service has removed, and how many of its bytes have to go again."""

    record: UploadRecord
    size: int


@dataclass(slots=True)
class UploadHistory:
    """Former uploads of a file, and their outcomes.

    Attributes:
        continued: The record of the upload that goes on, as it was found; ``None`` for a new one.
        expired: One that was to go on, and is gone.
        aborted: One that was aborted on request.
        former: An archive of an earlier version of the file, which was not reported until now.
        passed_over: Uploads with the file's description that were left alone, and why.
    """

    continued: UploadRecord | None = None
    expired: Expired | None = None
    aborted: UploadRecord | None = None
    former: Archive | None = None
    passed_over: list[PassedOver] = field(default_factory=list)


class ResumedUpload:
    """An upload of a file that begins, continues, or is done already. Run it once.

    Attributes:
        file: The file.
        history: Its former uploads.
        is_stored: Whether the file was archived and reported before, and is unchanged: nothing is sent.
        candidates: Unfinished uploads with the file's description, tried one by one: their parts prove them.
    """

    def __init__(
        self, context: RecordedPlace, file: NamedFile, options: UploadOptions, *, takes_any_key: bool = False
    ) -> None:
        self.file = file
        self._takes_any_key = takes_any_key
        self.history = UploadHistory()
        self.is_stored = False
        self.candidates: list[Candidate] = []
        self._context = context
        self._options = options
        self._upload: SourceUpload[Archive] | None = None
        self._archive: Archive | None = None

    @property
    def vault(self) -> str:
        """The name of the vault."""
        return self._context.name

    @property
    def is_new(self) -> bool:
        """Return whether nothing of the file is known to be at the service."""
        return self.history.continued is None and not self.candidates

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
        if self.candidates and (archive := await self._run_candidates()) is not None:
            return archive
        assert self._upload is not None  # noqa: S101  # it was prepared before it was given out
        try:
            return await self._upload.run()
        except UploadExpiredError:
            if self.history.continued is None:
                raise
            # Before a new upload resets the counters.
            self.history.expired = Expired(self.history.continued, self.snapshot().done)
            self._begin()
            return await self._upload.run()

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Stop gently; see ``SourceUpload.drain``."""
        if self._upload is not None:
            self._upload.drain(seconds)

    async def prepare(
        self, *, resume: bool, restart: bool, again: bool, in_parts: bool, by_description: bool
    ) -> None:
        """Find out where to begin; see ``open_or_resume``."""
        await self._context.meet()
        record = await self._find_record(resume=resume, again=again)
        if record is not None and record.state is UploadState.COMPLETED:
            # A vault that was made again has none of its former archives, and an object may be another one.
            await self._context.look(await self._find_archive(record))
            record = await self._find_record(resume=resume, again=again)
        if record is not None and restart and not record.is_told:
            await self._give_up(record)
        elif record is not None and await self._take(record):
            return
        elif by_description and resume and not restart and self._may_have_parts():
            found = await find_candidates(self._context, self.file, self._options)
            self.candidates, self.history.passed_over = found
        if in_parts:
            await self._begin_in_parts()
        else:
            self._begin()

    async def _find_record(self, *, resume: bool, again: bool) -> UploadRecord | None:
        """Return the unfinished upload of the file, else the upload of its latest archive."""
        uploads, key = self._context.catalog.uploads, self._context.key
        target = self._options.target
        object_key = target.key if target is not None and not self._takes_any_key else None
        # An unfinished one first: its parts are paid for.
        record = await uploads.find_unfinished(key, self.file.path, object_key) if resume else None
        if record is None and (resume or not again):
            record = await uploads.find_latest(key, self.file.path, object_key)
        return None if record is not None and again and record.is_told else record

    async def _find_archive(self, record: UploadRecord) -> ArchiveRecord | None:
        if record.archive_id is None:
            return None
        return await self._context.catalog.archives.get(self._context.key, record.archive_id)

    def _is_as_wanted(self, archive: Archive) -> bool:
        wanted = self._options
        return archive.description == (wanted.description or "") and (
            wanted.expected_size in {None, archive.size}
        )

    def _may_have_parts(self) -> bool:
        """Return whether an upload of the file has parts, and may have begun on another machine."""
        wanted, size = self._options, self.file.size
        if wanted.expected_size not in {None, size}:  # the upload will fail with the right error
            return False
        return wanted.part_size is not None or size > choose_part_size(size, None, self._context.limits)

    async def _run_candidates(self) -> Archive | None:
        """Try the uploads with the file's description; raise if one has other bytes, and none these."""
        mismatch: ResumeMismatchError | None = None
        # A second run must not try them again.
        new, waiting, self.candidates = self._upload, self.candidates, []
        for candidate in waiting:
            async with AsyncExitStack() as stack:
                try:
                    self._upload = await prepare(stack, self._context, self.file, candidate, self._options)
                    return await self._upload.run()
                except ResumeMismatchError as error:
                    error.upload_id = candidate.upload.id
                    mismatch = mismatch or error  # the newest one is the likeliest
                except PASSED_OVER as error:
                    self.history.passed_over.append(PassedOver(candidate.upload, error))
        if mismatch is not None:
            raise mismatch
        self._upload = new
        return None

    async def _give_up(self, record: UploadRecord) -> None:
        if record.state is UploadState.COMPLETED:
            await self._context.catalog.uploads.record_told(record.number)
            return
        ended = await give_up(self._context, record, "aborted to begin again, on request")
        if ended.upload_id is not None:
            self.history.aborted = ended

    async def _take(self, record: UploadRecord) -> bool:
        """Go on with an upload, or report its archive. Return false if the file starts from its beginning."""
        outcome = await find_outcome(self._context, record)
        match outcome:
            case NeverMade(found, expired):
                self.history.expired = Expired(found, expired) if expired is not None else None
                return False
            case Open() as found:
                return await self._go_on(found)
            case Made(found, archive):
                # Size and times; the content is not read again.
                is_same = found.identity == self.file.identity
                if record.is_told:
                    is_same = is_same and self._is_as_wanted(archive)
                if is_same:
                    self.history.continued, self._archive, self.is_stored = found, archive, record.is_told
                    return True
                # An archive that was never reported must not be lost from sight.
                self.history.former = None if record.is_told else archive
            case Gone():  # deleted since, so the file is archived again
                pass
        await self._context.catalog.uploads.record_told(outcome.record.number)
        return False

    async def _go_on(self, found: Open) -> bool:
        record, wanted = found.record, self._options
        description = wanted.description or ""
        part_size = choose_part_size(self.file.size, wanted.part_size, self._context.limits)
        if not found.known and (record.part_size, record.description) != (part_size, description):
            # It costs nothing to begin with the new options.
            await give_up(self._context, record, "nothing had been sent")
            return False
        if wanted.part_size not in {None, record.part_size}:
            raise _mismatch(record, "part size", f"{record.part_size} bytes", f"{wanted.part_size} bytes")
        if description != record.description:
            raise _mismatch(record, "description", repr(record.description), repr(description))
        self.history.continued = record
        options = wanted.as_begun(record.part_size, record.target)
        store = self._context.store(options, self.file, record, awaits_report=True)
        self._upload = SourceUpload(
            store, self._context.resources, options, self.file, resume=(found.upload_id, found.known)
        )
        return True

    def _begin(self) -> None:
        self.history.continued = None
        store = self._context.store(self._options, self.file, awaits_report=True)
        self._upload = SourceUpload(store, self._context.resources, self._options, self.file)

    async def _begin_in_parts(self) -> None:
        part_size = choose_part_size(self.file.size, self._options.part_size, self._context.limits)
        options = replace(self._options, part_size=part_size)
        store = self._context.store(options, self.file, awaits_report=True)
        # Before the first byte is read: a kill from now on leaves an id on record.
        upload_id = await store.initiate(part_size)
        self._upload = SourceUpload(
            store, self._context.resources, options, self.file, resume=(upload_id, {})
        )


@asynccontextmanager
async def open_or_resume(
    context: RecordedPlace,
    path: str | os.PathLike[str],
    options: UploadOptions,
    *,
    resume: bool = True,
    restart: bool = False,
    again: bool = True,
    in_parts: bool = False,
    by_description: bool = False,
    takes_any_key: bool = False,
) -> AsyncIterator[ResumedUpload]:
    """See ``Vault.open_or_resume``.

    With ``in_parts`` a small file is not sent in one request, whose outcome, if it is cut off, stays unknown
    for days. It takes two requests more. With ``takes_any_key`` an unfinished upload to another key of the
    bucket goes on there; callers that choose keys at random know it by the file alone.
    """
    file = await look_at_file(path)
    with context.naming():
        async with context.catalog.lock_source(context.key, file.path):  # two runs would send the file twice
            upload = ResumedUpload(context, file, options, takes_any_key=takes_any_key)
            await upload.prepare(
                resume=resume, restart=restart, again=again, in_parts=in_parts, by_description=by_description
            )
            yield upload


def _mismatch(record: UploadRecord, what: str, recorded: str, wanted: str) -> ResumeMismatchError:
    error = ResumeMismatchError(
        f"the unfinished upload of {record.source!r} was begun with {what} {recorded}, but now it is {wanted}"
    )
    error.upload_id = record.upload_id
    return error
