"""Untrusted text of inventories and descriptions: dates and characters that can be stored."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_utc(text: str) -> datetime | None:
    """Return the instant of an ISO 8601 text in UTC, or ``None`` if it is not one or has no time zone.

    It reads the service's forms, with and without milliseconds, and the compact ``20120821T170824Z``.
    """
    try:
        date = datetime.fromisoformat(text)
        if date.tzinfo is None:
            return None
        return date if date.tzinfo is UTC else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def without_lone_surrogates(text: str) -> str:
    """Return the text with U+FFFD for each half of a surrogate pair, so that it can be stored and printed.

    JSON can hold such halves as escapes, and decoding with "surrogateescape" leaves them for wrong bytes.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
