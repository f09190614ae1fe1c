r"""Convert values to columns and back, in the same way for SQLite and PostgreSQL.

- An instant is the number of microseconds since 1970, so that it sorts and comes back exact.
- A hash is 64 hex digits.
- Text that people or file systems made is kept as itself, with escapes for characters that a database cannot
  hold: a backslash is doubled, NUL is ``\x00``, and half of a surrogate pair, which stands for a byte that is
  not UTF-8 in Python, is ``\uDCE9``. So every text comes back unchanged, and any SQLite shell shows most.
- The identity of a file is five numbers in one text: devices, inodes and times do not all fit 64 bits.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from aioglacier.files.reading import FileIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
V = TypeVar("V")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

#: Objects whose checksum is CRC64NVME have no tree hash.
_UNKNOWN_HASH: Final = "0" * 64

_awkward: Final = re.compile("[\\\\\x00\ud800-\udfff]")
_escaped: Final = re.compile(r"\\(\\|x00|u[0-9A-F]{4})")


def escape(text: str) -> str:
    """Escape the characters that a database cannot hold."""
    if text.isascii() and "\\" not in text and "\x00" not in text:
        return text  # in a fifth of the time of a search
    return _awkward.sub(_escape_one, text) if _awkward.search(text) else text


def unescape(text: str) -> str:
    """Return the text that was escaped."""
    return _escaped.sub(_unescape_one, text) if "\\" in text else text


def escape_path(path: str) -> str:
    """Escape a path, in UTF-8 whatever the encoding of the program."""
    if path.isascii():
        return escape(path)
    return escape(os.fsencode(path).decode("utf-8", "surrogateescape"))


def unescape_path(text: str) -> str:
    """Return the path that was escaped."""
    if text.isascii() and "\\" not in text:
        return text
    return os.fsdecode(unescape(text).encode("utf-8", "surrogateescape"))


def count_microseconds(instant: datetime) -> int:
    """Return the microseconds from 1970 to an instant."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(microseconds: int) -> datetime:
    """Return the instant so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def hash_text(hash_: bytes) -> str:
    """Return a hash as 64 hex digits; all of them 0 where the hash is not known."""
    return hash_.hex() or _UNKNOWN_HASH


def hash_of(text: str) -> bytes:
    """Return the hash of its hex digits, ``b""`` where it is not known."""
    return b"" if text == _UNKNOWN_HASH else bytes.fromhex(text)


def describe_identity(identity: FileIdentity) -> str:
    """Return the identity of a file as five numbers."""
    return " ".join(map(str, identity))


def identity_of(text: str) -> FileIdentity:
    """Return the identity that was described."""
    return FileIdentity(*map(int, text.split()))


def optional(convert: Callable[[V], T], value: V | None) -> T | None:
    """Convert a value, but not ``None``."""
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
