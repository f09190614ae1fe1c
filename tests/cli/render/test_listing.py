"""Lists of records, as text and as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

import pytest

from aioglacier.cli.render.console import Output
from aioglacier.cli.render.listing import csv_row, harmless, in_batches, print_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RECORDS: Final[list[dict[str, Any]]] = [{"id": "1", "size": 5}, {"id": "2", "size": None}]


async def records(ended: list[bool]) -> AsyncIterator[dict[str, Any]]:
    """The records; notes that it was closed."""
    try:
        for record in RECORDS:
            yield record
    finally:
        ended.append(True)


async def test_batches_are_full_but_for_the_last() -> None:
    """A list is read as far as its batch, and closed at its end."""
    ended: list[bool] = []
    assert [len(batch) async for batch in in_batches(records(ended), 1)] == [1, 1]
    assert [batch async for batch in in_batches(records(ended), 5)] == [RECORDS]
    assert ended == [True, True]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\tx", "'x"])
def test_text_never_becomes_a_formula(text: str) -> None:
    """An apostrophe stands in front, also where one was there, so that the two differ."""
    assert harmless(text) == f"'{text}"
    assert harmless(f"a{text}") == f"a{text}"


def test_a_row_of_csv_comes_back() -> None:
    """Quotes, commas and line ends stay in their cell (RFC 4180)."""
    line = csv_row({"id": "-1", "description": 'a "b",\nc'}, ["description", "id"])
    assert line.endswith("\r\n")
    assert [*csv.reader(io.StringIO(line, newline=""))] == [['a "b",\nc', "-1"]]


async def test_a_list_is_printed_counted_and_closed(capsys: pytest.CaptureFixture[str]) -> None:
    """A size that is not known counts as nothing."""
    ended: list[bool] = []
    total = await print_all(Output(), records(ended), dict, lambda record: str(record["id"]))
    assert total == (2, 5)
    assert capsys.readouterr().out == "1\n2\n"
    assert ended == [True]


async def test_a_reader_that_left_ends_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing more is read, and the source is closed."""
    ended: list[bool] = []
    output = Output()
    output.is_closed = True
    assert await print_all(output, records(ended), dict, str, columns=["id"]) == (0, 0)
    assert ended == [True]
    assert not capsys.readouterr().out
