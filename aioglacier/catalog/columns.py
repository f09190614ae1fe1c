r"""How values are kept in columns, the same way in SQLite and in PostgreSQL.

- An instant is the number of microseconds since 1970, so that it sorts and comes back exact.
- A hash is 64 hex digits.
- Text that people or file systems made is kept as itself, but for what a database cannot hold: a backslash
  is doubled, NUL is ``\x00``, and half of a surrogate pair, which is how Python shows a byte that is no
  UTF-8, is ``\uDCE9``. So every text comes back as it was, and most can be read with any SQLite shell.
- The identity of a file is five numbers in one text: devices, inodes and times do not all fit 64 bits.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.types import TypeDecorator

from aioglacier.catalog.records import SourceIdentity

if TYPE_CHECKING:
    from enum import StrEnum

    from sqlalchemy.engine import Dialect

E = TypeVar("E", bound="StrEnum")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_awkward: Final = re.compile("[\\\\\x00\ud800-\udfff]")
_escaped: Final = re.compile(r"\\(\\|x00|u[0-9A-F]{4})")


def escape(text: str) -> str:
    """The text without what a database cannot hold."""
    return _awkward.sub(_escape_one, text) if _awkward.search(text) else text


def unescape(text: str) -> str:
    """The text that was escaped."""
    return _escaped.sub(_unescape_one, text) if "\\" in text else text


def escape_path(path: str) -> str:
    """A path in UTF-8, whatever the program's encoding is, without what a database cannot hold."""
    return escape(os.fsencode(path).decode("utf-8", "surrogateescape"))


def unescape_path(text: str) -> str:
    """The path that was escaped."""
    return os.fsdecode(unescape(text).encode("utf-8", "surrogateescape"))


def count_microseconds(instant: datetime) -> int:
    """Microseconds from 1970 to an instant."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(microseconds: int) -> datetime:
    """The instant so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _escape_one(match: re.Match[str]) -> str:
    match match[0]:
        case "\\":
            return r"\\"
        case "\x00":
            return r"\x00"
        case half:
            return f"\\u{ord(half):04X}"


def _unescape_one(match: re.Match[str]) -> str:
    return "\\" if match[1] == "\\" else chr(int(match[1][1:], 16))


class FreeText(TypeDecorator[str]):
    """Any text at all."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape."""
        del dialect
        return None if value is None else escape(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo it."""
        del dialect
        return None if value is None else unescape(value)


class PathText(TypeDecorator[str]):
    """A path, kept as UTF-8 whatever the encoding that the program runs with."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape."""
        del dialect
        return None if value is None else escape_path(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo it."""
        del dialect
        return None if value is None else unescape_path(value)


class Instant(TypeDecorator[datetime]):
    """An aware datetime."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Count the microseconds."""
        del dialect
        return None if value is None else count_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Count them back."""
        del dialect
        return None if value is None else instant_of(value)


class Hash(TypeDecorator[bytes]):
    """The 32 bytes of a SHA-256."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Write it in hex."""
        del dialect
        return None if value is None else value.hex()

    def process_result_value(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Read it."""
        del dialect
        return None if value is None else bytes.fromhex(value)


class Identity(TypeDecorator[SourceIdentity]):
    """What ``os.stat`` said of a file."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: SourceIdentity | None, dialect: Dialect) -> str | None:
        """Write five numbers."""
        del dialect
        if value is None:
            return None
        return f"{value.device} {value.inode} {value.size} {value.mtime_ns} {value.ctime_ns}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> SourceIdentity | None:
        """Read them."""
        del dialect
        if value is None:
            return None
        device, inode, size, mtime_ns, ctime_ns = map(int, value.split())
        return SourceIdentity(device, inode, size, mtime_ns, ctime_ns)


class Choice(TypeDecorator[E], Generic[E]):
    """One of a closed set, by its value."""

    impl = Text
    cache_ok = True

    def __init__(self, choices: type[E]) -> None:
        super().__init__()
        self.choices = choices

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        """Write its value."""
        del dialect
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        """Find it again."""
        del dialect
        return None if value is None else self.choices(value)
