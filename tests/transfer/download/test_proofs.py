"""The ways to verify a download: nodes of a tree, parts of an object, or pieces of a checksum."""

from __future__ import annotations

from hashlib import sha256

import pytest

from aioglacier.core.crc import crc64nvme
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import PartHashes, hash_part, tree_hash
from aioglacier.transfer.download.proofs import TREE_PROOFS, CompositeProofs, CrcProofs, PartProofs

MIB = 1024 * 1024
DATA = bytes(range(251)) * (3 * MIB // 251)
PARTS = [ByteRange(0, MIB), ByteRange(MIB, 2 * MIB), ByteRange(2 * MIB, len(DATA))]


def test_nodes_of_the_tree_make_the_tree_hash() -> None:
    """A vault's pieces are nodes, and their hashes combine to that of the archive."""
    pieces = list(TREE_PROOFS.pieces(ByteRange(0, len(DATA)), len(DATA), MIB))
    assert pieces == PARTS
    assert TREE_PROOFS.largest(MIB) == MIB
    hashes = [(each.size, TREE_PROOFS.of(hash_part(DATA[each.start : each.stop]))) for each in pieces]
    assert TREE_PROOFS.combine(hashes) == tree_hash(DATA)


@pytest.mark.parametrize(
    ("byte_range", "expected"),
    [
        (ByteRange(0, len(DATA)), PARTS),
        (ByteRange(5, 6), PARTS[:1]),
        (ByteRange(MIB - 1, MIB + 1), PARTS[:2]),
        (ByteRange(MIB, 2 * MIB), PARTS[1:2]),
    ],
)
def test_a_range_is_fetched_along_the_parts(byte_range: ByteRange, expected: list[ByteRange]) -> None:
    """Each piece is a whole part, whatever size would do best."""
    proofs = PartProofs(PARTS)
    assert list(proofs.pieces(byte_range, len(DATA), 7)) == expected
    assert proofs.largest(7) == MIB
    assert proofs.of(hash_part(DATA[:MIB])) == sha256(DATA[:MIB]).digest()


def test_parts_make_the_checksum_of_checksums() -> None:
    """A service that tells no checksum of a part may tell that of all of them."""
    hashes = [sha256(DATA[each.start : each.stop]).digest() for each in PARTS]
    combined = CompositeProofs(PARTS).combine((1, each) for each in hashes)
    assert combined == sha256(b"".join(hashes)).digest()


def test_pieces_make_the_checksum_of_the_whole() -> None:
    """CRC-64/NVME combines from any pieces."""
    proofs = CrcProofs()
    crcs = [crc64nvme(DATA[each.start : each.stop]).to_bytes(8, "big") for each in PARTS]
    assert proofs.of(PartHashes(b"", b"", b"", crcs[0])) == crcs[0]
    sizes = [each.size for each in PARTS]
    assert proofs.combine(zip(sizes, crcs, strict=True)) == crc64nvme(DATA).to_bytes(8, "big")
