"""The failures of one run."""

from __future__ import annotations

from aioglacier.bulk.path_failures import PathFailures
from aioglacier.core.errors import TargetError


def test_all_failures_count_and_the_first_thousand_are_kept() -> None:
    """A run with a million failures keeps a list of bounded size."""
    failures = PathFailures()
    error = TargetError("it is there", path="a")
    for number in range(1005):
        failures.add(b"%d" % number, error)
    assert failures.count == 1005
    assert len(failures.kept) == 1000
    assert failures.kept[0] == (b"0", error)
    assert failures.kept[-1].path == b"999"
