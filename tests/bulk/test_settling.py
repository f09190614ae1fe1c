"""Uploads that a killed run left are settled by the next one."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.bulk.conftest import restore, write
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


async def test_a_rename_that_is_killed_keeps_the_old_names(place: Place, tmp_path: Path) -> None:
    """Until the new ones count, whatever the moment."""
    tree = write(tmp_path / "tree", {f"old/f{number}": os.urandom(3000) for number in range(20)})
    await place.sync(tree)
    (tree / "old").rename(tree / "new")
    write(tree, {"more": os.urandom(3000)})
    assert run(place, "sync", tree, "folders", crash_at="part sent") == -signal.SIGKILL
    back = await restore(place, tmp_path / "back")
    assert back.failures == []
    assert len(list((tmp_path / "back" / "old").iterdir())) == 20
