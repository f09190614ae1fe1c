"""The context of operations on a vault: gateway, transfer resources, name and records."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aioglacier.core.errors import AccessDeniedError, UploadNotFoundError, naming
from aioglacier.core.limits import VAULT
from aioglacier.core.spending import budgets, deleting
from aioglacier.core.upload_identity import LATEST_BEGIN, may_be_lost
from aioglacier.gateway.contract.paging import follow
from aioglacier.recorded.place_context import PlaceContext
from aioglacier.transfer.store import GlacierStore
from aioglacier.transfer.upload.writer import UploadOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager

    from aioglacier.catalog import ArchiveRecord, UploadRecord
    from aioglacier.core.limits import PartLimits
    from aioglacier.core.models import (
        Archive,
        ArchiveId,
        JobDescription,
        JobStatus,
        Page,
        UploadDescription,
        UploadedPart,
        UploadId,
    )
    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.sources import ByteSource


@dataclass(frozen=True, slots=True)
class VaultContext(PlaceContext):
    """One vault of an open connection.

    Attributes:
        gateway: Carries requests.
        resources: Memory, hashing and connections of transfers.
        name: The vault's name.
        records: The vault's records; ``None`` without a catalog.
    """

    gateway: Gateway
    resources: TransferResources
    name: str
    records: VaultRecords | None = None

    @property
    def limits(self) -> PartLimits:
        """The limits for parts."""
        return VAULT

    def naming(self) -> AbstractContextManager[None]:
        """Set the vault's name on every error that leaves the block."""
        return naming(vault=self.name)

    def recorded(self) -> RecordedVault:
        """Return the same context with records for certain.

        Raises:
            ConfigurationError: The connection has no catalog.
        """
        return RecordedVault(self.gateway, self.resources, self.name, self.require_records())

    def upload_options(
        self,
        description: str | None = None,
        *,
        name: str = "",
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
        reads_at_once: bool = False,
    ) -> UploadOptions:
        """Return the options of an upload. An archive in a vault has no ``name``, and no class."""
        del name, reads_at_once
        return UploadOptions(self.name, description, part_size, expected_size, keep_unfinished)

    def store(
        self,
        options: UploadOptions,
        source: NamedFile | ByteSource | None = None,
        record: UploadRecord | None = None,
        *,
        found: UploadDescription | None = None,
        awaits_report: bool = False,
    ) -> ArchiveStore[Archive]:
        """Return the vault as a store for one upload, which is recorded where there is a catalog.

        Args:
            options: Of the upload.
            source: The source; ``None`` for a writer.
            record: An upload on record that goes on; ``None`` for a new one.
            found: An upload at the service that goes on. It is put on record once the source has proved to
                be the right one, before anything is sent.
            awaits_report: The caller will call ``UploadRecords.note_reported`` after telling the user of the
                archive. Until then the next run reports it instead of making another.
        """
        store = GlacierStore(self.gateway, self.name, options.description)
        if self.records is None:
            return store
        return self.records.store(store, options, source, record, found=found, awaits_report=awaits_report)

    def list_uploads(self) -> AsyncIterator[UploadDescription]:
        """Iterate over the uploads that were neither completed nor aborted."""
        return follow(
            "ListMultipartUploads",
            lambda marker: self.gateway.list_multipart_uploads(self.name, marker=marker),
        )

    def list_jobs(
        self, *, completed: bool | None = None, status: JobStatus | None = None
    ) -> AsyncIterator[JobDescription]:
        """Iterate over the jobs that run, and those that ended within about a day."""
        return follow(
            "ListJobs",
            lambda marker: self.gateway.list_jobs(
                self.name, completed=completed, status=status, marker=marker
            ),
        )

    async def fetch_parts(self, upload_id: UploadId) -> tuple[UploadDescription, dict[int, bytes]]:
        """Fetch an unfinished upload from the service, with the tree hash of each of its parts by offset.

        Raises:
            UploadNotFoundError: It was completed, aborted, or has expired.
        """
        descriptions: list[UploadDescription] = []

        async def fetch(marker: str | None) -> Page[UploadedPart]:
            description, page = await self.gateway.list_parts(self.name, upload_id, marker=marker)
            descriptions.append(description)
            return page

        known = {part.start: part.tree_hash async for part in follow("ListParts", fetch)}
        return descriptions[0], known

    async def delete_archive(self, archive_id: ArchiveId, archive: Archive | None = None) -> None:
        """Delete an archive, and charge the budgets in force if that is early.

        ``archive`` is what an inventory says of it; by default, what is on record.
        """
        if self.records is not None and budgets():
            found = await self.records.catalog.archives.get(self.records.key, archive_id)
            archive = found.archive if found is not None else archive
            if found is not None and found.state.value == "deleted":  # it was charged then
                return await self.gateway.delete_archive(self.name, archive_id)
        with deleting(archive, datetime.now(UTC)):
            return await self.gateway.delete_archive(self.name, archive_id)

    async def remove_upload(self, upload_id: UploadId, key: str | None = None) -> None:
        """See ``PlaceContext``."""
        del key
        await self.gateway.abort_multipart_upload(self.name, upload_id)


@dataclass(frozen=True, slots=True)
class RecordedVault(VaultContext):
    """A vault of a connection that has a catalog."""

    records: VaultRecords

    async def meet(self) -> None:
        """See ``RecordedPlace``."""
        if self.key.endpoint and (await self.catalog.facts_of(self.key))[1] is None:
            await self.look()

    async def look(self, found: ArchiveRecord | None = None) -> None:
        """Ask for the vault, once, so that what is on record of another vault of its name counts no more.

        A vault cannot be asked for one archive.

        Raises:
            VaultNotFoundError: There is no such vault.
        """
        del found
        if not self.records.has_looked:
            with suppress(AccessDeniedError):  # a policy may allow uploads and not this
                await self.gateway.describe_vault(self.name)
            self.records.has_looked = True

    async def check_free(self, name: str) -> None:
        """See ``RecordedPlace``; an archive has no name."""

    async def list_candidates(self, options: UploadOptions) -> AsyncIterator[UploadDescription]:
        """Iterate over the unfinished uploads that these options may have begun: those of the description."""
        async for upload in self.list_uploads():
            if upload.description == (options.description or ""):
                yield upload

    def options_of(self, record: UploadRecord) -> UploadOptions:
        """Return the options of an upload on record."""
        return self.upload_options(record.description or None, part_size=record.part_size)

    async def find_lost(self, record: UploadRecord) -> UploadId | None:
        """Find the upload at the service that an intent began; see ``core.upload_identity``."""
        found = [
            upload
            async for upload in self.list_uploads()
            if may_be_lost(
                upload,
                description=record.description,
                part_size=record.part_size,
                since=record.created,
                until=record.created + LATEST_BEGIN,
            )
        ]
        for upload in sorted(found, key=lambda upload: upload.started):
            if await self.catalog.uploads.is_known(upload.id):  # another upload of the same kind
                continue
            try:
                # One with parts was not lost at its beginning.
                _, page = await self.gateway.list_parts(self.name, upload.id, limit=1)
            except UploadNotFoundError:
                continue
            if not page.items:
                return upload.id
        return None

    async def settle(self, record: UploadRecord) -> UploadRecord:
        """Compare an upload of unknown outcome with the inventories that were merged."""
        from aioglacier.recorded.outcome import ask_inventory  # noqa: PLC0415  # loads SQLite

        return await ask_inventory(self.records, record)
