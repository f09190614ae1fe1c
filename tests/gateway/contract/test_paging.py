"""Paged lists are followed to their end, and never in circles."""

from __future__ import annotations

import pytest

from aioglacier.core.errors import UnexpectedResponseError
from aioglacier.core.models import Page
from aioglacier.gateway.contract.paging import follow


async def test_every_page_is_given_in_order() -> None:
    """Paging ends at a page without a marker, not at a page without items."""
    pages: dict[str | None, Page[int]] = {
        None: Page((1, 2), "a"),
        "a": Page((), "b"),
        "b": Page((3,), "c"),
        "c": Page((), None),
    }
    asked = []

    async def fetch(marker: str | None) -> Page[int]:  # follow awaits it
        asked.append(marker)
        return pages[marker]

    assert [item async for item in follow("List", fetch)] == [1, 2, 3]
    assert asked == [None, "a", "b", "c"]


@pytest.mark.parametrize("second", ["a", "b"])
async def test_a_list_that_goes_in_circles_is_an_error(second: str) -> None:
    """The error names a marker that came twice, at once or after a longer circle."""
    pages = {None: Page((1,), "a"), "a": Page((2,), second), "b": Page((3,), "a")}

    async def fetch(marker: str | None) -> Page[int]:  # follow awaits it
        return pages[marker]

    with pytest.raises(UnexpectedResponseError, match="marker 'a' came twice"):
        [item async for item in follow("List", fetch)]


async def test_no_page_is_fetched_before_it_is_needed() -> None:
    """A caller that stops early has requested no further page."""
    asked = []

    async def fetch(marker: str | None) -> Page[int]:  # follow awaits it
        asked.append(marker)
        return Page((1, 2), "more")

    async for item in follow("List", fetch):
        assert item == 1
        break
    assert asked == [None]
