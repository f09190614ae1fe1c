"""The shared state of operations on a bucket: heads, and the states of many restores."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aioglacier.client.buckets.bucket_context import BucketContext, find_head
from aioglacier.core.errors import ObjectNotFoundError
from aioglacier.core.models import Page
from aioglacier.core.s3.objects import BucketRef, ObjectEntry, RestoreState

REF = BucketRef("museum")


class Lists:
    """A gateway that has a page of restores, and counts its lists.

    Attributes:
        asked: The keys after which lists began.
    """

    def __init__(self, ongoing: int, count: int) -> None:
        self.asked: list[str | None] = []
        self._entries = tuple(
            ObjectEntry(f"k{n:02}", 1, "e", datetime.now(UTC), "GLACIER", RestoreState(n < ongoing))
            for n in range(count)
        )

    async def list_objects(self, _: BucketRef, *, after: str | None) -> Page[ObjectEntry]:
        """List all."""
        self.asked.append(after)
        return Page(self._entries, None)

    async def head_object(self, _: BucketRef, __: str) -> None:
        """Have no object."""
        raise ObjectNotFoundError("none", operation="HeadObject", code="", status=404)


def context(gateway: Any) -> BucketContext:
    """Return the context of a bucket behind a gateway."""
    resources: Any = None  # nothing is transferred
    return BucketContext(gateway, resources, REF, "", None)


async def test_few_restores_are_asked_for_one_by_one() -> None:
    """Below ten no list pays."""
    lists = Lists(ongoing=9, count=9)
    states = context(lists).restores
    for number in range(9):
        states.begin(f"k{number:02}")
    assert not await states.is_ongoing("k00")
    assert lists.asked == []


async def test_one_list_tells_of_many_restores() -> None:
    """Each answer counts once, so that the next question lists again."""
    lists = Lists(ongoing=10, count=12)
    states = context(lists).restores
    for number in range(12):
        states.begin(f"k{number:02}")
    found = [await states.is_ongoing(f"k{number:02}") for number in range(12)]
    assert found == [True] * 10 + [False] * 2
    assert lists.asked == ["k0"]
    assert await states.is_ongoing("k00")
    assert len(lists.asked) == 2
    for number in range(3):
        states.end(f"k{number:02}")
    assert not await states.is_ongoing("k05")


async def test_a_key_without_an_object_says_how_to_find_it() -> None:
    """The error has the bucket and the key, and the call that lists."""
    with pytest.raises(ObjectNotFoundError) as caught:
        await find_head(context(Lists(0, 0)), "scans/1907")
    assert (caught.value.bucket, caught.value.key) == ("museum", "scans/1907")
    assert caught.value.__notes__ == [
        "list the keys: aioglacier list s3://museum/scans, or bucket.objects('scans')"
    ]
    assert "there is no object s3://museum/scans/" in str(caught.value)
