"""The ends of bundles."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioglacier.bulk.restore import bundle_reader
from tests.bulk.conftest import MIB, lose_catalog, picture, recover

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.bulk.conftest import Place


async def test_an_index_that_is_longer_than_the_end_takes_another_job(
    place: Place, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second job retrieves the index and nothing else."""
    monkeypatch.setattr(bundle_reader, "TAIL", 4096)
    for number in range(60):
        (tree / f"more{number}").write_bytes(os.urandom(MIB // 4))
    (tree / "long").mkdir()
    for number in range(800):
        (tree / "long" / f"{number}").symlink_to(os.urandom(1900).hex())
    await place.sync(tree)
    (archive,) = await place.archives()
    await lose_catalog(place)
    done = await recover(place)
    assert done.jobs_started == 2
    async with place.vault() as vault:
        sizes = [job.byte_range.size async for job in vault.jobs() if job.byte_range is not None]
    assert len(sizes) == 2
    assert sum(sizes) < archive.size - 10 * MIB
    assert done.members == len(picture(tree))


async def test_an_archive_that_says_it_is_a_bundle_and_is_none_is_listed(place: Place, tree: Path) -> None:
    """The other bundles are read."""
    await place.sync(tree)
    async with place.vault() as vault:
        await vault.upload(os.urandom(5000), description='{"aioglacier": "bundle", "folder": "tree"}')
    await lose_catalog(place)
    done = await recover(place)
    assert done.bundles == 1
    ((_, error),) = done.damaged
    assert "not a bundle" in str(error)
