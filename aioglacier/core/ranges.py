"""Byte ranges, and the ranges that the service gives a tree hash for.

Ranges are half-open; only this module writes and reads the inclusive form of HTTP.

The service answers a range with its tree hash only if that hash is a node of the archive's own tree. For
an archive of ``n`` leaves and a range of leaves [p, q) that is so when

- it is everything (p = 0, q = n), or
- its width is a power of two and p is a multiple of it (a full node), or
- it reaches the end (q = n) and p is a multiple of the smallest power of two that is not smaller than the
  width (the node that the end of the archive cuts short).
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Final

from aioglacier.core.limits import LEAF_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """The bytes from ``start`` up to, not including, ``stop``."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= index(self.start) < index(self.stop):  # a float would end up in a header
            raise ValueError(f"a byte range needs 0 <= start < stop, not {self.start} and {self.stop}")

    @property
    def size(self) -> int:
        """The number of bytes, at least 1."""
        return self.stop - self.start

    def __str__(self) -> str:
        """The inclusive form that headers and documents use, ``0-1048575``."""
        return f"{self.start}-{self.stop - 1}"

    @classmethod
    def parse(cls, text: str) -> ByteRange:
        """Read the inclusive form.

        Raises:
            ValueError: The text is not ``START-END`` with START at most END.
        """
        start, dash, end = text.partition("-")
        # ``int`` reads signs, spaces and other scripts, too.
        if not (dash and start.isascii() and start.isdigit() and end.isascii() and end.isdigit()):
            raise ValueError(f"a byte range reads START-END, both included, not {text!r}")
        return cls(int(start), int(end) + 1)

    def within(self, outer: ByteRange) -> ByteRange:
        """Return this range, counted from the start of ``outer`` instead of from 0."""
        return ByteRange(self.start - outer.start, self.stop - outer.start)


class _NoBytes(ByteRange):
    """The range of what has no bytes."""

    __slots__ = ()

    def __post_init__(self) -> None:
        pass


NO_BYTES: Final[ByteRange] = _NoBytes(0, 0)


def whole_range(size: int) -> ByteRange:
    """Return the range of all of so many bytes."""
    return ByteRange(0, size) if size else NO_BYTES


def is_megabyte_aligned(range_: ByteRange, size: int) -> bool:
    """Return whether a retrieval of these bytes of an archive of ``size`` bytes is allowed."""
    return (
        range_.start % LEAF_SIZE == 0
        and range_.stop <= size
        and (range_.stop % LEAF_SIZE == 0 or range_.stop == size)
    )


def is_tree_hash_aligned(range_: ByteRange, size: int | None) -> bool:
    """Return whether these bytes of an archive of ``size`` bytes are one node of its tree.

    Without a size, return whether they are one in every archive that has them.
    """
    if not is_megabyte_aligned(range_, range_.stop // LEAF_SIZE * LEAF_SIZE if size is None else size):
        return False
    leaves = count_leaves(size) if size is not None else None
    first, last = range_.start // LEAF_SIZE, count_leaves(range_.stop)
    if first == 0 and last == leaves:  # everything is a node, whatever its width
        return True
    width = last - first
    node = 1 << (width - 1).bit_length()
    # The end of the archive cuts its last node short.
    return first % node == 0 and (width == node or last == leaves)


def count_leaves(size: int) -> int:
    """Return the number of 1 MiB leaves that ``size`` bytes fill or begin."""
    return -(-size // LEAF_SIZE)


def split(range_: ByteRange, piece_size: int) -> Iterator[ByteRange]:
    """Cut a range at the absolute multiples of ``piece_size``.

    With a piece size of 1 MiB x 2**k the pieces of a whole archive are all tree-hash aligned.
    """
    start = range_.start
    while start < range_.stop:
        # Absolute, or the pieces would be no nodes.
        stop = min(range_.stop, (start // piece_size + 1) * piece_size)
        yield ByteRange(start, stop)
        start = stop


def tree_nodes(range_: ByteRange, size: int, largest: int) -> Iterator[ByteRange]:
    """Cover bytes of an archive of ``size`` bytes with nodes of its tree, none larger than ``largest``.

    Each piece is tree-hash aligned, so the service gives a hash for each. Together they reach at most 1 MiB
    further than the range on either side. ``largest`` is 1 MiB x 2**k; of a whole archive all pieces but the
    last have that size, so their hashes combine to the archive's.
    """
    start = range_.start // LEAF_SIZE * LEAF_SIZE
    stop = min(-(-range_.stop // LEAF_SIZE) * LEAF_SIZE, size)
    while start < stop:
        node = largest
        # Only the last node may reach beyond the end.
        while start % node or (start + node > stop and stop < size):
            node //= 2
        yield ByteRange(start, min(start + node, size))
        start += node
