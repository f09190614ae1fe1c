"""CSV as RFC 4180 has it, of which a spreadsheet runs nothing."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection").
#: An apostrophe is here too, so that the one in front can be told from one that was there.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def harmless(text: str) -> str:
    """The text with an apostrophe in front, if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_line(cells: Iterable[object]) -> str:
    """One line, with its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()
