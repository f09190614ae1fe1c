"""The bytes and texts of the service's documents: JSON, dates, ids, ranges, pages."""

from __future__ import annotations

import base64
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aioglacier.core.limits import VAULT
from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.refusal import RefusalError, invalid

#: Ids are as long as the service's. One in 64 begins with "-", as at the service.
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

ARCHIVE_ID_LENGTH: Final = 138
JOB_ID_LENGTH: Final = 92
UPLOAD_ID_LENGTH: Final = 92
LOCK_ID_LENGTH: Final = 24
CAPACITY_ID_LENGTH: Final = 24
REQUEST_ID_LENGTH: Final = 47

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_DIGITS: Final = re.compile(r"[0-9]{1,18}")


def encode(document: dict[str, Any]) -> bytes:
    """Return JSON as the service writes it: compact, keys in alphabetical order, nulls kept."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "replace"
    )


def decode(body: bytes) -> dict[str, Any]:
    """Return a JSON object without its ``null`` values.

    Raises:
        RefusalError: SerializationException, when the body is not one JSON object in UTF-8.
    """
    try:
        document = json.loads(body)
        # Half a surrogate pair is valid JSON, but neither UTF-8 nor SQLite can hold it.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise RefusalError(
            400, "SerializationException", "The request body is not well-formed JSON."
        ) from None
    if not isinstance(document, dict):
        raise RefusalError(400, "SerializationException", "The request body is not a JSON object.")
    return {name: value for name, value in document.items() if value is not None}


def instant(milliseconds: int) -> str:
    """Return a date as documents have it, ``2012-03-20T17:03:43.221Z``."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def instant_or_null(milliseconds: int | None) -> str | None:
    """Return the same for an event that may not have happened yet."""
    return None if milliseconds is None else instant(milliseconds)


def whole_second(milliseconds: int) -> str:
    """Return a date as inventories have it, ``2017-08-22T17:24:07Z``."""
    return f"{_EPOCH + timedelta(milliseconds=milliseconds):%Y-%m-%dT%H:%M:%SZ}"


def parse_instant(text: str) -> int:
    """Return the milliseconds since 1970 of an ISO 8601 date with a zone.

    Raises:
        ValueError: The text is not such a date.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a date needs a zone: {text!r}")
    return int((moment - _EPOCH) / timedelta(milliseconds=1))


def parse_hash(header: str, text: str) -> bytes:
    """Return a SHA-256 from its 64 lower-case hex digits."""
    if not _HASH.fullmatch(text):
        raise invalid(behaviour.BAD_HASH.format(header=header, value=text))
    return bytes.fromhex(text)


def parse_number(text: str) -> int | None:
    """Return a non-negative decimal number of at most 18 digits, else ``None``."""
    return int(text) if _DIGITS.fullmatch(text) else None


def check_description(text: str | None) -> str | None:
    """Return the description of an archive or job, ``None`` for an empty one.

    Leading spaces are dropped. Doubled spaces inside are kept, as the service seems to do.
    """
    if text is None:
        return None
    text = text.lstrip(" ")
    if len(text) > VAULT.max_description_length or not all(" " <= character <= "~" for character in text):
        raise invalid(behaviour.BAD_DESCRIPTION)
    return text or None


def parse_limit(text: str | None, largest: int) -> int:
    """Return the page size of a list request; the default is ``largest``."""
    if not text:
        return largest
    limit = parse_number(text)
    if limit is None or not 1 <= limit <= largest:
        raise invalid(behaviour.BAD_LIMIT.format(limit=text, largest=largest))
    return limit


def marker_for(position: int) -> str:
    """Return an opaque marker for a position in a list."""
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode()


def parse_marker(text: str | None) -> int | None:
    """Return the position in a marker of ``marker_for``; ``None`` at the start of a list."""
    if not text:
        return None
    try:
        head, _, digits = base64.urlsafe_b64decode(text).decode().partition(":")
    except ValueError:
        head, digits = "", ""
    position = parse_number(digits)
    if head != "at" or position is None:
        raise invalid(behaviour.BAD_MARKER.format(marker=text))
    return position


def new_id(length: int) -> str:
    """Return ``length`` random characters of ``A-Za-z0-9_-``."""
    return "".join([_ALPHABET[byte & 63] for byte in secrets.token_bytes(length)])
