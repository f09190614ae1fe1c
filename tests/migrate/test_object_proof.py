"""The proof that an object is the archive that was sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from aioglacier.catalog.records import MovedPart
from aioglacier.core.models import Archive, ArchiveId
from aioglacier.core.s3.moved_metadata import metadata_of
from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectChecksum, ObjectHead
from aioglacier.migrate.object_proof import checksum_of, find_difference

DAY = datetime(2014, 5, 6, tzinfo=UTC)
ARCHIVE = Archive(id=ArchiveId("i"), vault="v", size=9, tree_hash=b"\1" * 32, description="d  e", created=DAY)
CHECKSUM = ObjectChecksum(ChecksumAlgorithm.SHA256, b"\2" * 32)
METADATA = {**metadata_of(ARCHIVE), "aioglacier-upload": "t"}
HEAD = ObjectHead(
    key="k", size=9, etag="e", modified=DAY, storage_class="GLACIER", metadata=METADATA, checksum=CHECKSUM
)


def test_the_checksum_of_parts_is_that_of_their_checksums() -> None:
    """Parts count in the order of their numbers, and one part that is the whole is its own."""
    parts = {number: MovedPart(number, b"", bytes([number]) * 32) for number in (1, 0)}
    whole = sha256(b"\0" * 32 + b"\1" * 32).digest()
    assert checksum_of(parts, is_whole=False) == (ChecksumAlgorithm.SHA256, whole, 2)
    assert checksum_of({0: parts[0]}, is_whole=True) == (ChecksumAlgorithm.SHA256, b"\0" * 32, None)


def test_the_object_that_was_sent_has_no_difference() -> None:
    """Metadata of other programs beside ours do not matter."""
    assert find_difference(HEAD, ARCHIVE, "t", CHECKSUM) == ""
    more = replace(HEAD, metadata={**METADATA, "color": "red"})
    assert find_difference(more, ARCHIVE, "t", CHECKSUM) == ""


@pytest.mark.parametrize("name", sorted(METADATA))
def test_each_of_its_metadata_counts(name: str) -> None:
    """A missing or a changed value is named."""
    for metadata in ({**METADATA, name: "x"}, {key: METADATA[key] for key in METADATA if key != name}):
        assert name in find_difference(replace(HEAD, metadata=metadata), ARCHIVE, "t", CHECKSUM)


@pytest.mark.parametrize(
    "head",
    [
        replace(HEAD, size=8),
        replace(HEAD, checksum=None),
        replace(HEAD, checksum=CHECKSUM._replace(value=b"\3" * 32)),
        replace(HEAD, checksum=CHECKSUM._replace(parts=1)),
        replace(HEAD, checksum=CHECKSUM._replace(algorithm=ChecksumAlgorithm.CRC64NVME)),
    ],
)
def test_size_and_checksum_count(head: ObjectHead) -> None:
    """An object without a SHA-256 is not proven."""
    assert find_difference(head, ARCHIVE, "t", CHECKSUM)
