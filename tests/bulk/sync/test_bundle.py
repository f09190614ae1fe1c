"""Bundles: the index that ends one can be read again, whatever its members have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioglacier.bulk.formats.bundle_index import encode_page
from aioglacier.bulk.sync import bundle
from tests.bulk.conftest import lose_catalog, recover

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.bulk.conftest import Place


async def test_long_attributes_make_more_pages_of_the_index(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is bounded in bytes, not only in lines, since a reader refuses pages above 64 MiB."""
    monkeypatch.setattr(bundle, "_INDEX_PAGE", 10_000)
    pages: list[int] = []

    def count(number: int, lines: list[bytes], *rest: object) -> bytes:
        pages.append(sum(map(len, lines)))
        return encode_page(number, lines, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(bundle, "encode_page", count)
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(10):
        (tree / f"f{number}").write_bytes(b"%d" % number)
        os.setxattr(tree / f"f{number}", "user.long", os.urandom(3000))
    await place.sync(tree)
    assert len(pages) > 3
    assert max(pages) < 20_000
    await lose_catalog(place)
    assert (await recover(place)).members == 11


async def test_the_index_of_very_many_members_is_made_from_the_records(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle keeps the pages of its index up to a limit; beyond that the index lists the same members."""
    monkeypatch.setattr(bundle, "_INDEX_LINES", 3)
    monkeypatch.setattr(bundle, "_INDEX_KEPT", 500)
    monkeypatch.setattr(bundle, "_RECORDED_AT_ONCE", 4)
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(20):
        (tree / f"f{number}").write_bytes(b"%d" % number)
    await place.sync(tree)
    await lose_catalog(place)
    assert (await recover(place)).members == 21
