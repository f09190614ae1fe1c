"""Text that strangers wrote: what inventories and descriptions hold is read without trusting it."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_utc(text: str) -> datetime | None:
    """The instant that an ISO 8601 text names, in UTC; ``None`` where it names none or no time zone.

    Takes the service's forms, with and without milliseconds, and the compact ``20120821T170824Z``.
    """
    try:
        date = datetime.fromisoformat(text)
        if date.tzinfo is None:
            return None
        return date if date.tzinfo is UTC else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def without_lone_surrogates(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, so that it can be stored, sent and printed.

    JSON can hold such halves as escapes, and decoding with "surrogateescape" leaves them for wrong bytes.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
