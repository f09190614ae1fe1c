"""The checksums of S3 that the standard library lacks: CRC-64/NVME and CRC-32C.

The native core computes them where it was compiled, CRC-64/NVME at the speed of memory. Elsewhere a table
does, a byte a step: the results are the same, and a GiB takes minutes.

CRC-64/NVME of a whole follows from those of its parts (``combine_crc64nvme``). For a polynomial P of degree
64, appending n bytes to others multiplies the checksum of those by x^(8n) modulo P.
"""

from __future__ import annotations

import os
from functools import lru_cache

from aioglacier.core.treehash import NATIVE_SWITCH, PartHashes

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from typing_extensions import Buffer

    Crc = Callable[[Buffer, int], int]

#: The polynomials with reflected bits: bit 63, or bit 31, is the coefficient of 1.
_NVME: Final = 0x9A6C9329AC4BC9B5
_CASTAGNOLI: Final = 0x82F63B78

_ONE: Final = 1 << 63
_ALL_64: Final = (1 << 64) - 1
_ALL_32: Final = (1 << 32) - 1


def crc64nvme(data: Buffer, before: int = 0) -> int:
    """Return the CRC-64/NVME of bytes that follow others with the checksum ``before``."""
    return _CRC64NVME(data, before)


def crc32c(data: Buffer, before: int = 0) -> int:
    """Return the CRC-32C of bytes that follow others with the checksum ``before``."""
    return _CRC32C(data, before)


class CrcHasher:
    """Computes the CRC-64/NVME of one part, fed in pieces, and no other hash."""

    __slots__ = ("_crc",)

    def __init__(self) -> None:
        self._crc = 0

    def update(self, data: Buffer) -> None:
        """Append the next bytes of the part."""
        self._crc = crc64nvme(data, self._crc)

    def finish(self) -> PartHashes:
        """Return the checksum of the part."""
        return PartHashes(b"", b"", b"", self._crc.to_bytes(8, "big"))


def combine_crc64nvme(first: int, second: int, second_size: int) -> int:
    """Return the CRC-64/NVME of two pieces of bytes joined, from theirs and the size of the second."""
    return _multiply(first, _shift(second_size)) ^ second


@lru_cache(maxsize=64)
def _shift(size: int) -> int:
    """Return x^(8 * size) modulo the polynomial; the parts of an upload have two sizes at most."""
    result, square = _ONE, _ONE >> 8  # x^0 and x^8
    while size:
        if size & 1:
            result = _multiply(result, square)
        square = _multiply(square, square)
        size >>= 1
    return result


def _multiply(first: int, second: int) -> int:
    product = 0
    while first:
        if first & _ONE:
            product ^= second
        first = first << 1 & _ALL_64
        second = second >> 1 ^ (_NVME if second & 1 else 0)
    return product


def _table_crc64nvme(data: Buffer, before: int, /) -> int:
    return _run_table(_table(_NVME), data, before ^ _ALL_64) ^ _ALL_64


def _table_crc32c(data: Buffer, before: int, /) -> int:
    return _run_table(_table(_CASTAGNOLI), data, before ^ _ALL_32) ^ _ALL_32


def _run_table(table: list[int], data: Buffer, crc: int) -> int:
    for byte in memoryview(data).cast("B"):
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


@lru_cache(maxsize=2)
def _table(polynomial: int) -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
        table.append(crc)
    return table


def _choose() -> tuple[Crc, Crc]:
    if os.environ.get(NATIVE_SWITCH) != "0":
        try:
            from aioglacier.core.native import crc32c, crc64nvme  # noqa: PLC0415  # where it was compiled
        except ImportError:
            pass
        else:
            return crc64nvme, crc32c
    return _table_crc64nvme, _table_crc32c


_CRC64NVME, _CRC32C = _choose()

#: Whether the native core computes them here.
IS_COMPILED: Final = _CRC64NVME is not _table_crc64nvme
