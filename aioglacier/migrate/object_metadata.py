"""The metadata of a moved archive, and the proof by it that an object is that archive."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from aioglacier.core.s3.objects import TREE_HASH_NAME, UPLOAD_NAME, ChecksumAlgorithm, ObjectChecksum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.catalog.records import MovedPart
    from aioglacier.core.models import Archive
    from aioglacier.core.s3.objects import ObjectHead

ARCHIVE_ID: Final = "glacier-archive-id"
VAULT: Final = "glacier-vault"
CREATED: Final = "glacier-created"
DESCRIPTION: Final = "glacier-description"
DESCRIPTION_BASE64: Final = "glacier-description-base64"

#: Text that comes back from a header as it went: a signature takes several spaces for one.
_PLAIN: Final = re.compile(r"(?! )(?:[!-~]| (?! ))*(?<! )")


def metadata_of(archive: Archive) -> dict[str, str]:
    """Return what an object says of the archive that it was, with the description byte for byte."""
    text = archive.description
    if not text:
        described = {}
    elif _PLAIN.fullmatch(text):
        described = {DESCRIPTION: text}
    else:
        described = {DESCRIPTION_BASE64: base64.b64encode(text.encode()).decode()}
    return {
        ARCHIVE_ID: archive.id,
        VAULT: archive.vault,
        CREATED: f"{archive.created:%Y-%m-%dT%H:%M:%SZ}",
        TREE_HASH_NAME: archive.tree_hash.hex(),
        **described,
    }


def description_of(metadata: Mapping[str, str]) -> str:
    """Return the description of the archive that an object was."""
    if DESCRIPTION_BASE64 in metadata:
        return base64.b64decode(metadata[DESCRIPTION_BASE64]).decode()
    return metadata.get(DESCRIPTION, "")


def checksum_of(parts: Mapping[int, MovedPart], *, is_whole: bool) -> ObjectChecksum:
    """Return the checksum that the object must have: of its bytes, or of the checksums of its parts."""
    values = [parts[number].checksum for number in sorted(parts)]
    if is_whole:
        return ObjectChecksum(ChecksumAlgorithm.SHA256, values[0])
    return ObjectChecksum(ChecksumAlgorithm.SHA256, sha256(b"".join(values)).digest(), len(values))


def find_difference(head: ObjectHead, archive: Archive, token: str | None, checksum: ObjectChecksum) -> str:
    """Return how an object differs from the archive that was sent, "" if it is that archive."""
    expected = {**metadata_of(archive), UPLOAD_NAME: token}
    for name, value in expected.items():
        if head.metadata.get(name) != value:
            return f"its metadata {name} is {head.metadata.get(name)!r}, not {value!r}"
    if head.size != archive.size:
        return f"it has {head.size} bytes, not {archive.size}"
    if head.checksum != checksum:
        found = head.checksum.value.hex() if head.checksum is not None else "unknown"
        return f"its SHA-256 is {found}, not {checksum.value.hex()}"
    return ""
