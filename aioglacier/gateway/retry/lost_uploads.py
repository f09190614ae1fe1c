"""Give no two callers the same upload, be it new or one that a lost answer left behind."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import UploadNotFoundError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aioglacier.core.models import Page, UploadId

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

    async def take_empty(
        self, found: Iterable[UploadId], list_one: Callable[[UploadId], Awaitable[tuple[Any, Page[Any]]]]
    ) -> UploadId | None:
        """Take and return the first free upload without parts, or return ``None``.

        Args:
            found: Uploads that fit.
            list_one: Lists the first part of one.

        Raises:
            GlacierError: The parts cannot be listed.
        """
        for upload_id in found:
            try:
                _, page = await list_one(upload_id)
            except UploadNotFoundError:
                continue
            if not page.items and self.take(upload_id):
                return upload_id
        return None
