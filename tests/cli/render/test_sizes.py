"""Sizes and times as people write and read them."""

from __future__ import annotations

import pytest

from aioglacier.cli.render.sizes import (
    parse_rate,
    parse_size,
    show_count,
    show_exact_size,
    show_rate,
    show_seconds,
    show_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1 << 20),
        ("64MiB", 64 << 20),
        ("4 gib", 4 << 30),
        ("16MB", 16_000_000),
        ("-1", -1),
    ],
)
def test_sizes_are_read_with_and_without_units(text: str, size: int) -> None:
    """Binary units, decimal units and plain bytes, in any case."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "1.5GiB", "16M", "1 MiB 2", "0x10", "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    """A size that could mean two things is none."""
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.50 KiB"),
        (50_000_000, "47.7 MiB"),
        (999 << 20, "999 MiB"),
        (1023 << 20, "1.00 GiB"),
        (40 << 40, "40 TiB"),
        (5000 << 40, "5000 TiB"),
    ],
)
def test_sizes_are_shown_in_their_unit(size: int, text: str) -> None:
    """Three digits at most, and none that say nothing."""
    assert show_size(size) == text


def test_other_quantities_are_shown_for_people() -> None:
    """Rates, times, counts and exact sizes."""
    assert show_exact_size(50_000_000) == "47.7 MiB (50,000,000 bytes)"
    assert show_rate(123_456_789, 1) == "123 MB/s"
    assert show_rate(1_500_000, 1) == "1.5 MB/s"
    assert [show_seconds(each) for each in (0.123, 12.34, 187, 14_700)] == [
        "0.12 s",
        "12.3 s",
        "3:07 min",
        "4:05 h",
    ]
    assert [show_count(each, "archive") for each in (0, 1, 1024)] == [
        "0 archives",
        "1 archive",
        "1,024 archives",
    ]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("5MB/s", {0: 5_000_000}),
        ("08:00-18:00=2MB/s", {0: None, 480: 2_000_000, 1080: None}),
        ("8:00-18:00=2MiB, 22:00-6:00=off, 1000", {480: 2 << 20, 0: None, 420: 1000}),
    ],
)
def test_a_rate_may_depend_on_the_time_of_day(text: str, minutes: dict[int, int | None]) -> None:
    """Its printed form means the same rate."""
    rate = parse_rate(text)
    if isinstance(rate, int):
        assert rate == minutes[0]
        return
    assert {minute: rate.rate_at(minute) for minute in minutes} == minutes
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize("text", ["off", "fast", "25:00-26:00=1MB", "08:00=1MB", ""])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """The message has an example of a rate."""
    with pytest.raises(ValueError, match=r"such as|limits nothing"):
        parse_rate(text)
