"""The number of pieces that a reader fetches at once."""

from __future__ import annotations

import pytest

from aioglacier.transfer.download.pace import ReadingPace


@pytest.mark.parametrize(
    ("waits", "numbers"),
    [
        ((0,), [2, 2, 2, 2, 2, 2, 2, 2, 2]),  # every program waits for the first piece
        ((0, 5), [2, 2, 2, 2, 2, 2, 2, 2, 2]),  # a single wait
        ((0, 5, 7), [2, 2, 2, 2, 2, 2, 2, 4, 4]),  # two within as many pieces
        ((0, 2, 6), [2, 2, 4, 4, 4, 4, 8, 8, 8]),  # one in each round: the path is too slow
        (range(9), [2, 4, 8, 8, 8, 8, 8, 8, 8]),  # no more than the memory allows
    ],
)
def test_only_waits_in_every_round_fetch_more_at_once(waits: tuple[int, ...], numbers: list[int]) -> None:
    """A wait doubles the number if the program has waited within as many pieces."""
    pace = ReadingPace(8)
    found = []
    for number in range(9):
        if number in waits:
            pace.note_wait()
        found.append(pace.at_once)
        pace.note_given()
    assert found == numbers


def test_a_narrow_pace_stays_narrow() -> None:
    """It is slower at once, and waits make it no faster again."""
    pace = ReadingPace(8)
    for _ in range(3):
        pace.note_wait()
    assert pace.at_once == 8
    pace.narrow(3)
    assert pace.at_once == 3
    pace.narrow(5)
    pace.note_wait()
    assert pace.at_once == 3
