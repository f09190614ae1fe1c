"""Vaults, hashes and archives that tests of the catalog record, also in processes that load no pytest."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from aioglacier.catalog import VaultKey
from aioglacier.core.models import Archive, ArchiveId

PHOTOS = VaultKey("photos", "eu-west-1")
FILMS = VaultKey("films", "eu-west-1")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

TREE_HASH = bytes(range(32))
OTHER_HASH = bytes(range(1, 33))


def archive(number: int, *, size: int = 5, tree_hash: bytes | None = None, vault: str = "photos") -> Archive:
    """Return one of any number of archives."""
    return Archive(
        id=ArchiveId(hashlib.sha512(b"%d" % number).hexdigest()),
        vault=vault,
        size=size,
        tree_hash=tree_hash or hashlib.sha256(b"%d" % number).digest(),
        description=f"archive {number}",
        created=NOON + timedelta(seconds=number),
    )
