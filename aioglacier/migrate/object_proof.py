"""The proof, from a HEAD request, that an object is the archive that was sent."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from aioglacier.core.s3.moved_metadata import metadata_of
from aioglacier.core.s3.objects import UPLOAD_NAME, ChecksumAlgorithm, ObjectChecksum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.catalog.records import MovedPart
    from aioglacier.core.models import Archive
    from aioglacier.core.s3.objects import ObjectHead


def checksum_of(parts: Mapping[int, MovedPart], *, is_whole: bool) -> ObjectChecksum:
    """Return the checksum that the object must have: of its bytes, or of the checksums of its parts."""
    values = [parts[number].checksum for number in sorted(parts)]
    if is_whole:
        return ObjectChecksum(ChecksumAlgorithm.SHA256, values[0])
    # S3 hashes the checksums of the parts in order (S3 User Guide, "Checking object integrity").
    return ObjectChecksum(ChecksumAlgorithm.SHA256, sha256(b"".join(values)).digest(), len(values))


def find_difference(head: ObjectHead, archive: Archive, token: str | None, checksum: ObjectChecksum) -> str:
    """Return how an object differs from the archive that was sent, "" if it is that archive."""
    # An object without a token was made by another program, and its bytes were compared with the archive's.
    expected = {**metadata_of(archive), UPLOAD_NAME: token} if token is not None else {}
    for name, value in expected.items():
        if head.metadata.get(name) != value:
            return f"its metadata {name} is {head.metadata.get(name)!r}, not {value!r}"
    if head.size != archive.size:
        return f"it has {head.size} bytes, not {archive.size}"
    if head.checksum != checksum:
        found = head.checksum.value.hex() if head.checksum is not None else "unknown"
        return f"its SHA-256 is {found}, not {checksum.value.hex()}"
    return ""
