"""S3's checksums of payloads: the algorithms, those of whole bodies, and how those of parts become one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from aioglacier.core import crc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class RunningChecksum(Protocol):
    """A checksum of bytes that arrive in blocks."""

    def update(self, data: memoryview, /) -> object:
        """Add a block."""

    def digest(self) -> bytes:
        """Return the checksum of all blocks."""


class _Crc:
    """A running CRC, big-endian as S3 writes it."""

    def __init__(self, function: Callable[[memoryview, int], int], width: int) -> None:
        self._function = function
        self._size = width // 8
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One algorithm.

    Attributes:
        size: Bytes of a checksum.
        polynomial: For CRCs, in reflected form; they can cover an object whatever its parts are.
        is_composite: Whether it can cover the checksums of the parts instead.
    """

    name: str
    new: Callable[[], RunningChecksum]
    size: int
    polynomial: int | None = None
    is_composite: bool = True

    @property
    def header(self) -> str:
        """The header that carries the checksum."""
        return f"x-amz-checksum-{self.name.lower()}"

    @property
    def element(self) -> str:
        """The element of a document that carries it."""
        return f"Checksum{self.name}"

    @property
    def default_type(self) -> str:
        """The type of a multipart object's checksum when the client names none."""
        return "COMPOSITE" if self.is_composite else "FULL_OBJECT"

    def allows(self, checksum_type: str) -> bool:
        """Return whether a multipart object can have this type of checksum."""
        if checksum_type == "COMPOSITE":
            return self.is_composite
        return checksum_type == "FULL_OBJECT" and self.polynomial is not None

    def parse(self, text: str) -> bytes | None:
        """Return a checksum from its base64, ``None`` if it is not one."""
        try:
            value = base64.b64decode(text, validate=True)
        except binascii.Error:
            return None
        return value if len(value) == self.size else None

    def of(self, data: bytes) -> bytes:
        """Return the checksum of bytes."""
        running = self.new()
        running.update(memoryview(data))
        return running.digest()


def encode(checksum: bytes) -> str:
    """Return a checksum as headers and documents have it."""
    return base64.b64encode(checksum).decode()


ALGORITHMS: Final[Mapping[str, Algorithm]] = {
    one.name: one
    for one in (
        Algorithm("CRC32", lambda: _Crc(zlib.crc32, 32), 4, 0xEDB88320),
        Algorithm("CRC32C", lambda: _Crc(crc.crc32c, 32), 4, 0x82F63B78),
        Algorithm("CRC64NVME", lambda: _Crc(crc.crc64nvme, 64), 8, 0x9A6C9329AC4BC9B5, is_composite=False),
        Algorithm("SHA1", lambda: hashlib.sha1(usedforsecurity=False), 20),
        Algorithm("SHA256", hashlib.sha256, 32),
    )
}

#: The checksum that S3 computes of a body that came without one; in pure Python it would take minutes.
DEFAULT: Final = "CRC64NVME" if crc.IS_COMPILED else None


def of_parts(algorithm: Algorithm, checksum_type: str, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """Return the checksum of an object from the checksums and sizes of its parts."""
    if checksum_type == "COMPOSITE":
        return algorithm.of(b"".join(checksum for checksum, _ in parts))
    if algorithm.polynomial is None:
        raise ValueError(f"{algorithm.name} has no checksum of a full object from those of its parts")
    width = algorithm.size * 8
    whole = 0
    for checksum, size in parts:
        shift = _power_of_x(8 * size, algorithm.polynomial, width)
        whole = _multiply(shift, whole, algorithm.polynomial, width) ^ int.from_bytes(checksum, "big")
    return whole.to_bytes(algorithm.size, "big")


def _multiply(left: int, right: int, polynomial: int, width: int) -> int:
    """Return the product of two polynomials over GF(2), modulo the CRC's; the highest bit is x to the 0."""
    product = 0
    bit = 1 << (width - 1)
    while bit:
        if left & bit:
            product ^= right
        right = (right >> 1) ^ (polynomial if right & 1 else 0)
        bit >>= 1
    return product


@lru_cache(maxsize=64)  # the parts of an upload have two sizes, as a rule
def _power_of_x(exponent: int, polynomial: int, width: int) -> int:
    """Return x to a power, modulo the CRC's polynomial."""
    power, square = 1 << (width - 1), 1 << (width - 2)
    while exponent:
        if exponent & 1:
            power = _multiply(square, power, polynomial, width)
        square = _multiply(square, square, polynomial, width)
        exponent >>= 1
    return power
