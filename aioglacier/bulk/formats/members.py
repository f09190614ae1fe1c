"""The content of one member of a bundle."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioglacier.bulk.formats import tar, zstd
from aioglacier.bulk.formats.age import unseal_member
from aioglacier.core.errors import IntegrityError

if TYPE_CHECKING:
    from aioglacier.bulk.formats.age import Identities
    from aioglacier.catalog.folders.entries import Entry


def member_content(entry: Entry, raw: bytes, identities: Identities | None = None) -> bytes:
    """Return the content of a member, from the bytes that are stored of it.

    Raises:
        IntegrityError: The member is too short, or cannot be decoded.
        ConfigurationError: The member is encrypted, and no identity opens it.
    """
    member = raw if entry.encryption is None else unseal_member(raw, identities)
    if entry.compression == "zstd":
        member = zstd.decode(member)
    padded = entry.size + len(tar.padding(entry.size))
    content = member[len(member) - padded : len(member) - padded + entry.size]
    if len(content) != entry.size or len(member) < padded + tar.BLOCK:
        raise IntegrityError(
            f"the member {os.fsdecode(entry.path)!r} has another length than recorded",
            expected=entry.content_hash or b"",
            actual=b"",
        )
    return content
