"""The times to wait for the service."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from aioglacier.core.errors import ConfigurationError

#: CompleteMultipartUpload joins up to 10,000 parts, so its answer may take this many times as long.
_COMPLETION_FACTOR: Final = 5


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Times to wait, in seconds, before something counts as failed.

    None of them limits how long a transfer takes: while bytes move and calls succeed, it goes on.

    Attributes:
        connect: For one TCP and TLS handshake.
        first_byte: From the last byte of a request to the first byte of its answer. The completion of an
            upload, which joins all parts, may take five times as long.
        stall: For the next byte of a body, in either direction. An answer that brings fewer than 1,024 bytes
            a second over this time counts as stalled as well.
        give_up: Without any progress, before a call that keeps failing is not tried again.
    """

    connect: float = 10.0
    first_byte: float = 120.0
    stall: float = 60.0
    give_up: float = 900.0

    def __post_init__(self) -> None:
        for field in fields(self):
            seconds = getattr(self, field.name)
            if not 0 < seconds < float("inf"):
                raise ConfigurationError(
                    f"a timeout is a number of seconds above 0; {field.name} is {seconds!r}"
                )

    @property
    def completion(self) -> float:
        """Seconds from the last byte of a CompleteMultipartUpload to the first byte of its answer."""
        return _COMPLETION_FACTOR * self.first_byte
