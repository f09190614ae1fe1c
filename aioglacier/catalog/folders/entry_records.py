"""Records of folders: a folder, a version of a path, the archive that has it, and the cost of a run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NewType

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.catalog.records import UploadNumber, VaultKey
    from aioglacier.core.models import ArchiveId

_HALF: Final = 1 << 63

TreeNumber = NewType("TreeNumber", int)
RunNumber = NewType("RunNumber", int)


class Standing(StrEnum):
    """Whether the content of a version can be retrieved: the state of its archive decides, at every look."""

    PROVEN = "proven"  # the version has no content, or its archive is stored
    AWAITED = "awaited"  # the upload of its archive has not come to an end, so nothing is proven yet
    LOST = "lost"  # its archive was never made, is suspect, is about to be deleted, or is gone


@dataclass(frozen=True, slots=True)
class TreeRecord:
    """A folder that is kept in a vault."""

    number: TreeNumber
    key: VaultKey
    identity: str  # 32 random hex digits, the name of the folder in bundles and descriptions
    root: str  # its absolute path
    host: str  # the machine that it is on; "" where an old catalog did not keep it
    owner: str  # the user who first archived it; "" where an old catalog did not keep it
    last_run: RunNumber | None  # the last ``sync`` that came to its end, ``None`` before the first


class SyncRecord(NamedTuple):
    """One run of ``sync``.

    Attributes:
        state: "open", "completed" or "failed"; one that was killed stays open.
        counters: Its ``SyncSnapshot`` at the end.
        outcome: Why it did not come to its end, or "".
    """

    number: RunNumber
    state: str
    started: datetime
    ended: datetime | None
    counters: dict[str, Any]
    outcome: str


class Entry(NamedTuple):
    """One version of a path.

    Attributes:
        since: The run that recorded it.
        kind: "file", "directory", "symlink" or "hardlink".
        size: Bytes of the content.
        inode, device: Signed 64 bits.
        mode: The permissions.
        target: Where a symbolic link points; of a hard link the path of the file it is another name of.
        extra: JSON of attributes that few paths have.
        content_hash: The tree hash of a file's content; ``None`` where it is the archive's own.
        upload: The upload whose archive has it; ``None`` where there is no content.
        position, stored: Where in the archive, and how many bytes there; ``None`` for all of it.
    """

    tree: int
    path: bytes
    since: int
    kind: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    mode: int
    uid: int
    gid: int
    target: bytes | None = None
    extra: bytes | None = None
    content_hash: bytes | None = None
    upload: int | None = None
    position: int | None = None
    stored: int | None = None
    compression: str | None = None
    encryption: str | None = None

    def placed(
        self, upload: int | None, position: int, stored: int, compression: str | None, encryption: str | None
    ) -> Entry:
        """Return this version with the place of its content in a bundle."""
        # ``_replace`` takes three times as long, and this runs twice for each of a million files.
        return tuple.__new__(Entry, (*self[:_PLACE], upload, position, stored, compression, encryption))


_PLACE: Final = Entry._fields.index("upload")


@dataclass(frozen=True, slots=True)
class BundleRecord:
    """An archive of a folder: a bundle, or one big file."""

    upload: UploadNumber
    format: str  # "tar" or "file"
    compression: str | None
    encryption: str | None
    members: int = 0  # how many paths it has
    content_size: int = 0
    index_position: int = 0  # where the index begins; 0 in a file
    index_size: int = 0


class StoredEntry(NamedTuple):
    """The newest version of a path whose archive is proven, with that archive.

    Attributes:
        archive_id: ``None`` where there is no content.
        archive_size, archive_hash, archive_created: Of the archive.
        is_older: The path has a newer version, whose archive is not proven.
    """

    entry: Entry
    archive_id: ArchiveId | None
    archive_size: int
    archive_hash: bytes | None
    archive_created: datetime | None
    is_older: bool


class ContentPlace(NamedTuple):
    """The place of the content of one path, in an archive that has it, as a plan needs it.

    Attributes:
        size: Bytes of the content.
        position, stored: Where in the archive, and how many bytes there; ``None`` for all of it.
    """

    path: bytes
    size: int
    position: int | None
    stored: int | None
    encryption: str | None
    archive_id: ArchiveId
    archive_size: int


class StoredContent(NamedTuple):
    """The place of content that is proven to be in a vault.

    Attributes:
        upload: The upload whose archive has it.
        position, stored: Where in the archive, and how many bytes there; ``None`` for all of it.
    """

    upload: int
    position: int | None
    stored: int | None
    compression: str | None
    encryption: str | None
    archive_id: ArchiveId


def storable_time(time_ns: int) -> int:
    """Return a time in nanoseconds as a database keeps it: the nearest one of the years 1677 to 2262."""
    return max(-_HALF, min(time_ns, _HALF - 1))
