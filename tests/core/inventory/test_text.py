"""Dates and text from untrusted documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from aioglacier.core.inventory.text import parse_utc, without_lone_surrogates
from tests.characters import TEXTS


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2017-08-22T17:24:07Z", datetime(2017, 8, 22, 17, 24, 7, tzinfo=UTC)),
        ("2012-03-20T17:03:43.221Z", datetime(2012, 3, 20, 17, 3, 43, 221000, tzinfo=UTC)),
        ("20120821T170824Z", datetime(2012, 8, 21, 17, 8, 24, tzinfo=UTC)),
        ("2017-08-22T19:24:07+02:00", datetime(2017, 8, 22, 17, 24, 7, tzinfo=UTC)),
    ],
)
def test_dates_are_read_into_utc(text: str, date: datetime) -> None:
    """Seconds, milliseconds, the compact form and offsets name an instant."""
    parsed = parse_utc(text)
    assert parsed == date
    assert parsed is not None
    assert parsed.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    ["", "now", "2017-08-22", "2017-08-22T17:24:07", "2017-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"],
)
def test_what_names_no_instant_is_none(text: str) -> None:
    """A text without a time zone, without a date, or out of range in UTC is ``None``."""
    assert parse_utc(text) is None


@given(TEXTS)
def test_no_text_makes_the_date_parser_raise(text: str) -> None:
    """Any text is an aware date or none."""
    date = parse_utc(text)
    assert date is None or date.tzinfo is not None


@given(TEXTS)
def test_text_without_surrogates_is_unchanged(text: str) -> None:
    """Only halves of pairs are replaced."""
    assert without_lone_surrogates(text) == text


@given(st.text(st.characters()))
def test_any_text_becomes_encodable(text: str) -> None:
    """The result can be stored and sent as UTF-8."""
    assert without_lone_surrogates(f"{text}\udc80").encode()


def test_a_lone_half_is_replaced_and_a_pair_joined() -> None:
    """Two halves that belong together are one character."""
    assert without_lone_surrogates("a\ud83db") == "a\ufffdb"
    assert without_lone_surrogates("\ud83d\ude00") == "\N{GRINNING FACE}"
