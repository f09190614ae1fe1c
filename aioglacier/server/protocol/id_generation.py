"""Ids as long as the service's. One in 64 begins with "-", as at the service."""

from __future__ import annotations

import secrets
from typing import Final

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

ARCHIVE_ID_LENGTH: Final = 138
JOB_ID_LENGTH: Final = 92
UPLOAD_ID_LENGTH: Final = 92
LOCK_ID_LENGTH: Final = 24
CAPACITY_ID_LENGTH: Final = 24
REQUEST_ID_LENGTH: Final = 47


def new_id(length: int) -> str:
    """Return ``length`` random characters of ``A-Za-z0-9_-``."""
    return "".join([_ALPHABET[byte & 63] for byte in secrets.token_bytes(length)])
