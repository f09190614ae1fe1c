"""The ways to verify a download: its pieces, the hash of each, and the hash of the whole made from them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from aioglacier.core.ranges import ByteRange, tree_nodes
from aioglacier.core.treehash import combine
from aioglacier.transfer.hashing.part_job import CRC, PAYLOAD, TREE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aioglacier.core.treehash import PartHashes


class TreeProofs:
    """A vault's way: pieces are nodes of the archive's tree, and the service has the hash of each.

    Attributes:
        hashes: The hashes that a job makes of a piece, see ``hashing.part_job``.
    """

    hashes: str = TREE

    def largest(self, wanted: int) -> int:
        """Return the bytes of the largest piece, where ``wanted`` would do best."""
        return wanted

    def pieces(self, byte_range: ByteRange, size: int, wanted: int) -> Iterator[ByteRange]:
        """Cover a range of all ``size`` bytes with pieces in order, which may reach beyond it."""
        return tree_nodes(byte_range, size, wanted)

    def of(self, hashes: PartHashes) -> bytes:
        """Choose the hash that proves a piece."""
        return hashes.tree_hash

    def combine(self, pieces: Iterable[tuple[int, bytes]]) -> bytes:
        """Return the hash of the whole from the size and the hash of each piece in order."""
        return combine(proof for _, proof in pieces)


TREE_PROOFS: Final = TreeProofs()


class NoProofs(TreeProofs):
    """The way of a caller with hashes of its own: pieces are not hashed."""

    hashes = ""

    def of(self, hashes: PartHashes) -> bytes:
        """See ``TreeProofs``."""
        del hashes
        return b""


NO_PROOFS: Final = NoProofs()


class PartProofs(TreeProofs):
    """The way of an S3 object with checksums of its parts: a piece is a part, of whatever size."""

    def __init__(self, parts: Sequence[ByteRange], hashes: str = PAYLOAD) -> None:
        self._parts = parts
        self.hashes = hashes

    def largest(self, wanted: int) -> int:
        """See ``TreeProofs``."""
        del wanted
        return max(part.size for part in self._parts)

    def pieces(self, byte_range: ByteRange, size: int, wanted: int) -> Iterator[ByteRange]:
        """See ``TreeProofs``."""
        del size, wanted
        for part in self._parts:
            if part.start < byte_range.stop and byte_range.start < part.stop:
                yield part

    def of(self, hashes: PartHashes) -> bytes:
        """See ``TreeProofs``."""
        return hashes.payload_hash or hashes.crc64nvme


class CompositeProofs(PartProofs):
    """The way of an object whose parts are known without their checksums: only the composite one is known."""

    def combine(self, pieces: Iterable[tuple[int, bytes]]) -> bytes:
        """See ``TreeProofs``."""
        return sha256(b"".join(proof for _, proof in pieces)).digest()


class CrcProofs(TreeProofs):
    """The way of an S3 object with only a checksum of all bytes, which those of any pieces combine to."""

    hashes = CRC

    def of(self, hashes: PartHashes) -> bytes:
        """See ``TreeProofs``."""
        return hashes.crc64nvme

    def combine(self, pieces: Iterable[tuple[int, bytes]]) -> bytes:
        """See ``TreeProofs``."""
        from aioglacier.core.crc import combine_crc64nvme  # noqa: PLC0415  # only these objects need it

        whole = 0
        for size, crc in pieces:
            whole = combine_crc64nvme(whole, int.from_bytes(crc, "big"), size)
        return whole.to_bytes(8, "big")
