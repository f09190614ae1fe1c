"""Texts that are cut to the columns of a terminal."""

from __future__ import annotations

import pytest

from aioglacier.cli.render.table import measure, shorten


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
