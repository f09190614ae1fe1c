"""A ``sync`` or ``restore`` killed at any moment: the next one ends exact, nothing is twice or left."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.bulk.conftest import MIB, make_tree, picture
from tests.forking import forks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

pytestmark = pytest.mark.slow

#: Points of the first upload of a run, or of the second; the long tests have the same of the other one.
POINTS = (
    "upload intent recorded",
    "upload initiated",
    "upload id recorded",
    "part sent:3",
    "completing recorded:2",
    "completed",
    "archive recorded:2",
)
MORE_POINTS = ("part sent", "completing recorded", "completed:2", "archive recorded")


def run(place: Place, *arguments: str | Path, crash_at: str = "", seconds: float | None = None) -> int:
    """Run the program, perhaps to be killed; returns its exit code."""
    environment = {**os.environ, "AIOGLACIER_CRASH_AT": crash_at, "HOME": str(place.glacier.parent)}
    words = [f"--local={place.glacier}", f"--catalog={place.catalog}", *map(str, arguments)]
    streams = {"stdout": subprocess.DEVNULL, "stderr": 2}
    with forks().start(words, cwd=place.glacier.parent, env=environment, **streams) as child:
        try:
            return child.wait(timeout=60 if seconds is None else seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait(timeout=10)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder whose files go into a bundle, but for one that goes by itself."""
    tree = make_tree(tmp_path / "tree", files=10)
    (tree / "big").write_bytes(os.urandom(17 * MIB))
    return tree


@pytest.mark.parametrize(
    "point", [*POINTS, *(pytest.param(point, marks=pytest.mark.long) for point in MORE_POINTS)]
)
async def test_a_sync_killed_at_any_point_is_made_good_by_the_next(
    place: Place, mixed: Path, tmp_path: Path, point: str
) -> None:
    """One bundle and one file are in the vault in the end, no upload is open, and all comes back."""
    async with place.vault():
        pass
    assert run(place, "sync", mixed, "folders", crash_at=point) == -signal.SIGKILL
    assert run(place, "sync", mixed, "folders") == 0
    assert len(await place.archives()) == 2
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(mixed)
    again = await place.sync(mixed)
    assert again.requests == 0


async def test_a_sync_killed_at_odd_moments_is_made_good_by_the_next(place: Place, tmp_path: Path) -> None:
    """Several bundles, killed again and again: each archive is there once, and all comes back."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(60):
        (tree / f"f{number}").write_bytes(os.urandom(MIB // 2))
    async with place.vault():
        pass
    for seconds in (0.5, 0.7, 0.8, 0.9, 1.0):
        run(place, "sync", "--bundle-size=4MiB", tree, "folders", seconds=seconds)
    assert run(place, "sync", "--bundle-size=4MiB", tree, "folders") == 0
    archives = await place.archives()
    assert sum(archive.size for archive in archives) < 32 * MIB
    assert (await place.sync(tree)).requests == 0
    for seconds in (0.5, 0.7, 0.9):
        run(place, "restore", "folders", tmp_path / "back", seconds=seconds)
    assert run(place, "restore", "folders", tmp_path / "back") == 0
    assert picture(tmp_path / "back") == picture(tree)


async def test_a_restore_right_after_a_killed_sync_brings_back_each_path_once(
    place: Place, mixed: Path, tmp_path: Path
) -> None:
    """A bundle was completed, and the versions that it takes the place of had not been ended."""
    await place.sync(mixed)
    (mixed / "private").write_bytes(b"other secret")
    assert run(place, "sync", mixed, "folders", crash_at="archive recorded") == -signal.SIGKILL
    await place.restore(tmp_path / "back")
    assert (tmp_path / "back" / "private").read_bytes() == b"other secret"


@pytest.mark.parametrize("point", ["part sent", "completing recorded", "completed"])
async def test_a_small_file_that_goes_by_itself_is_settled_by_the_next_sync(
    place: Place, tmp_path: Path, point: str
) -> None:
    """It is not sent in one request, of which only an inventory could tell what became of it."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "alone").write_bytes(os.urandom(5000))
    (tree / "empty").touch()
    async with place.vault():
        pass
    words = ("sync", "--bundle-up-to=1KiB", tree, "folders")
    assert run(place, *words, crash_at=point) == -signal.SIGKILL
    assert run(place, *words) == 0
    assert len(await place.archives()) == 2
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)
