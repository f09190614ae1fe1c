"""Workers survive kills at any moment; ``workers.py`` has the large run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.endurance.workers import run_trial

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)]


def test_work_of_workers_that_are_killed_is_done_once(tmp_path: Path) -> None:
    """The file, the moved archives and the folder are exact, and no upload is open."""
    toll = run_trial(mib=128, paths=300, archives=6, kills=6, seed=1, folder=tmp_path)
    assert not toll.faults, toll.faults
    assert toll.kills.total() == 6
