"""Shards survive kills at any moment; ``shards.py`` has the large run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.endurance.shards import run_trial

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_shards_that_are_killed_and_started_again_do_everything_once(tmp_path: Path) -> None:
    """The folder comes back exact, and each archive has one object and one job."""
    toll = run_trial(paths=400, archives=30, shards=2, kills=4, seed=1, folder=tmp_path)
    assert not toll.faults, toll.faults
    assert toll.kills >= 2, "too few kills struck to prove anything"
