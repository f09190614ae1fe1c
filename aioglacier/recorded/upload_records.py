"""The records of the uploads to one vault.

Only a connection with a catalog imports this module, because it takes long to load.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aioglacier.catalog import UploadState
from aioglacier.catalog.uploads import UNFINISHED
from aioglacier.core.errors import CatalogMismatchError, OutcomeUnknownError, ResumeMismatchError
from aioglacier.core.limits import IDLE_WARNING_SECONDS
from aioglacier.transfer.upload.named_file import NamedFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.catalog import Catalog, UploadRecord, VaultKey
    from aioglacier.core.models import Archive, UploadDescription, UploadId
    from aioglacier.transfer.upload.sources import ByteSource
    from aioglacier.transfer.upload.writer import UploadOptions


class UploadRecords:
    """The uploads to one vault on record.

    Attributes:
        catalog: The catalog that has the records.
        key: The vault's key in the catalog.
    """

    def __init__(self, catalog: Catalog, key: VaultKey) -> None:
        self.catalog = catalog
        self.key = key

    async def note_reported(self, archive: Archive) -> None:
        """Record that the user knows of an archive, so that no later run reports it again."""
        found = await self.catalog.archives.get(self.key, archive.id)
        if found is not None and found.upload is not None:
            await self.catalog.uploads.record_told(found.upload)

    async def find(self, upload_id: UploadId) -> UploadRecord | None:
        """Return the upload with this id, or ``None`` if it is not on record.

        Raises:
            ResumeMismatchError: It is on record in another vault, account, region or endpoint.
        """
        try:
            return await self.catalog.uploads.find(self.key, upload_id)
        except CatalogMismatchError as error:
            raise ResumeMismatchError(f"{error.message}; name that vault to continue the upload") from error

    async def list_unfinished(self) -> AsyncIterator[tuple[UploadRecord, int]]:
        """Yield each unfinished upload on record with the number of its parts."""
        uploads = self.catalog.uploads
        async for record in uploads.list_unfinished(self.key):
            yield record, len([part async for part in uploads.list_parts(record.number)])

    async def list_idle(self) -> list[UploadRecord]:
        """Return the uploads that have been idle for so long that the service will soon remove them."""
        now = datetime.now(UTC)  # the service counts from the last part, and so does the record
        return [
            upload
            async for upload in self.catalog.uploads.list_unfinished(self.key)
            if upload.upload_id is not None and (now - upload.active).total_seconds() >= IDLE_WARNING_SECONDS
        ]

    async def note_aborted(self, upload_id: UploadId) -> None:
        """Record that an upload was aborted, if it is on record."""
        record = await self.catalog.uploads.find(self.key, upload_id)
        if record is not None and record.state in UNFINISHED:  # a completed upload can no longer be aborted
            await self.catalog.uploads.record_aborted(record)

    async def take_in(
        self,
        upload: UploadDescription,
        options: UploadOptions,
        source: NamedFile | ByteSource | None,
        record: UploadRecord | None,
    ) -> UploadRecord:
        """Record an upload at the service that is continued; ``record`` is its record if there is one."""
        uploads = self.catalog.uploads
        if record is None:
            record = await self.find(upload.id)
        if record is None:
            record = await self.intend(
                replace(options, description=upload.description or None), source, part_size=upload.part_size
            )
        if record.state is UploadState.COMPLETED:
            raise ResumeMismatchError(f"upload {upload.id} has become archive {record.archive_id} already")
        if record.state is not UploadState.OPEN:  # also one that was given up: the service is the truth
            record = await uploads.record_initiated(record, upload.id)
        return record

    async def intend(
        self,
        options: UploadOptions,
        source: NamedFile | ByteSource | None,
        *,
        part_size: int,
        size: int | None = None,
        tree_hash: bytes | None = None,
    ) -> UploadRecord:
        """Record that an upload is about to begin; see ``Uploads.record_intent``."""
        file = source if isinstance(source, NamedFile) else None
        if size is None:
            size = file.size if file else options.expected_size
        return await self.catalog.uploads.record_intent(
            self.key,
            part_size=part_size,
            description=options.description or "",
            size=size,
            source=file.path if file else None,
            identity=file.identity if file else None,
            tree_hash=tree_hash,
            target=options.target,
        )

    @asynccontextmanager
    async def initiating(self, upload: UploadRecord) -> AsyncIterator[None]:
        """Hold a lock that shows that the process is alive; for a file the lock of the file does."""
        if upload.source is not None:
            yield
            return
        # Another process that looks after the dead holds it for as long as a request takes.
        async with self.catalog.lock_source(self.key, upload.nonce, waits=True):
            yield


def unknown_outcome(record: UploadRecord) -> OutcomeUnknownError:
    """Return the error for an upload whose outcome is not known yet."""
    size, tree_hash = content_of(record)  # by which an inventory finds the archive
    if record.upload_id is None:
        text = "the archive was sent in a single request, which was interrupted"
    else:
        text = (
            f"the completion of upload {record.upload_id} was interrupted, and the upload is gone now "
            "(completed, or expired)"
        )
    error = OutcomeUnknownError(text, size=size, tree_hash=tree_hash)
    error.upload_id = record.upload_id
    return error


def content_of(record: UploadRecord) -> tuple[int, bytes]:
    """Return size and tree hash of an upload that is to be completed."""
    assert record.size is not None  # noqa: S101  # recorded with the state
    assert record.tree_hash is not None  # noqa: S101
    return record.size, record.tree_hash
