"""The proofs of an S3 object: which checksums verify its bytes, by what S3 tells of it."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import IntegrityError
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.objects import (
    UPLOAD_NAME,
    ChecksumAlgorithm,
    ObjectChecksum,
    ObjectHead,
    UploadedObjectPart,
)
from aioglacier.transfer.download.object_output import ObjectProofs
from aioglacier.transfer.download.proofs import TREE_PROOFS, CompositeProofs, CrcProofs, PartProofs

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1024 * 1024
#: Two parts of 8 MiB and a short one.
SIZE = 17 * MIB
VALUES = [sha256(bytes([number])).digest() for number in range(3)]
PARTS = [UploadedObjectPart(n + 1, min(8 * MIB, SIZE - n * 8 * MIB), "e", VALUES[n]) for n in range(3)]
COMPOSITE = ObjectChecksum(ChecksumAlgorithm.SHA256, sha256(b"".join(VALUES)).digest(), 3)


def head(
    checksum: ObjectChecksum | None, size: int = SIZE, metadata: Mapping[str, str] | None = None
) -> ObjectHead:
    """Return the head of an object."""
    return ObjectHead(
        key="k",
        size=size,
        etag="e",
        modified=datetime.now(UTC),
        storage_class="GLACIER",
        checksum=checksum,
        metadata=metadata or {},
    )


def test_parts_with_checksums_are_proven_one_by_one() -> None:
    """Each part is a piece with the checksum that S3 keeps, and theirs make that of the object."""
    found = ObjectProofs.of(head(COMPOSITE), PARTS)
    assert isinstance(found.proofs, PartProofs)
    assert found.whole is None
    assert found.by_range == {
        ByteRange(0, 8 * MIB): VALUES[0],
        ByteRange(8 * MIB, 16 * MIB): VALUES[1],
        ByteRange(16 * MIB, SIZE): VALUES[2],
    }


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        (SIZE, [PARTS[1], PARTS[0], PARTS[2]]),
        (SIZE + 1, PARTS),
        (SIZE, [*PARTS[:2], UploadedObjectPart(3, MIB, "e", VALUES[0])]),
    ],
    ids=["another order", "another size", "another part"],
)
def test_parts_that_do_not_make_the_object_are_refused(size: int, parts: list[UploadedObjectPart]) -> None:
    """A service that contradicts itself proves nothing."""
    with pytest.raises(IntegrityError, match="do not make the object"):
        ObjectProofs.of(head(COMPOSITE, size), parts)


def test_an_object_of_one_request_is_one_piece() -> None:
    """Its SHA-256 proves all of it and no range."""
    found = ObjectProofs.of(head(ObjectChecksum(ChecksumAlgorithm.SHA256, VALUES[0])), [])
    assert found.by_range == {ByteRange(0, SIZE): VALUES[0]}


def test_a_crc_of_the_whole_is_made_of_any_pieces() -> None:
    """The parts need no checksums."""
    found = ObjectProofs.of(head(ObjectChecksum(ChecksumAlgorithm.CRC64NVME, b"12345678")), [])
    assert isinstance(found.proofs, CrcProofs)
    assert (found.by_range, found.whole) == ({}, b"12345678")


def test_parts_of_our_own_need_not_be_told() -> None:
    """The count of parts gives their size, and the object's checksum proves them together."""
    unlisted = [UploadedObjectPart(n + 1, PARTS[n].size, "e", None) for n in range(3)]
    found = ObjectProofs.of(head(COMPOSITE, metadata={UPLOAD_NAME: "token"}), unlisted)
    assert isinstance(found.proofs, CompositeProofs)
    assert found.whole == COMPOSITE.value
    assert list(found.proofs.pieces(ByteRange(0, SIZE), SIZE, 1)) == [
        ByteRange(0, 8 * MIB),
        ByteRange(8 * MIB, 16 * MIB),
        ByteRange(16 * MIB, SIZE),
    ]


@pytest.mark.parametrize(
    ("checksum", "size", "metadata"),
    [
        (None, SIZE, {}),
        (COMPOSITE, 0, {}),
        (COMPOSITE, SIZE, {}),  # of another program, which may have cut it anywhere
        (COMPOSITE._replace(parts=7), SIZE, {UPLOAD_NAME: "token"}),  # no power of two gives seven parts
        (ObjectChecksum(ChecksumAlgorithm.CRC32, b"1234"), SIZE, {}),
        (ObjectChecksum(ChecksumAlgorithm.CRC32C, b"1234", 3), SIZE, {UPLOAD_NAME: "token"}),
    ],
)
def test_objects_that_nothing_here_can_prove(
    checksum: ObjectChecksum | None, size: int, metadata: dict[str, str]
) -> None:
    """They have no proofs, and are read only if the caller allows it."""
    assert ObjectProofs.of(head(checksum, size, metadata), []) == ObjectProofs(TREE_PROOFS)
