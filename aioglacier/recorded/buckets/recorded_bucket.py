"""A bucket of a connection with a catalog, as outcomes, resumes and folders ask for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import AccessDeniedError, ObjectNotFoundError, UploadNotFoundError
from aioglacier.core.s3.objects import UPLOAD_NAME
from aioglacier.core.upload_identity import CLOCK_TOLERANCE, LATEST_BEGIN
from aioglacier.recorded.buckets.object_options import ObjectOptions
from aioglacier.recorded.buckets.open_bucket import (
    OpenBucket,
    choose_resumed_part_size,
    describe_upload,
    parts_by_offset,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.catalog import ArchiveRecord, UploadRecord
    from aioglacier.core.models import UploadDescription, UploadId
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.upload.writer import UploadOptions

#: S3 has no part size in the description of an upload; its parts tell it.
_UNKNOWN_PART_SIZE: Final = 0


@dataclass(frozen=True, slots=True)
class RecordedBucket(OpenBucket):
    """A bucket of a connection that has a catalog: a ``RecordedPlace``."""

    records: VaultRecords

    async def look(self, found: ArchiveRecord | None = None) -> None:
        """Ask for an object, so that one that was deleted or replaced meanwhile counts no more."""
        if found is None:
            return
        facts = await self.catalog.archives.object_facts(self.key, found.archive.id)
        with suppress(AccessDeniedError):
            try:
                head = await self.gateway.head_object(self.ref, self.prefix + found.archive.id)
            except ObjectNotFoundError as error:
                missed = error.answered
            else:
                if facts is None or head.etag == facts.etag:
                    return
                missed = None
            await self.catalog.archives.doubt(self.key, found.archive.id, missed=missed)

    async def check_free(self, name: str) -> None:
        """See ``RecordedPlace``."""
        # The class does not matter for a look.
        await self.object_store(self.upload_options(name=name, reads_at_once=True)).check_free()

    async def list_uploads(self) -> AsyncIterator[UploadDescription]:
        """Iterate over the uploads that were neither completed nor aborted. Their part size is not told."""
        async for upload in self.list_object_uploads():
            yield describe_upload(upload, _UNKNOWN_PART_SIZE)

    async def fetch_parts(self, upload_id: UploadId) -> tuple[UploadDescription, dict[int, bytes]]:
        """Fetch an unfinished upload from the service, with the checksum of each of its parts by offset.

        Raises:
            UploadNotFoundError: It was completed or aborted.
        """
        record = await self.records.uploads.find(upload_id)
        upload, parts = await self.list_object_parts(await self.find_upload_key(upload_id), upload_id)
        # One part alone, the last of an upload of unknown size, tells nothing.
        size = (
            record.part_size if record is not None else choose_resumed_part_size(parts, None, None, upload_id)
        )
        return describe_upload(upload, size), parts_by_offset(parts, size)

    async def list_candidates(self, options: UploadOptions) -> AsyncIterator[UploadDescription]:
        """Iterate over the unfinished uploads that these options may have begun: those of the key."""
        assert isinstance(options, ObjectOptions)  # noqa: S101  # ``upload_options`` made them
        async for upload in self.list_object_uploads(options.key):
            is_alike = upload.storage_class == options.settings.storage_class
            if upload.key == options.key and is_alike and upload.algorithm in {None, options.algorithm}:
                with suppress(UploadNotFoundError):
                    _, parts = await self.list_object_parts(upload.key, upload.id)
                    size = choose_resumed_part_size(parts, None, None, upload.id)
                    yield describe_upload(upload, size, options.description or "")

    def options_of(self, record: UploadRecord) -> ObjectOptions:
        """Return the options of an upload on record."""
        target = record.target
        assert target is not None  # noqa: S101  # an upload to a bucket has one
        options = self.upload_options(
            record.description or None,
            name=target.key,
            storage_class=target.storage_class,
            part_size=record.part_size if record.upload_id is not None else None,
            keep_unfinished=True,
            algorithm=target.algorithm,
            overwrite=target.overwrites,
        )
        return replace(options, token=target.token)

    async def find_lost(self, record: UploadRecord) -> UploadId | None:
        """Find the upload at the service that an intent began: one of its key, without parts, of its time."""
        assert record.target is not None  # noqa: S101  # an upload to a bucket has one
        begin, end = record.created - CLOCK_TOLERANCE, record.created + LATEST_BEGIN
        async for upload in self.list_object_uploads(record.target.key):
            is_it = upload.key == record.target.key and upload.started is not None
            if is_it and begin <= (upload.started or end) <= end:
                if await self.catalog.uploads.is_known(upload.id):
                    continue
                with suppress(UploadNotFoundError):
                    _, parts = await self.list_object_parts(upload.key, upload.id)
                    if not parts:
                        return upload.id
        return None

    async def settle(self, record: UploadRecord) -> UploadRecord:
        """Find out from the object's head whether an upload became the object, and record it.

        S3 lists an object as soon as it is stored. A request that is still on its way when its process has
        died meets the next one at the key, and only one of them succeeds.
        """
        options = self.options_of(record)
        uploads = self.catalog.uploads
        head = None
        with suppress(ObjectNotFoundError):
            head = await self.gateway.head_object(self.ref, options.whole_key)
        if head is None or head.size != record.size or head.metadata.get(UPLOAD_NAME) != options.token:
            return await uploads.record_failed(record, "there is no object of this upload under the key")
        archive = self.object_store(options).from_head(head, record.tree_hash or b"")
        await uploads.record_completed(record, archive, is_told=False)
        return await uploads.get(record.number)
