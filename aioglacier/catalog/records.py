"""Records of the catalog, as frozen values.

Sizes are bytes, instants are aware UTC datetimes, hashes are 32 raw bytes. Paths are text as Python's ``os``
module gives it: bytes that are not UTF-8 are lone surrogates in it, and come back unchanged.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NewType
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.models import (
        Archive,
        ArchiveId,
        InventoryParameters,
        JobAction,
        JobId,
        ObjectTarget,
        Tier,
        UploadId,
    )
    from aioglacier.core.ranges import ByteRange
    from aioglacier.files.reading import FileIdentity

#: Begins the endpoint of a local Glacier that a program runs in itself.
_LOCAL: Final = "local:"

UploadNumber = NewType("UploadNumber", int)
JobNumber = NewType("JobNumber", int)
DownloadNumber = NewType("DownloadNumber", int)
ArchiveNumber = NewType("ArchiveNumber", int)


@dataclass(frozen=True, slots=True)
class VaultKey:
    """One vault of one account in one region, at one endpoint.

    Attributes:
        vault: The vault's name; "" is the account itself.
        region: The region, as it signs.
        account_id: As requests name it; "-" is the account that the credentials belong to.
        endpoint: The endpoint's URL, or "local:DIR"; "" is AWS's own. A user name and password in it are
            not kept.
    """

    vault: str
    region: str
    account_id: str = "-"
    endpoint: str = ""

    def __post_init__(self) -> None:
        scheme, mark, rest = self.endpoint.partition("://")
        host, slash, path = rest.partition("/")
        if "@" in host:
            clean = f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"
            object.__setattr__(self, "endpoint", clean)

    @property
    def is_bucket(self) -> bool:
        """Whether it is a place in a bucket, where the id of an archive is a key and is given again.

        The name of a vault has no ":".
        """
        return ":" in self.vault

    def may_have_moved_to(self, endpoint: str) -> bool:
        """Return whether a local Glacier may have moved: to another port, or from a folder that is gone."""
        if endpoint.startswith(_LOCAL):
            return self.endpoint.startswith(_LOCAL) and not os.path.exists(self.endpoint[len(_LOCAL) :])  # noqa: PTH110
        url = urlsplit(endpoint)
        return bool(url.netloc) and urlsplit(self.endpoint).hostname == url.hostname

    def __str__(self) -> str:
        where = f" at {self.endpoint}" if self.endpoint else ""
        what = self.vault if self.vault.startswith("s3://") or not self.vault else f"vault {self.vault}"
        return f"{f'{what} of ' if what else ''}account {self.account_id} in {self.region}{where}"


# --- uploads ------------------------------------------------------------------------------------------


class UploadState(StrEnum):
    """The state of an upload; ``uploads.py`` has the table of transitions."""

    INTENT = "intent"  # about to be initiated; the service may have it, under an unknown id
    OPEN = "open"  # the service has given it an id
    COMPLETING = "completing"  # about to be completed. The archive may be there already.
    COMPLETED = "completed"  # the archive is on record
    ABORTED = "aborted"  # given up, and removed at the service
    EXPIRED = "expired"  # the service has removed it after a day without activity
    FAILED = "failed"  # ended and left nothing


#: The outcome of an upload whose archive was reported.
TOLD: Final = "told"


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """One upload, in parts or in a single request.

    Attributes:
        number: The catalog's own name for it.
        nonce: 16 random hex digits, the name of its lock while it is initiated.
        upload_id: The service's id; ``None`` before it is known, and for a single request.
        size: Bytes of the whole, where they are known.
        description: The description of the archive.
        source: The absolute path; ``None`` for a stream.
        identity: The source when the upload began.
        tree_hash: Of the whole, from ``COMPLETING`` on.
        archive_id: The archive, once ``COMPLETED``.
        outcome: A remark about the end, or "".
        target: The object that an upload to a bucket becomes; ``None`` for a vault.
        created: When the intent was recorded.
        active: When the service last heard of it, as far as is recorded; an upload idle for a day may be
            gone.
    """

    number: UploadNumber
    key: VaultKey
    nonce: str
    state: UploadState
    upload_id: UploadId | None
    part_size: int
    size: int | None
    description: str
    source: str | None
    identity: FileIdentity | None
    tree_hash: bytes | None
    archive_id: ArchiveId | None
    outcome: str
    created: datetime
    active: datetime
    target: ObjectTarget | None = None

    @property
    def is_told(self) -> bool:
        """Whether its archive was reported, so that the next run need not."""
        return self.outcome == TOLD


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part that the service has acknowledged with our tree hash."""

    index: int
    size: int
    tree_hash: bytes
    leaves: bytes  # the SHA-256 of every 1 MiB, 32 bytes each, joined; ``b""`` where they are not known


# --- archives -----------------------------------------------------------------------------------------


class ArchiveState(StrEnum):
    """The state of an archive."""

    STORED = "stored"  # proven by an upload, or listed by an inventory
    SUSPECT = "suspect"  # the service disagrees, or a whole inventory lacks it; not to be relied on
    DELETING = "deleting"  # about to be deleted. It may be gone already.
    DELETED = "deleted"  # gone. Inventories made before still list it.


class ArchiveKind(StrEnum):
    """The kind of an archive, as far as is known."""

    PLAIN = "plain"  # one file, or one stream
    BUNDLE = "bundle"  # many small files, with an index
    PIECE = "piece"  # a piece of a stream that is larger than one archive
    MANIFEST = "manifest"  # the list of such pieces


@dataclass(frozen=True, slots=True)
class ArchiveRecord:
    """One archive.

    Attributes:
        number: The catalog's own name for it, rising in the order of recording.
        archive: The facts that the service knows too.
        source: The absolute path it was made from; ``None`` for a stream, or if only an inventory lists it.
        upload: The upload that made it, which has its part and leaf hashes; ``None`` if only an inventory
            lists it.
        seen: The date of the latest inventory that lists it; ``None``: not seen yet.
    """

    number: ArchiveNumber
    key: VaultKey
    archive: Archive
    state: ArchiveState
    source: str | None
    upload: UploadNumber | None
    seen: datetime | None


@dataclass(frozen=True, slots=True)
class VaultTotals:
    """The archives on record that have not been deleted.

    Attributes:
        archives: How many.
        size: Their bytes.
        inventoried: The date of the latest inventory that was merged whole; ``None`` for none.
    """

    archives: int
    size: int
    inventoried: datetime | None


class MergeResult(NamedTuple):
    """The result of merging an inventory.

    Attributes:
        added: Archives that were not on record.
        confirmed: Archives that were, with the same size and tree hash.
        conflicting: Archives that were, with others, and those that it lists twice with different ones. They
            are ``SUSPECT`` now.
        missing: Archives that it should list and does not. They are ``SUSPECT`` now.
    """

    added: int
    confirmed: int
    conflicting: int
    missing: int = 0


# --- jobs and downloads -------------------------------------------------------------------------------


class JobState(StrEnum):
    """The state of a job."""

    INTENT = "intent"  # about to be initiated. The service may know it already, by its nonce.
    OPEN = "open"  # the service works on it
    SUCCEEDED = "succeeded"  # its output can be read
    FAILED = "failed"  # it will have no output
    GONE = "gone"  # the service no longer knows it


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job."""

    number: JobNumber  # the catalog's own name for it
    key: VaultKey
    nonce: str  # 16 random hex digits, in the job's description at the service
    state: JobState
    job_id: JobId | None  # the service's id, once it is known
    action: JobAction
    archive_id: ArchiveId | None
    byte_range: ByteRange | None
    tier: Tier | None
    inventory: InventoryParameters | None  # the range of an inventory job
    outcome: str  # a remark about the end, or ""
    created: datetime
    changed: datetime
    days: int | None = None  # the life of the copy that a restore in a bucket makes


class DownloadState(StrEnum):
    """The state of a download."""

    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DownloadRecord:
    """One output on its way to a file."""

    number: DownloadNumber  # the catalog's own name for it
    job: JobNumber  # the job whose output it is
    target: str  # its absolute path at the end
    state: DownloadState
    outcome: str  # a remark about the end, or ""
    created: datetime
    changed: datetime


# --- archives on their way out of a vault --------------------------------------------------------------


class MoveState(StrEnum):
    """The state of an archive that is brought to a folder or a bucket; each is recorded before its step."""

    PLANNED = "planned"  # chosen and named
    REQUESTED = "requested"  # its job is on record
    READY = "ready"  # the job is done, and its output can be read
    OPEN = "open"  # about to be uploaded to a bucket, or in the middle of that
    COMPLETING = "completing"  # about to become an object. It may be one already.
    PROVEN = "proven"  # at the target, with every byte verified
    DELETING = "deleting"  # proven, and about to be deleted in the vault. It may be gone already.
    DELETED = "deleted"  # proven, and gone from the vault
    FAILED = "failed"  # given up for now; the next run begins again


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """One vault on its way to one folder or bucket."""

    number: int
    key: VaultKey
    target: str  # an absolute path, or s3://BUCKET/PREFIX
    settings: dict[str, Any]
    started: datetime


@dataclass(frozen=True, slots=True)
class MovedRecord:
    """One archive of a move.

    Attributes:
        archive_state: What is known of the archive itself.
        name: The path or key below the target.
        job_id: The job that retrieves it.
        requested: When the job was asked for.
        ready_until: When the job's output may expire.
        token: 16 random hex digits in the object's metadata, which tell it from any other.
        upload_id: The unfinished upload.
        part_size: Bytes of a part of the upload.
        outcome: Why it failed, or "".
        line_number: The place of its line in the manifest, from 1 on.
        line: Its line in the manifest.
        bundle: The number of the bundle that holds it, if it is not an object of its own.
        position: Where its bytes begin in the bundle.
    """

    number: int
    archive: Archive
    archive_state: ArchiveState
    name: str
    state: MoveState
    job_id: JobId | None
    requested: datetime | None
    ready_until: datetime | None
    token: str | None
    upload_id: UploadId | None
    part_size: int | None
    outcome: str
    line_number: int | None
    line: str | None
    bundle: int | None = None
    position: int | None = None


class MovedBundle(NamedTuple):
    """An object that holds several archives of a move.

    Attributes:
        number: 0 before it is on record.
        name: The key below the target.
        token: As that of a ``MovedRecord``.
        size, tree_hash, checksum: Of the object; the last is its SHA-256.
    """

    number: int
    name: str
    token: str
    size: int
    tree_hash: bytes
    checksum: bytes


class MovedPart(NamedTuple):
    """A part of an object to be that the bucket has acknowledged."""

    number: int  # from 0 on
    tree_hash: bytes
    checksum: bytes  # SHA-256
    etag: str = ""  # "" for the only part of an object
