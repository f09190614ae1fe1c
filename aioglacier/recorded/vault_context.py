"""The context of operations on a vault: gateway, transfer resources, name and records."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.errors import AccessDeniedError, ConfigurationError, UploadNotFoundError, naming
from aioglacier.core.limits import MIB
from aioglacier.core.spending import budgets, deleting, spending
from aioglacier.gateway.contract.paging import follow
from aioglacier.transfer.store import GlacierStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager

    from aioglacier.catalog import Catalog, UploadRecord, VaultKey
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
    from aioglacier.core.spending import Budget
    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.sources import ByteSource
    from aioglacier.transfer.upload.writer import UploadOptions

#: A record of what was spent may take this long at the end of a block that was cancelled.
_RECORDING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class VaultContext:
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

    def naming(self) -> AbstractContextManager[None]:
        """Set the vault's name on every error that leaves the block."""
        return naming(vault=self.name)

    def recorded(self) -> RecordedVault:
        """Return the same context with records for certain.

        Raises:
            ConfigurationError: The connection has no catalog.
        """
        if self.records is None:
            raise ConfigurationError("this needs a catalog; give one to connect()")
        return RecordedVault(self.gateway, self.resources, self.name, self.records)

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

    @asynccontextmanager
    async def spending(self, budget: Budget) -> AsyncIterator[None]:
        """See ``Vault.spending``."""
        try:
            with spending(budget):
                yield
        finally:
            with anyio.move_on_after(_RECORDING_SECONDS, shield=True):
                if (records := self.records) is not None:
                    await records.catalog.expenses.record(records.key, budget.take_expenses())

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

    async def abort_upload(self, upload_id: UploadId) -> None:
        """Remove an upload and its parts if it exists, and record it where there is a catalog."""
        with suppress(UploadNotFoundError):  # which is the goal
            await self.gateway.abort_multipart_upload(self.name, upload_id)
        if self.records is not None:
            await self.records.uploads.note_aborted(upload_id)

    def part_size(self, wanted: int) -> int:
        """Return the largest part size up to ``wanted`` of which two fit in the memory limit."""
        size = wanted
        while size > MIB and 2 * size > self.resources.buffers.limit:
            size //= 2
        return size


@dataclass(frozen=True, slots=True)
class RecordedVault(VaultContext):
    """A vault of a connection that has a catalog."""

    records: VaultRecords

    @property
    def catalog(self) -> Catalog:
        """The catalog."""
        return self.records.catalog

    @property
    def key(self) -> VaultKey:
        """The vault's key in the catalog."""
        return self.records.key

    async def look(self) -> None:
        """Ask for the vault, once, so that what is on record of another vault of its name counts no more.

        Raises:
            VaultNotFoundError: There is no such vault.
        """
        if not self.records.has_looked:
            with suppress(AccessDeniedError):
                await self.gateway.describe_vault(self.name)
            self.records.has_looked = True
