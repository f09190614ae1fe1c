"""The traits of an object: tags and locks."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from aioglacier.server.operations.s3.object_traits import Traits, check_tags, parse_tags, set_retention
from aioglacier.server.protocol.s3_refusals import S3RefusalError

NOW = 1_790_000_000_000


def test_tags_are_read_like_a_query() -> None:
    """Escapes and empty values are kept."""
    assert parse_tags("a=1&b=%C3%A9+x&c=") == {"a": "1", "b": "\u00e9 x", "c": ""}
    assert parse_tags("") == {}


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([(str(number), "") for number in range(11)], "BadRequest"),
        ([("a", "1"), ("a", "2")], "InvalidTag"),
        ([("", "1")], "InvalidTag"),
        ([("a" * 129, "1")], "InvalidTag"),
        ([("a", "1" * 257)], "InvalidTag"),
    ],
)
def test_tags_that_break_a_rule_are_refused(pairs: list[tuple[str, str]], code: str) -> None:
    """Ten tags, keys of 128 and values of 256 characters are the most."""
    with pytest.raises(S3RefusalError) as caught:
        check_tags(pairs)
    assert caught.value.code == code
    assert check_tags([("a" * 128, "1" * 256)])


@pytest.mark.parametrize(
    ("mode", "is_held", "may_bypass", "later", "is_free"),
    [
        (None, False, False, 0, True),
        (None, True, True, 0, False),
        ("GOVERNANCE", False, False, 0, False),
        ("GOVERNANCE", False, True, 0, True),
        ("COMPLIANCE", False, True, 0, False),
        ("COMPLIANCE", False, False, 1001, True),
        ("GOVERNANCE", True, True, 1001, False),
    ],
)
def test_a_lock_ends_with_its_date_and_a_hold_never(
    *, mode: str | None, is_held: bool, may_bypass: bool, later: int, is_free: bool
) -> None:
    """Only GOVERNANCE yields to a caller who may bypass it; a legal hold never does."""
    traits = Traits(lock_mode=mode, lock_until=NOW + 1000 if mode else None, is_held=is_held)
    if is_free:
        traits.check_lock(NOW + later, may_bypass=may_bypass)
    else:
        with pytest.raises(S3RefusalError, match="object lock"):
            traits.check_lock(NOW + later, may_bypass=may_bypass)


@pytest.mark.parametrize(
    ("mode", "until"),
    [("OTHER", "2099-01-01T00:00:00Z"), ("GOVERNANCE", "tomorrow"), ("GOVERNANCE", "2001-01-01T00:00:00Z")],
)
def test_a_retention_needs_a_mode_and_a_later_date(mode: str, until: str) -> None:
    """An unknown mode, a malformed date and a past one are refused."""
    traits = Traits()
    set_retention(traits, "COMPLIANCE", "2099-01-01T00:00:00Z", now=NOW)
    assert traits.lock_until is not None
    with pytest.raises(S3RefusalError):
        set_retention(traits, mode, until, now=NOW)


def test_traits_come_back_from_their_record() -> None:
    """All of them are kept in one column."""
    traits = Traits({"Content-Type": "text/plain"}, {"a": "1"}, "GOVERNANCE", NOW, is_held=True)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute("SELECT ? AS traits", (traits.dump(),)).fetchone()
    assert Traits.load(row) == traits
