"""A sample of the vault, compared with what was sent."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import Trouble
from aioglacier.catalog import ArchiveState
from aioglacier.core.errors import CostLimitError
from tests.bulk.conftest import MIB, Place, verify
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_sample_of_the_vault_comes_back_as_it_was_sent(place: Place, tmp_path: Path) -> None:
    """Every MiB of the sample is retrieved by itself, and paid once."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "small").write_bytes(os.urandom(3 * MIB))
    (tree / "big").write_bytes(os.urandom(17 * MIB + 5))
    await place.sync(tree)
    found = await verify(place, tree, sample=50)
    assert found.findings == []
    assert found.snapshot().sampled == 4 + 18
    assert found.snapshot().cost > 0
    again = await verify(place, tree, sample=50)
    assert found.snapshot().cost > again.snapshot().cost > 0  # only the bytes come again


async def test_a_sample_that_was_stopped_goes_on_with_its_jobs(place: Place, tmp_path: Path) -> None:
    """Another sample would have to be paid for; once it is through, the next one is another."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "large").write_bytes(os.urandom(15 * MIB))
    await place.sync(tree)
    words = ("verify", tree, "folders", "--sample=3")
    assert run(place, *words, crash_at="job id recorded:3") == -signal.SIGKILL
    assert run(place, *words) == 0
    assert len(await ranges(place)) == 3
    assert run(place, *words) == 0
    assert len(await ranges(place)) > 3


async def ranges(place: Place) -> set[object]:
    """Return the ranges of archives that were asked for."""
    async with place.vault() as vault:
        return {job.byte_range async for job in vault.jobs() if job.archive_id is not None}


async def test_an_archive_that_is_gone_is_found_by_the_sample(place: Place, tree: Path) -> None:
    """The missing archive is named, whichever program deleted it."""
    await place.sync(tree)
    (archive,) = await place.archives()
    async with place.vault() as vault:
        assert vault.records is not None
        await vault.delete_archive(archive.id)
        await vault.records.catalog.archives.record_state(vault.records.key, archive.id, ArchiveState.STORED)
    found = await verify(place, tree, sample=1)
    gone, *lost = found.findings
    assert gone.trouble is Trouble.UNAVAILABLE
    assert archive.id in gone.what
    assert {finding.trouble for finding in lost} == {Trouble.LOST}
    assert "private" in {finding.what for finding in lost}


async def test_a_sample_that_is_too_dear_is_refused(place: Place, tree: Path) -> None:
    """The sample is refused before anything is read."""
    await place.sync(tree)
    with pytest.raises(CostLimitError):
        await verify(place, tree, sample=1000, max_cost=0.001)
