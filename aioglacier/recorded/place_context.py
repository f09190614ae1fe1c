"""The context of operations on a place, and what a place with records answers, whatever its kind."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from aioglacier.core.errors import ConfigurationError, UploadNotFoundError
from aioglacier.core.limits import MIB
from aioglacier.core.spending import spending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from aioglacier.catalog import ArchiveRecord, Catalog, UploadRecord, VaultKey
    from aioglacier.core.limits import PartLimits
    from aioglacier.core.models import Archive, UploadDescription, UploadId
    from aioglacier.core.spending import Budget
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.sources import ByteSource
    from aioglacier.transfer.upload.writer import UploadOptions

#: The records at the end of a block that was cancelled may take this long.
RECORDING_SECONDS: Final = 5.0


@asynccontextmanager
async def recording_expenses(budget: Budget, records: VaultRecords | None) -> AsyncIterator[None]:
    """Put a budget in force for the block, and record what it counts where there is a catalog."""
    try:
        with spending(budget):
            yield
    finally:
        # The money is spent, also when the block was cancelled.
        with anyio.move_on_after(RECORDING_SECONDS, shield=True):
            if records is not None:
                await records.catalog.expenses.record(records.key, budget.take_expenses())


class PlaceContext:
    """A place of an open connection: the work that does not depend on its kind."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def resources(self) -> TransferResources: ...  # noqa: D102
        @property
        def records(self) -> VaultRecords | None: ...  # noqa: D102

        async def remove_upload(self, upload_id: UploadId, key: str | None) -> None:
            """Remove an upload at the service; ``key`` is that of an upload to a bucket, if it is known."""

    def require_records(self) -> VaultRecords:
        """Return the records.

        Raises:
            ConfigurationError: The connection has no catalog.
        """
        if self.records is None:
            raise ConfigurationError("this needs a catalog; give one to connect()")
        return self.records

    @property
    def catalog(self) -> Catalog:
        """The catalog."""
        return self.require_records().catalog

    @property
    def key(self) -> VaultKey:
        """The place's key in the catalog."""
        return self.require_records().key

    def spending(self, budget: Budget) -> AbstractAsyncContextManager[None]:
        """See ``Vault.spending``."""
        return recording_expenses(budget, self.records)

    async def abort_upload(self, upload_id: UploadId, key: str | None = None) -> None:
        """Remove an upload and its parts if it exists, and record it where there is a catalog."""
        with suppress(UploadNotFoundError):  # which is the goal
            await self.remove_upload(upload_id, key)
        if self.records is not None:
            await self.records.uploads.note_aborted(upload_id)

    async def abort_at_service(self, record: UploadRecord) -> None:
        """Remove the upload of a record and its parts."""
        assert record.upload_id is not None  # noqa: S101  # it was begun
        with suppress(UploadNotFoundError):
            key = record.target.key if record.target is not None else None
            await self.remove_upload(record.upload_id, key)

    def part_size(self, wanted: int) -> int:
        """Return the largest part size up to ``wanted`` of which two fit in the memory limit."""
        size = wanted
        # One part is read while another is sent.
        while size > MIB and 2 * size > self.resources.buffers.limit:
            size //= 2
        return size


class RecordedPlace(Protocol):
    """A vault or a bucket of a connection that has a catalog."""

    @property
    def name(self) -> str:
        """The vault's name, or ``s3://BUCKET/PREFIX``."""
        ...

    @property
    def limits(self) -> PartLimits: ...  # noqa: D102
    @property
    def resources(self) -> TransferResources: ...  # noqa: D102
    @property
    def records(self) -> VaultRecords: ...  # noqa: D102
    @property
    def catalog(self) -> Catalog: ...  # noqa: D102
    @property
    def key(self) -> VaultKey: ...  # noqa: D102

    def naming(self) -> AbstractContextManager[None]:
        """Set the place on every error that leaves the block."""
        ...

    def spending(self, budget: Budget) -> AbstractAsyncContextManager[None]:
        """See ``Vault.spending``."""
        ...

    def part_size(self, wanted: int) -> int:
        """Return the largest part size up to ``wanted`` of which two fit in the memory limit."""
        ...

    async def meet(self) -> None:
        """Let the records of a server that moved to another port or folder follow it."""
        ...

    async def look(self, found: ArchiveRecord | None = None) -> None:
        """Ask for the place, or for an archive where that is cheap, and doubt what it contradicts."""
        ...

    def upload_options(
        self,
        description: str | None = None,
        *,
        name: str,
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
        reads_at_once: bool = False,
    ) -> UploadOptions:
        """Return the options of an upload; a bucket needs the ``name``, which becomes the key.

        With ``reads_at_once`` a bucket keeps it in STANDARD, for a small object that is read before others.
        """
        ...

    async def check_free(self, name: str) -> None:
        """Refuse a name that is taken, where an archive has one."""
        ...

    def options_of(self, record: UploadRecord) -> UploadOptions:
        """Return the options of an upload on record."""
        ...

    def store(
        self,
        options: UploadOptions,
        source: NamedFile | ByteSource | None = None,
        record: UploadRecord | None = None,
        *,
        found: UploadDescription | None = None,
        awaits_report: bool = False,
    ) -> ArchiveStore[Archive]:
        """See ``VaultContext.store``."""
        ...

    def list_uploads(self) -> AsyncIterator[UploadDescription]:
        """Iterate over the uploads that were neither completed nor aborted."""
        ...

    def list_candidates(self, options: UploadOptions) -> AsyncIterator[UploadDescription]:
        """Iterate over the unfinished uploads that these options may have begun."""
        ...

    async def fetch_parts(self, upload_id: UploadId) -> tuple[UploadDescription, dict[int, bytes]]:
        """Fetch an unfinished upload, with the hash by which the place lists each of its parts, by offset."""
        ...

    async def find_lost(self, record: UploadRecord) -> UploadId | None:
        """Find the upload at the service that an intent began, if there is one."""
        ...

    async def settle(self, record: UploadRecord) -> UploadRecord:
        """Find out whether an upload that is no longer there became an archive, as far as the place tells."""
        ...

    async def abort_at_service(self, record: UploadRecord) -> None:
        """Remove the upload of a record and its parts."""
        ...

    async def abort_upload(self, upload_id: UploadId) -> None:
        """Remove an upload and its parts if it exists, and record it."""
        ...
