"""The protocol of compression and encryption, as packing uses them."""

from __future__ import annotations

from typing import Protocol


class Coder(Protocol):
    """Turns the bytes of one tar member into the bytes that are stored of it."""

    def encode(self, member: bytes) -> bytes:
        """Return the stored form, which can be decoded by itself."""
        ...
