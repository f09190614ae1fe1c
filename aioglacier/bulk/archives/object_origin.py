"""The origin of an archive that lies in a bucket, as an object or in a bundle, kept with its record.

These records are apart from those of the bucket's objects: a bundle is one object and many archives, and
``sync`` must not take a member of a bundle for an object.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.models import ArchiveId

if TYPE_CHECKING:
    from aioglacier.catalog import ArchiveRecord
    from aioglacier.catalog.records import VaultKey
    from aioglacier.core.models import Archive

_PLACE: Final = "archives in "

#: In place of the id of an archive: the object is a bundle, whose members are on record.
NO_ARCHIVE: Final = ""


class ObjectOrigin(NamedTuple):
    """The object that an archive is, or that it lies in.

    Attributes:
        archive_id: The id that the archive had in its vault; its key if it came from none.
        key: The object's key.
        etag, storage_class, size: Of the object.
        position: Where the archive's bytes begin in a bundle; ``None`` for an object of its own.
    """

    archive_id: str
    key: str
    etag: str
    storage_class: str
    size: int
    position: int | None = None

    @classmethod
    def of(cls, record: ArchiveRecord) -> ObjectOrigin:
        """Return the origin on record."""
        return cls(*json.loads(record.source or ""))

    def text(self) -> str:
        """Return the origin for a record."""
        return json.dumps(self)

    @property
    def id(self) -> ArchiveId:
        """The name of the archive's record."""
        return ArchiveId(self.key if self.position is None else f"{self.key}@{self.position}")


def archives_in(key: VaultKey) -> VaultKey:
    """Return the place on record of the archives in a bucket."""
    return replace(key, vault=f"{_PLACE}{key.vault}")


def told(record: ArchiveRecord) -> Archive:
    """Return an archive with the id that it had in its vault, wherever it lies now."""
    if not record.key.vault.startswith(_PLACE):
        return record.archive
    return replace(record.archive, id=ArchiveId(ObjectOrigin.of(record).archive_id))
