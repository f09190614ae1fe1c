"""Columns that rows of every table share: dates, arguments, headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from aioglacier.core.errors import InvalidPlanError
from aioglacier.gateway.contract.row_columns import argument, fixed, read_date, text, write_date, written


def test_what_is_not_given_is_not_written() -> None:
    """An argument that is absent or ``None`` is left out."""
    writers = {"a": argument("x"), "b": argument("y"), "c": text("z"), "d": fixed("1")}
    assert written(writers, {"x": 5, "y": None}) == {"a": "5", "d": "1"}


def test_a_text_must_be_one() -> None:
    """Another type is refused, as its text might mean something else."""
    with pytest.raises(InvalidPlanError, match="marker must be a str, not 5"):
        text("marker")({"marker": 5})


@pytest.mark.parametrize(
    "text",
    ["2012-03-20T17:03:43Z", "2012-03-20T17:03:43.000Z", "2012-03-20T17:03:43", "2012-03-20T18:03:43+01:00"],
)
def test_dates_with_and_without_milliseconds_and_offset(text: str) -> None:
    """All forms of a date give the same instant, in UTC."""
    date = read_date(text)
    assert date == datetime(2012, 3, 20, 17, 3, 43, tzinfo=UTC)
    assert date.tzinfo is UTC


def test_dates_keep_their_milliseconds() -> None:
    """Milliseconds are kept."""
    assert read_date("2012-03-20T17:03:43.221Z").microsecond == 221_000


def test_dates_are_written_to_the_second_in_utc() -> None:
    """Dates are written in UTC, to the second."""
    date = datetime(2012, 3, 20, 18, 3, 43, 221_000, tzinfo=timezone(timedelta(hours=1)))
    assert write_date(date) == "2012-03-20T17:03:43Z"
