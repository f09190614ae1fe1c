"""The files that a deletion of archives would lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.bulk import find_losses
from tests.bulk.conftest import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


async def test_the_files_that_would_be_lost_are_known_before(place: Place, tmp_path: Path) -> None:
    """By name, and whether an older version stays."""
    tree = write(tmp_path / "tree", {"a": b"1", "b": b"2"})
    await place.sync(tree)
    first = {archive.id for archive in await place.archives()}
    write(tree, {"a": b"changed"})
    await place.sync(tree)
    (newest,) = [archive for archive in await place.archives() if archive.id not in first]
    async with place.vault() as vault:
        pages = [page async for page in find_losses(vault, [newest.id])]
        every = [loss.path for page in [each async for each in find_losses(vault)] for loss in page]
    losses = {loss.path: loss.has_older for page in pages for loss in page}
    assert losses[b"a"]
    assert {b"a", b"b"} <= set(every)
