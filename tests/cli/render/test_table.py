"""Texts that are cut to the columns of a terminal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aioglacier.cli.render.table import DATE, SIZE, Column, Table, measure, shorten


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("short", 5, "short"),
        ("photos/2026/november.tar", 12, "pho...er.tar"),
        ("anything", 2, ".."),
        ("anything", 0, ""),
        ("\N{BOOKS}" * 4, 8, "\N{BOOKS}" * 4),
        ("\N{BOOKS}" * 5, 9, "\N{BOOKS}...\N{BOOKS}\N{BOOKS}"),
    ],
)
def test_a_long_text_loses_its_middle(text: str, width: int, shown: str) -> None:
    """It never takes more columns than there are, whatever its characters are."""
    assert shorten(text, width) == shown
    assert measure(shown) <= width


@pytest.mark.parametrize(
    ("width", "titles"),
    [(None, "DATE (UTC)            SIZE  CLASS         KEY"), (60, "DATE (UTC)      SIZE  CLASS         KEY"),
     (40, "DATE (UTC)      SIZE  KEY")],
)  # fmt: skip
def test_columns_that_leave_no_room_are_left_out(width: int | None, titles: str) -> None:
    """A narrow terminal shows the date without its time, and a narrower one fewer columns."""
    output: Any = SimpleNamespace(width=width)
    table = Table(output, DATE, SIZE, Column("CLASS", 12, 12), last="KEY")
    line = table.row("2026-11-30 12:00", "5 KiB", "DEEP_ARCHIVE", "key")
    assert line.splitlines()[0] == titles
