"""An unfinished multipart upload at the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aioglacier.gateway.contract.paging import follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from aioglacier.catalog import UploadRecord
    from aioglacier.core.models import Page, UploadDescription, UploadedPart, UploadId
    from aioglacier.recorded.vault_context import VaultContext


@dataclass(frozen=True, slots=True)
class KnownUpload:
    """An unfinished upload with what the service and the catalog know of it.

    Attributes:
        id: The service's id; ``None`` if only the catalog knows the upload, and not whether it ever began.
        part_size: Bytes of every part but the last.
        description: The description of the archive to be, "" for none.
        started: The time of its initiation, or of the intent on record.
        parts: Parts sent.
        record: Its record; ``None`` without a catalog, or for an upload of another program.
    """

    id: UploadId | None
    part_size: int
    description: str
    started: datetime
    parts: int
    record: UploadRecord | None

    @property
    def sent(self) -> int:
        """Bytes sent; at most, since the last part may be shorter."""
        whole = self.record.size if self.record is not None else None
        # The last part is shorter.
        return min(self.parts * self.part_size, whole or self.parts * self.part_size)


@dataclass(frozen=True, slots=True, repr=False)
class Upload:
    """An unfinished upload in a vault. Made by ``Vault.uploads()``; ``Vault.resume()`` continues it.

    Attributes:
        context: Its vault, for the package's own rooms.
        id: The id that the service gave it.
        part_size: Bytes of every part but the last.
        description: The description of the archive to be, "" for none.
        started: The time of its initiation. After 24 hours without activity the service may remove it.
    """

    context: VaultContext
    id: UploadId
    part_size: int
    description: str
    started: datetime

    @classmethod
    def of(cls, context: VaultContext, upload: UploadDescription) -> Self:
        """Return an upload that the service has described."""
        return cls(context, upload.id, upload.part_size, upload.description, upload.started)

    def __repr__(self) -> str:
        return f"<Upload {self.vault} {self.id} part_size={self.part_size >> 20}MiB>"

    @property
    def vault(self) -> str:
        """The name of its vault."""
        return self.context.name

    def parts(self) -> AsyncIterator[UploadedPart]:
        """Iterate over the parts that the service has, ordered by offset."""

        async def fetch(marker: str | None) -> Page[UploadedPart]:
            _, page = await self.context.gateway.list_parts(self.vault, self.id, marker=marker)
            return page

        return follow("ListParts", fetch)

    async def look_up(self) -> KnownUpload:
        """Count its parts, and find its record."""
        parts = len([part async for part in self.parts()])
        records = self.context.records
        record = await records.uploads.find(self.id) if records is not None else None
        return KnownUpload(self.id, self.part_size, self.description, self.started, parts, record)

    async def abort(self) -> None:
        """Remove the upload and its parts. Repeating it is no error."""
        await self.context.abort_upload(self.id)
