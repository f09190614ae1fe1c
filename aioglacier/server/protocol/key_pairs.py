"""The key pairs that a local Glacier accepts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair whose signatures are accepted.

    Attributes:
        session_token: If given, requests must send it as ``x-amz-security-token``.
        expires: From this real time on the answer is ExpiredTokenException.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires: datetime | None = None
