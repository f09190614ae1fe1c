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
from typing import TYPE_CHECKING, Final, TypeVar

from aioglacier.catalog.records import SourceIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
V = TypeVar("V")

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


def describe_identity(identity: SourceIdentity) -> str:
    """The identity of a file as five numbers."""
    numbers = (identity.device, identity.inode, identity.size, identity.mtime_ns, identity.ctime_ns)
    return " ".join(map(str, numbers))


def identity_of(text: str) -> SourceIdentity:
    """The identity that was described."""
    device, inode, size, mtime_ns, ctime_ns = map(int, text.split())
    return SourceIdentity(device, inode, size, mtime_ns, ctime_ns)


def optional(convert: Callable[[V], T], value: V | None) -> T | None:
    """The value converted, where there is one."""
    return None if value is None else convert(value)


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
