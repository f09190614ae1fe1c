"""The state of one upload: which parts are proven to be at the service.

A plain object without I/O. Parts may be proven in any order. The upload asks it which parts are missing and,
at the end, for the size and the tree hash of the whole. Resuming is a starting state and no other path of the
code: the parts that the service lists are proven, the others are missing. It keeps 32 bytes a part, so about
1 MiB for the largest possible archive, and the receipt of each part where the service gives one.
"""

from __future__ import annotations

from aioglacier.core.errors import InvalidPlanError, TooManyPartsError
from aioglacier.core.limits import VAULT
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import combine


class UploadLedger:
    """The proven parts of one upload, by part index from 0."""

    def __init__(self, part_size: int) -> None:
        self._part_size = part_size
        self._parts: dict[int, tuple[int, bytes, object]] = {}  # size, tree hash and receipt
        self._sent = 0

    @property
    def part_size(self) -> int:
        """The size of every part but the last, in bytes."""
        return self._part_size

    @property
    def sent(self) -> int:
        """The number of bytes in proven parts."""
        return self._sent

    @property
    def parts_sent(self) -> int:
        """The number of proven parts."""
        return len(self._parts)

    def part_range(self, index: int, size: int) -> ByteRange:
        """Return the bytes that part ``index`` of ``size`` bytes holds.

        Raises:
            TooManyPartsError: The service takes 10,000 parts, and this would be one more.
        """
        if index >= VAULT.max_parts:
            larger = 2 * self._part_size
            raise TooManyPartsError(
                part_size=self._part_size,
                size=None,
                suggested_part_size=larger if larger <= VAULT.max_part_size else None,
            )
        return ByteRange(index * self._part_size, index * self._part_size + size)

    @property
    def receipts(self) -> list[object]:
        """The receipts of the proven parts in order, ``None`` for a part without one."""
        return [self._parts[index][2] for index in sorted(self._parts)]

    def prove(self, index: int, size: int, tree_hash: bytes, receipt: object = None) -> None:
        """Record that the service has acknowledged a part with our hash.

        Proving a part again replaces it, as sending it again does at the service. The tree hash is empty
        where it is not computed.
        """
        if not 0 < size <= self._part_size:
            raise InvalidPlanError(f"part {index} has {size} bytes, but parts have 1 to {self._part_size}")
        if index in self._parts:  # it was sent again: its bytes count once
            self._sent -= self._parts[index][0]
        self._parts[index] = (size, tree_hash, receipt)
        self._sent += size

    def is_proven(self, index: int) -> bool:
        """Return whether the part is at the service."""
        return index in self._parts

    def seal(self, parts: int) -> tuple[int, bytes]:
        """Return size and tree hash of the whole, once all of so many parts are proven.

        The tree hash is empty if that of a part is, or if parts of this size are no nodes of the tree.

        Raises:
            InvalidPlanError: Parts are missing, or there are more, or one that is not the last is short. The
                service does not notice a missing last part: it would make an archive of the others.
        """
        last = parts - 1
        for index in range(parts):
            if index not in self._parts:
                raise InvalidPlanError(f"part {index} of {parts} is missing")
            if index < last and self._parts[index][0] != self._part_size:
                raise InvalidPlanError(
                    f"part {index} has {self._parts[index][0]} bytes, but only the last may have fewer than "
                    f"{self._part_size}"
                )
        if len(self._parts) > parts:  # a former upload of a longer source left one
            raise InvalidPlanError(f"part {max(self._parts)} is there, but the archive has {parts}")
        hashes = [self._parts[index][1] for index in range(parts)]
        # S3's largest parts are no power of two.
        is_tree = all(hashes) and self._part_size & (self._part_size - 1) == 0
        return self._sent, combine(hashes) if is_tree else b""
