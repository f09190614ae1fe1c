"""Files of a folder are encrypted before they leave."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.sync.plan import SyncOptions
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.core.errors import ConfigurationError
from tests.bulk.conftest import MIB, Key, make_tree, picture
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

pytestmark = pytest.mark.slow


async def test_an_encrypted_folder_does_not_go_in_plain_by_oversight(
    place: Place, tree: Path, key: Key
) -> None:
    """A sync without recipients after one with them is refused, unless it is asked for."""
    await place.sync(tree, recipients=key.recipients)
    (tree / "new").write_bytes(b"new")
    async with place.vault() as vault:
        with pytest.raises(ConfigurationError, match="--no-encryption"):
            await FolderSync(vault, tree).run()
    done = await place.sync(tree, allows_plain=True)
    assert done.archived == 1
    (tree / "newer").write_bytes(b"newer")
    assert (await place.sync(tree)).archived == 1


async def test_what_was_only_touched_is_not_encrypted_again(place: Place, tmp_path: Path, key: Key) -> None:
    """Whether small or big: the hash on record is that of the content."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "small").write_bytes(b"small")
    (tree / "big").write_bytes(os.urandom(17 * MIB))
    await place.sync(tree, recipients=key.recipients)
    for name in ("small", "big"):
        os.utime(tree / name, ns=(5, 5))
    done = await place.sync(tree, recipients=key.recipients)
    assert (done.archives, done.recorded, done.requests) == (0, 2, 0)
    await place.restore(tmp_path / "back", identities=key.identities)
    assert (tmp_path / "back" / "big").stat().st_mtime_ns == 5


@pytest.mark.parametrize(
    "point",
    [
        "upload id recorded",
        "part sent",
        "completing recorded:2",
        pytest.param("completing recorded", marks=pytest.mark.long),
        pytest.param("completed", marks=pytest.mark.long),
    ],
)
async def test_an_encrypted_sync_killed_at_any_point_is_made_good_by_the_next(
    place: Place, tmp_path: Path, key: Key, point: str
) -> None:
    """One bundle and one file in the end, no upload is open, and all comes back."""
    tree = make_tree(tmp_path / "tree", files=5)
    (tree / "big").write_bytes(os.urandom(17 * MIB))
    async with place.vault():
        pass
    command = ("sync", f"--recipient={key.recipient}", tree, "folders")
    assert run(place, *command, crash_at=point) == -signal.SIGKILL
    assert run(place, *command) == 0
    assert len(await place.archives()) == 2
    assert run(place, "restore", f"--identity={key.file}", "folders", tmp_path / "back") == 0
    assert picture(tmp_path / "back") == picture(tree)
    assert (await place.sync(tree, recipients=key.recipients)).requests == 0


async def test_a_plan_counts_what_encryption_adds(place: Place, tmp_path: Path, key: Key) -> None:
    """The plan of a dry run is close to what is sent."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(300):
        (tree / f"{number}").write_bytes(os.urandom(1000))
    options = SyncOptions(recipients=key.recipients)
    async with place.vault() as vault:
        plan = await FolderSync(vault, tree, options).plan()
        done = await FolderSync(vault, tree, options).run()
    assert plan.requests == done.requests
    assert abs(plan.sent - done.sent) < done.sent // 10
