"""Find the upload that a lost answer left behind, before another is begun; see ``core.upload_identity``."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import UploadNotFoundError
from aioglacier.core.upload_identity import may_be_lost
from aioglacier.gateway.contract.paging import follow

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.models import UploadId
    from aioglacier.gateway.vaults.gateway import Gateway

#: As many uploads as begin in a quarter of an hour, at a hundred a second.
_REMEMBERED: Final = 100_000


class LostUploads:
    """The uploads that were given to callers, so that no two callers get the same."""

    def __init__(self) -> None:
        self._taken: OrderedDict[UploadId, None] = OrderedDict()

    def take(self, upload_id: UploadId) -> bool:
        """Return whether the upload is free, and note that it now belongs to the caller."""
        if upload_id in self._taken:
            return False
        self._taken[upload_id] = None
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)
        return True

    async def find(
        self, gateway: Gateway, vault: str, *, description: str | None, part_size: int, since: datetime
    ) -> UploadId | None:
        """Take and return an upload that fits and has no parts, or return ``None``.

        Raises:
            GlacierError: The uploads cannot be listed.
        """
        found = [
            upload.id
            async for upload in follow(
                "ListMultipartUploads", lambda marker: gateway.list_multipart_uploads(vault, marker=marker)
            )
            if may_be_lost(upload, description=description, part_size=part_size, since=since)
        ]
        for upload_id in found:
            if await _is_empty(gateway, vault, upload_id) and self.take(upload_id):
                return upload_id
        return None


async def _is_empty(gateway: Gateway, vault: str, upload_id: UploadId) -> bool:
    try:
        _, page = await gateway.list_parts(vault, upload_id, limit=1)
    except UploadNotFoundError:
        return False
    return not page.items
