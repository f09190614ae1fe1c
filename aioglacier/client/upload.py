"""An unfinished multipart upload, as it stands at the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.gateway.contract.paging import follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from aioglacier.core.models import Page, UploadDescription, UploadedPart, UploadId
    from aioglacier.gateway.contract.protocols import Gateway
    from aioglacier.recorded.vault_records import VaultRecords


class Upload:
    """An unfinished upload in a vault. From ``Vault.uploads()``; ``Vault.resume()`` continues it."""

    def __init__(
        self,
        gateway: Gateway,
        vault: str,
        description: UploadDescription,
        records: VaultRecords | None = None,
    ) -> None:
        self._gateway = gateway
        self._vault = vault
        self._description = description
        self._records = records

    def __repr__(self) -> str:
        return f"<Upload {self._vault} {self.id} part_size={self.part_size >> 20}MiB>"

    @property
    def id(self) -> UploadId:
        """The service's name for it."""
        return self._description.id

    @property
    def vault(self) -> str:
        """The name of its vault."""
        return self._vault

    @property
    def part_size(self) -> int:
        """Bytes of every part but the last."""
        return self._description.part_size

    @property
    def description(self) -> str:
        """The description that the archive will have, "" for none."""
        return self._description.description

    @property
    def started(self) -> datetime:
        """When it was initiated. Without activity for 24 hours the service may remove it."""
        return self._description.started

    def parts(self) -> AsyncIterator[UploadedPart]:
        """The parts that the service has, by offset."""

        async def fetch(marker: str | None) -> Page[UploadedPart]:
            _, page = await self._gateway.list_parts(self._vault, self.id, marker=marker)
            return page

        return follow("ListParts", fetch)

    async def abort(self) -> None:
        """Forget the upload and its parts. Repeating it is no error."""
        await self._gateway.abort_multipart_upload(self._vault, self.id)
        if self._records is not None:
            await self._records.aborted(self.id)


async def fetch_parts(
    gateway: Gateway, vault: str, upload_id: UploadId
) -> tuple[UploadDescription, dict[int, bytes]]:
    """What the service knows of an unfinished upload, and the tree hash of each of its parts, by offset.

    Raises:
        UploadNotFoundError: It was completed, aborted, or has expired.
    """
    descriptions: list[UploadDescription] = []

    async def fetch(marker: str | None) -> Page[UploadedPart]:
        description, page = await gateway.list_parts(vault, upload_id, marker=marker)
        descriptions.append(description)
        return page

    known = {part.start: part.tree_hash async for part in follow("ListParts", fetch)}
    return descriptions[0], known
