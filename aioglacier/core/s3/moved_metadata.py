"""The metadata of an object that was an archive of a vault."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.inventory.text import parse_utc
from aioglacier.core.s3.objects import DESCRIPTION_NAME, TREE_HASH_NAME
from aioglacier.core.treehash import HASH_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from aioglacier.core.models import Archive
    from aioglacier.core.s3.objects import ObjectHead

#: The folder of a move's own objects below its prefix; nothing in it was an archive.
MOVE_FOLDER: Final = ".aioglacier/"

ARCHIVE_ID: Final = "glacier-archive-id"
VAULT: Final = "glacier-vault"
CREATED: Final = "glacier-created"
DESCRIPTION: Final = "glacier-description"
DESCRIPTION_BASE64: Final = "glacier-description-base64"

#: Text that comes back from a header as it went: a signature takes several spaces for one.
_PLAIN: Final = re.compile(r"(?! )(?:[!-~]| (?! ))*(?<! )")


class Origin(NamedTuple):
    """The facts of an archive that its object tells, or of an object that was none.

    Attributes:
        description: As the archive's uploader gave it.
        created: The date of the archive; of the object if it was none.
        tree_hash: Of its bytes, empty if the object does not tell it.
    """

    description: str
    created: datetime
    tree_hash: bytes


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
    """Return the description of the archive that an object was, or of the object if it was none."""
    with suppress(KeyError, ValueError):  # any program may have written the metadata
        return base64.b64decode(metadata[DESCRIPTION_BASE64], validate=True).decode()
    return metadata.get(DESCRIPTION, metadata.get(DESCRIPTION_NAME, ""))


def origin_of(head: ObjectHead) -> Origin:
    """Return what an object tells of itself. Metadata that make no sense count as missing."""
    tree_hash = b""
    with suppress(ValueError):
        tree_hash = bytes.fromhex(head.metadata.get(TREE_HASH_NAME, ""))
    return Origin(
        description_of(head.metadata),
        parse_utc(head.metadata.get(CREATED, "")) or head.modified,
        tree_hash if len(tree_hash) == HASH_SIZE else b"",
    )
