"""Uploads that a killed run left are settled by the next one."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.bulk.conftest import MIB, restore, write
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Key, Place


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


@pytest.mark.slow
async def test_an_encrypted_file_that_an_inventory_settles_has_one_version(
    place: Place, tmp_path: Path, key: Key
) -> None:
    """Restore brings the new content by one job, and the next sync sends nothing."""
    tree = write(tmp_path / "tree", {"big": os.urandom(17 * MIB)})
    await place.sync(tree, recipients=key.recipients)
    write(tree, {"big": os.urandom(17 * MIB)})
    words = ("sync", f"--recipient={key.recipient}", tree, "folders")
    assert run(place, *words, crash_at="completed") == -signal.SIGKILL
    assert run(place, "inventory", "folders") == 0
    await place.restore(tmp_path / "back", identities=key.identities)
    assert (tmp_path / "back" / "big").read_bytes() == (tree / "big").read_bytes()
    async with place.vault() as vault:
        assert len([job async for job in vault.jobs() if job.archive_id is not None]) == 1
    assert (await place.sync(tree, recipients=key.recipients)).requests == 0
