"""A folder that goes to a vault and back, killed on both ways; ``round_trip.py`` has the long run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bulk.conftest import make_tree
from tests.endurance.comparing import differences
from tests.endurance.round_trip import Traveller
from tests.endurance.served import serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_a_folder_that_was_killed_on_both_ways_is_the_same(tmp_path: Path) -> None:
    """The folder is the same, the service has no leftovers, and no byte was paid for twice."""
    with serving(tmp_path / "depot") as server:
        traveller = Traveller(tmp_path, server.url, seed=1, kills=1)
        traveller.travel(make_tree(tmp_path / "tree"), "encrypted-compressed")
    assert traveller.tally.faults == []


def test_what_differs_is_told(tmp_path: Path) -> None:
    """The comparison reports each difference that a restore could leave."""
    one, other = make_tree(tmp_path / "one"), make_tree(tmp_path / "other")
    for path in ("private", "old", "d0.txt", "sparse"):
        (other / path).unlink()
    (other / "private").write_bytes(b"Secret")
    (other / "much").write_bytes(b"too")
    found = "\n".join(differences(one, other))
    for path in ("private", "old", "d0.txt", "sparse", "much"):
        assert path in found
