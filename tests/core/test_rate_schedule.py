"""Rates by the time of day."""

from __future__ import annotations

import pytest

from aioglacier.core.rate_schedule import RateSchedule, RateWindow

DAY = RateWindow(480, 1080, 2_000_000)
NIGHT = RateWindow(1380, 60, None)


@pytest.mark.parametrize(
    ("window", "minute", "holds"),
    [
        (DAY, 479, False),
        (DAY, 480, True),
        (DAY, 1079, True),
        (DAY, 1080, False),
        (NIGHT, 1379, False),
        (NIGHT, 1439, True),
        (NIGHT, 0, True),
        (NIGHT, 60, False),
        (RateWindow(300, 300, 1), 299, True),  # from a minute to the same one is the whole day
    ],
)
def test_a_window_holds_its_first_minute_and_not_its_last(
    window: RateWindow, minute: int, *, holds: bool
) -> None:
    """A window may go past midnight."""
    assert window.holds(minute) is holds


def test_the_first_window_that_holds_a_moment_counts() -> None:
    """Outside of all windows the other rate counts."""
    schedule = RateSchedule((DAY, RateWindow(0, 600, 5), NIGHT), 7)
    assert [schedule.rate_at(minute) for minute in (30, 500, 1200, 1400)] == [5, 2_000_000, 7, None]


def test_the_lowest_rate_is_one_that_limits() -> None:
    """A schedule without a limit has none."""
    assert RateSchedule((DAY, NIGHT), 7).least == 7
    assert RateSchedule((DAY, NIGHT)).least == 2_000_000
    assert RateSchedule((NIGHT,)).least is None


def test_a_schedule_is_written_as_the_command_line_takes_it() -> None:
    """Hours and minutes have two digits, and no limit is "off"."""
    assert str(RateSchedule((DAY, NIGHT), 7)) == "08:00-18:00=2000000,23:00-01:00=off,7"
    assert str(RateSchedule((DAY,))) == "08:00-18:00=2000000"
