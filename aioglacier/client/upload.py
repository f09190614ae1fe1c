"""An unfinished multipart upload at the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.gateway.contract.paging import follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from aioglacier.core.models import Page, UploadDescription, UploadedPart, UploadId
    from aioglacier.recorded.vault_context import VaultContext


class Upload:
    """An unfinished upload in a vault. Made by ``Vault.uploads()``; ``Vault.resume()`` continues it."""

    def __init__(self, context: VaultContext, description: UploadDescription) -> None:
        self._context = context
        self._description = description

    def __repr__(self) -> str:
        return f"<Upload {self._context.name} {self.id} part_size={self.part_size >> 20}MiB>"

    @property
    def id(self) -> UploadId:
        """The id that the service gave it."""
        return self._description.id

    @property
    def vault(self) -> str:
        """The name of its vault."""
        return self._context.name

    @property
    def part_size(self) -> int:
        """Bytes of every part but the last."""
        return self._description.part_size

    @property
    def description(self) -> str:
        """The description of the archive to be, "" for none."""
        return self._description.description

    @property
    def started(self) -> datetime:
        """The time of its initiation. After 24 hours without activity the service may remove it."""
        return self._description.started

    def parts(self) -> AsyncIterator[UploadedPart]:
        """Iterate over the parts that the service has, ordered by offset."""

        async def fetch(marker: str | None) -> Page[UploadedPart]:
            _, page = await self._context.gateway.list_parts(self._context.name, self.id, marker=marker)
            return page

        return follow("ListParts", fetch)

    async def abort(self) -> None:
        """Remove the upload and its parts. Repeating it is no error."""
        await self._context.gateway.abort_multipart_upload(self._context.name, self.id)
        if self._context.records is not None:
            await self._context.records.uploads.note_aborted(self.id)
