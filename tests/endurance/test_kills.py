"""Uploads survive a kill at any moment; ``kills.py`` has the long run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.endurance.kills import CONCURRENCY, PART_SIZE, run_seeds

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.long]

#: Split so that two processes can share the work.
BATCHES = [range(7), range(7, 14)]


@pytest.mark.parametrize("seeds", BATCHES, ids=str)
def test_uploads_that_are_killed_and_run_again_are_one_archive_each(seeds: range, tmp_path: Path) -> None:
    """PR-01: no losses, wrong bytes, duplicates or orphans, and few parts are sent again."""
    toll = run_seeds(seeds, tmp_path)
    assert not toll.faults, toll.faults
    assert toll.seeds == len(seeds)
    assert toll.kills >= len(seeds) / 3, "too few kills struck to prove anything"
    assert max(toll.resent) <= (CONCURRENCY + 1) * PART_SIZE
