"""Content that the vault has is not sent again."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from aioglacier.bulk.pricing import load_prices
from tests.bulk.conftest import MIB, picture, restore, write
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

PRICES = load_prices("us-east-1")


async def test_content_that_is_stored_is_not_sent_again(place: Place, tmp_path: Path) -> None:
    """Not under another name, in another folder, nor when it comes back."""
    big = os.urandom(17 * MIB)
    tree = write(tmp_path / "tree", {"a/small": os.urandom(3000), "a/big": big})
    await place.sync(tree)
    (tree / "a").rename(tree / "b")
    moved = await place.sync(tree)
    assert moved.recorded >= 2
    assert moved.sent < MIB
    other = write(tmp_path / "other", {"copy": big})
    assert (await place.sync(other)).sent < MIB
    await place.restore(tmp_path / "back", folder=str(tree))
    assert picture(tmp_path / "back") == picture(tree)


async def test_a_hard_link_stands_for_what_its_file_was(place: Place, tmp_path: Path) -> None:
    """A link that was broken up before a killed sync does not get the content of the other file."""
    tree = write(tmp_path / "tree", {"a": b"shared"})
    (tree / "z").hardlink_to(tree / "a")
    await place.sync(tree)
    (tree / "z").unlink()
    write(tree, {"a": os.urandom(20_000), "z": os.urandom(30_000)})
    words = ("sync", "--bundle-up-to=25000", tree, "folders")
    assert run(place, *words, crash_at="archive recorded:2") == -signal.SIGKILL
    await restore(place, tmp_path / "back")
    assert (tmp_path / "back" / "z").read_bytes() in {b"shared", (tree / "z").read_bytes()}
    assert run(place, *words) == 0
    await place.restore(tmp_path / "whole")
    assert picture(tmp_path / "whole") == picture(tree)
