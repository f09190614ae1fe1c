"""Pages of keys: every way to cut a list gives the same list."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from aioglacier.server.operations.s3.key_pages import KeyQuery, keys_from, parse_token, token_for
from aioglacier.server.protocol.s3_refusals import S3RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = ["a", "a/1", "a/2", "a0", "b/c/1", "b/c/2", "b/d", "c", "\u00e9"]


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A table of keys in memory."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("CREATE TABLE k (key TEXT)")
        connection.executemany("INSERT INTO k VALUES (?)", [(key,) for key in KEYS])
        yield connection


def list_all(db: sqlite3.Connection, prefix: str, delimiter: str, limit: int) -> list[str]:
    """Follow the pages to the end; return keys and common prefixes in the order of their pages."""
    query, after, found = KeyQuery(prefix, delimiter, limit, is_encoded=False), "", []

    def rows_after(key: str) -> list[sqlite3.Row]:
        sign, start = keys_from(key, prefix)
        return db.execute(f"SELECT key FROM k WHERE key {sign} ? ORDER BY key", (start,)).fetchall()  # noqa: S608

    while True:
        page = query.collect(rows_after, after)
        assert len(page) <= limit
        found += sorted([*(row["key"] for row in page.rows), *page.prefixes])
        if not page.is_truncated:
            return found
        after = page.last


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("prefix", "delimiter", "expected"),
    [
        ("", "", KEYS),
        ("a", "", ["a", "a/1", "a/2", "a0"]),
        ("", "/", ["a", "a/", "a0", "b/", "c", "\u00e9"]),
        ("b/", "/", ["b/c/", "b/d"]),
        ("a/", "/", ["a/1", "a/2"]),
        ("x", "/", []),
    ],
)
def test_pages_of_any_size_give_the_same_list(
    db: sqlite3.Connection, limit: int, prefix: str, delimiter: str, expected: list[str]
) -> None:
    """No key and no common prefix is lost or comes twice at the end of a page."""
    assert list_all(db, prefix, delimiter, limit) == expected


def test_a_page_of_none_is_empty_and_ends_the_list(db: sqlite3.Connection) -> None:
    """A limit of 0 asks for nothing."""
    page = KeyQuery("", "", 0, is_encoded=False).collect(lambda _: db.execute("SELECT key FROM k"), "")
    assert len(page) == 0
    assert not page.is_truncated


def test_keys_are_encoded_where_the_client_asks() -> None:
    """A key that XML cannot hold is readable with ``encoding-type=url``."""
    assert KeyQuery("", "", 1, is_encoded=True).text("a b/\x01") == "a%20b/%01"
    assert KeyQuery("", "", 1, is_encoded=False).text("a b") == "a b"
    assert KeyQuery("", "", 1, is_encoded=True).text("") is None


def test_a_token_leads_back_to_its_place() -> None:
    """Tokens of others are refused."""
    assert parse_token(token_for("\u00e9/a")) == "\u00e9/a"
    for token in ("a", "gA=="):
        with pytest.raises(S3RefusalError):
            parse_token(token)
