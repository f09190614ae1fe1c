"""Entity tags and the checksums of records."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from aioglacier.server.operations.s3.object_records import checksum_headers, checksum_text, is_match, quoted


@pytest.mark.parametrize(
    ("header", "fits"),
    [('"abc"', True), ("abc", True), ('W/"abc"', True), ('"x", "abc"', True), ("*", True), ('"x"', False)],
)
def test_an_entity_tag_is_found_in_a_list(header: str, fits: bool) -> None:
    """Quotes, weak tags and lists count as the guide of HTTP says."""
    assert is_match(header, "abc") is fits
    assert is_match(quoted("abc"), "abc")


def row(**columns: object) -> sqlite3.Row:
    """A row with these columns."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        names = ", ".join(f"? AS {name}" for name in columns)
        found: sqlite3.Row = connection.execute(f"SELECT {names}", tuple(columns.values())).fetchone()
        return found


def test_a_composite_checksum_carries_the_count_of_parts() -> None:
    """One of the full object does not, and an object without one has no header."""
    record = {"algorithm": "CRC32", "checksum": b"\0\0\0\1", "part_count": 3}
    composite = row(**record, checksum_type="COMPOSITE")
    assert checksum_text(composite) == ("CRC32", "AAAAAQ==-3")
    assert checksum_headers(row(**record, checksum_type="FULL_OBJECT")) == {
        "x-amz-checksum-crc32": "AAAAAQ==",
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    assert checksum_headers(row(**{**record, "checksum": None}, checksum_type=None)) == {}
