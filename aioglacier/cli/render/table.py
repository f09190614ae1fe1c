"""Tables: one line a record, printed as it comes, as wide as the terminal and never wider."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.cli.render.escaping import escape

if TYPE_CHECKING:
    from aioglacier.cli.render.console import Output

#: Characters between two columns.
_GAP: Final = 2

#: The last column gets at least this much, or the others become narrow.
_LEAST_LAST: Final = 30

#: With less than this, columns are left out from the right.
_LEAST_NARROW: Final = 8

#: Text that is cut shows this instead; no other character is in every encoding and one column wide.
_CUT: Final = "..."


class Column(NamedTuple):
    """A column of fixed width.

    Attributes:
        title: Its first line.
        width: Characters.
        narrow: The same in a narrow terminal; 0 leaves the column out.
        is_number: Its cells stand on the right.
    """

    title: str
    width: int
    narrow: int
    is_number: bool = False


#: A date and time in UTC; a narrow terminal shows the date.
DATE: Final = Column("DATE (UTC)", 16, 10)
SIZE: Final = Column("SIZE", 8, 8, is_number=True)
STATUS: Final = Column("STATUS", 10, 10)
SENT: Final = Column("SENT", 8, 8, is_number=True)


class Table:
    """A table whose last column takes the room that is left.

    Rows are not kept, so the widths of the other columns are fixed. In a file or a pipe nothing is cut.

    Attributes:
        is_narrow: Whether the terminal is too narrow for all columns.
    """

    def __init__(self, output: Output, *columns: Column, last: str) -> None:
        self._columns = columns
        self._titles: str | None = last
        self._width = output.width
        self._widths = [column.width for column in columns]
        self.is_narrow = self._left() < _LEAST_LAST
        if self.is_narrow:
            self._widths = [column.narrow for column in columns]
        while self._left() < _LEAST_NARROW and any(self._widths):
            del self._widths[max(index for index, width in enumerate(self._widths) if width) :]

    def _left(self) -> float:
        """Return the room for the last column."""
        if self._width is None:
            return math.inf
        return self._width - sum(width + _GAP for width in self._widths if width)

    def row(self, *cells: str) -> str:
        """Return the line of some cells, the last one of any length; above the first line are the titles."""
        line = self._line(*cells)
        if self._titles is None:
            return line
        titles = self._line(*(column.title for column in self._columns), self._titles)
        self._titles = None
        return f"{titles}\n{line}"

    def _line(self, *cells: str) -> str:
        texts = []
        for column, width, cell in zip(self._columns, self._widths, cells, strict=False):
            if width:
                text = escape(cell)
                if self._width is not None:
                    text = text[:width] if self.is_narrow else shorten(text, width)  # narrow: a date, no time
                texts.append(text.rjust(width) if column.is_number else text.ljust(width))
        last = escape(cells[-1])
        if self._width is not None:
            last = shorten(last, self._width - sum(len(text) + _GAP for text in texts))
        return (" " * _GAP).join([*texts, last]).rstrip()


def shorten(text: str, width: int) -> str:
    """Return the text in at most so many columns of a terminal; the middle of a longer one is left out."""
    if measure(text) <= width:
        return text
    room = max(0, width - len(_CUT))
    # Names that are alike at the front differ at their end, so the end gets two thirds.
    end = _take(text[::-1], room - room // 3)[::-1]
    return f"{_take(text, room // 3)}{_CUT}{end}"[: max(0, width)]


def measure(text: str) -> int:
    """Return the columns that printable text takes in a terminal."""
    return len(text) if text.isascii() else sum(map(_measure_one, text))


def _measure_one(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _take(text: str, width: int) -> str:
    """Return as many characters from the front as the columns have room for."""
    for count, character in enumerate(text):
        width -= _measure_one(character)
        if width < 0:
            return text[:count]
    return text


def show_date(instant: str | None) -> str:
    """Return a time of a record, as "2026-11-22T12:00:00.000Z", for a column."""
    return (instant or "")[:16].replace("T", " ")
