"""Read a list page by page to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aioglacier.core.errors import UnexpectedResponseError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from aioglacier.core.models import Page

T = TypeVar("T")


async def follow(
    operation: str, fetch: Callable[[str | None], Awaitable[Page[T]]]
) -> AsyncGenerator[T, None]:
    """Yield the items of every page; a page may be short or empty without being the last.

    Raises:
        UnexpectedResponseError: A marker came twice, so the list would never end.
    """
    seen: set[str] = set()
    marker: str | None = None
    while True:
        page = await fetch(marker)
        for item in page.items:
            yield item
        marker = page.marker
        if marker is None:
            return
        if marker in seen:
            raise UnexpectedResponseError(
                f"the list does not end: marker {marker!r} came twice",
                operation=operation,
                status=200,
                may_have_taken_effect=False,
            )
        seen.add(marker)
