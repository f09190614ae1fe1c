"""An unfinished multipart upload at the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aioglacier.gateway.contract.paging import follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from aioglacier.core.models import Page, UploadDescription, UploadedPart, UploadId
    from aioglacier.recorded.vault_context import VaultContext


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

    async def abort(self) -> None:
        """Remove the upload and its parts. Repeating it is no error."""
        await self.context.abort_upload(self.id)
