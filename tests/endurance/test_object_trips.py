"""A stream that goes to a bucket and back, killed on both ways; ``object_trips.py`` has the long run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.endurance.object_trips import MIB, travel_all

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.long
async def test_a_stream_that_was_killed_on_both_ways_is_the_same(tmp_path: Path) -> None:
    """The bytes are the same, there is one object, and nothing is unfinished."""
    tally = await travel_all(tmp_path, size=40 * MIB, kills=1, classes=("DEEP_ARCHIVE",), sources=("stdin",))
    assert tally.faults == []
