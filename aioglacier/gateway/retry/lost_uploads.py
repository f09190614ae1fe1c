"""Uploads that a lost answer left behind, taken instead of beginning others; see ``core.lost``."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

from aioglacier.core.errors import UploadNotFoundError
from aioglacier.core.upload_identity import may_be_lost

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime

    from aioglacier.core.models import Page, UploadId
    from aioglacier.gateway.contract.protocols import Gateway

T = TypeVar("T")

#: Uploads that were begun here in the last quarter of an hour, if a hundred are each second.
_REMEMBERED: Final = 100_000


class LostUploads:
    """Knows which uploads were given to somebody, so that no two callers get the same."""

    def __init__(self) -> None:
        self._taken: OrderedDict[UploadId, None] = OrderedDict()

    def take(self, upload_id: UploadId) -> bool:
        """Give an upload to one caller; false if another has it."""
        if upload_id in self._taken:
            return False
        self._taken[upload_id] = None
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)
        return True

    async def find(
        self, gateway: Gateway, vault: str, *, description: str | None, part_size: int, since: datetime
    ) -> UploadId | None:
        """Take an upload that may have been begun so, and that nobody has sent a part.

        Raises:
            GlacierError: The uploads cannot be listed.
        """
        found = [
            upload.id
            async for upload in every(lambda marker: gateway.list_multipart_uploads(vault, marker=marker))
            if may_be_lost(upload, description=description, part_size=part_size, since=since)
        ]
        for upload_id in found:
            if await _is_empty(gateway, vault, upload_id) and self.take(upload_id):
                return upload_id
        return None


async def every(fetch: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncGenerator[T, None]:
    """The items of every page of a list."""
    marker = None
    while True:
        page = await fetch(marker)
        for item in page.items:
            yield item
        if page.marker is None or page.marker == marker:
            return
        marker = page.marker


async def _is_empty(gateway: Gateway, vault: str, upload_id: UploadId) -> bool:
    try:
        _, page = await gateway.list_parts(vault, upload_id, limit=1)
    except UploadNotFoundError:
        return False
    return not page.items
