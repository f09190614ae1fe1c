"""Members of bundles on their way to their places."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioglacier.bulk.restore.selection import SelectionOptions
from tests.bulk.conftest import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

KIB = 1024


async def test_shared_members_and_several_batches_come_back(place: Place, tmp_path: Path) -> None:
    """Members are read 500 at a time, and one that several paths share comes to all of them."""
    content = os.urandom(200 * KIB)
    files = {f"f{number:03}": b"%d" % (number % 300) for number in range(505)}
    tree = write(tmp_path / "tree", {"a": content, **files, "z": content})
    await place.sync(tree)
    await place.restore(tmp_path / "back")
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == {
        path.name: path.read_bytes() for path in tree.iterdir()
    }


async def test_a_long_gap_between_members_is_skipped(place: Place, tmp_path: Path) -> None:
    """Only the bytes that are meant are kept in memory; both ends of a bundle come back."""
    tree = write(tmp_path / "tree", {"a": b"first", "b": os.urandom(300 * KIB), "c": b"last"})
    await place.sync(tree)
    await place.restore(tmp_path / "back", selection=SelectionOptions(patterns=("a", "c")))
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == {
        "a": b"first",
        "c": b"last",
    }
