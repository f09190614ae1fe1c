"""The service's vaults, archives, uploads, jobs and settings as frozen values.

Sizes are bytes, instants are aware UTC datetimes, hashes are 32 raw bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, NamedTuple, NewType, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.ranges import ByteRange

ArchiveId = NewType("ArchiveId", str)
UploadId = NewType("UploadId", str)
JobId = NewType("JobId", str)
LockId = NewType("LockId", str)
CapacityId = NewType("CapacityId", str)

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """One page of a list; ``marker`` leads to the next page and is ``None`` on the last one."""

    items: tuple[T_co, ...]
    marker: str | None


# --- archives and vaults ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive, as proven by an upload or listed by an inventory.

    Attributes:
        id: The service's id, 138 characters today; it may begin with "-".
        vault: The name of its vault.
        size: Bytes.
        tree_hash: SHA-256 tree hash.
        description: "" if it has none.
        created: The service's date of the archive. After an upload it is the date of the answer, which may
            differ a little from the date in the inventory.
    """

    id: ArchiveId
    vault: str
    size: int
    tree_hash: bytes
    description: str
    created: datetime

    def __str__(self) -> str:
        return f"archive {self.id}, {self.size} bytes"

    @property
    def object_facts(self) -> ObjectFacts | None:
        """The facts that only an object in a bucket has."""
        return None


class ObjectFacts(NamedTuple):
    """The facts of an object that an archive in a vault lacks.

    Attributes:
        algorithm: Of the checksum, which is in hex.
        parts: The count of parts if the checksum is one of the parts' checksums.
    """

    storage_class: str
    etag: str
    version_id: str | None
    algorithm: str
    checksum: str
    parts: int | None


class ObjectTarget(NamedTuple):
    """The facts by which an upload to a bucket goes on, or is recognised, after its process has died.

    Attributes:
        key: The object's key below the prefix.
        algorithm: Of the checksums.
        token: The random word in the object's metadata, if it is known.
        overwrites: Whether an object under the key may be replaced.
    """

    key: str
    storage_class: str
    algorithm: str
    token: str | None
    overwrites: bool


@dataclass(frozen=True, slots=True)
class VaultDescription:
    """A vault. The numbers are those of the last inventory, about a day old.

    Attributes:
        archive_count: Archives at the last inventory.
        size: Bytes at the last inventory, with 32 KiB of overhead for each archive.
        inventoried: The date of the last inventory; ``None`` before the first.
    """

    name: str
    arn: str
    created: datetime
    archive_count: int
    size: int
    inventoried: datetime | None


# --- uploads ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UploadDescription:
    """An unfinished multipart upload."""

    id: UploadId
    vault_arn: str
    part_size: int
    description: str
    started: datetime


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part that the service has acknowledged.

    Attributes:
        start: Offset of its first byte. (Its end is not kept: some answers give it one byte too far.)
        tree_hash: As the service computed it.
    """

    start: int
    tree_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """The service's answer to the end of an upload."""

    id: ArchiveId
    tree_hash: bytes | None  # as the service computed it; ``None`` if the answer lacks it
    stored_at: datetime  # the date of the answer


# --- jobs ---------------------------------------------------------------------------------------------


class Tier(StrEnum):
    """The speed and price class of a retrieval: about 1-5 minutes, 3-5 hours, 5-12 hours."""

    EXPEDITED = "Expedited"
    STANDARD = "Standard"
    BULK = "Bulk"


class JobAction(StrEnum):
    """The kind of a job. Select jobs are no longer offered, but may occur in old lists."""

    ARCHIVE_RETRIEVAL = "ArchiveRetrieval"
    INVENTORY_RETRIEVAL = "InventoryRetrieval"
    SELECT = "Select"


class JobStatus(StrEnum):
    """The state of a job. Jobs cannot be cancelled."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class InventoryFormat(StrEnum):
    """The format of an inventory. JSON is exact; the service's CSV needs a reader of its own."""

    JSON = "JSON"
    CSV = "CSV"


@dataclass(frozen=True, slots=True)
class InventoryParameters:
    """The part of a vault's inventory that a job lists.

    Attributes:
        format: JSON or CSV.
        start_date: Only archives created at or after this.
        end_date: Only archives created before this.
        limit: At most this many, at least 1.
        marker: The end of the page before; in a finished job the beginning of the next, or ``None``.
    """

    format: InventoryFormat = InventoryFormat.JSON
    start_date: datetime | None = None
    end_date: datetime | None = None
    limit: int | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class JobDescription:
    """A job. Fields that do not belong to its action are ``None``.

    Attributes:
        archive_size: Bytes of the whole archive.
        archive_tree_hash: Tree hash of the whole archive.
        byte_range: The bytes of the archive that are retrieved; its output counts from their start.
        tree_hash: The hash of the retrieved bytes, if they are one node of the archive's tree.
        inventory_size: Bytes of the inventory, once the job is done.
        inventory: The part of the inventory that the job lists.
    """

    id: JobId
    vault_arn: str
    action: JobAction
    status: JobStatus
    created: datetime
    completed: datetime | None = None
    status_message: str | None = None
    description: str | None = None
    sns_topic: str | None = None
    tier: Tier | None = None
    archive_id: ArchiveId | None = None
    archive_size: int | None = None
    archive_tree_hash: bytes | None = None
    byte_range: ByteRange | None = None
    tree_hash: bytes | None = None
    inventory_size: int | None = None
    inventory: InventoryParameters | None = None

    @property
    def is_done(self) -> bool:
        """Whether the job has succeeded or failed."""
        return self.status is not JobStatus.IN_PROGRESS

    @property
    def output_size(self) -> int | None:
        """The size of the job's output in bytes, if it is known."""
        if self.action is JobAction.ARCHIVE_RETRIEVAL:
            # A job for the whole names no range.
            return self.byte_range.size if self.byte_range else self.archive_size
        return self.inventory_size


# --- the rest of a vault and an account ---------------------------------------------------------------


class VaultEvent(StrEnum):
    """An event that a vault can publish to an SNS topic."""

    ARCHIVE_RETRIEVAL_COMPLETED = "ArchiveRetrievalCompleted"
    INVENTORY_RETRIEVAL_COMPLETED = "InventoryRetrievalCompleted"


@dataclass(frozen=True, slots=True)
class NotificationConfig:
    """The events of a vault that are published, and their SNS topic."""

    sns_topic: str
    events: frozenset[VaultEvent]


class LockState(StrEnum):
    """A lock in progress can be aborted for 24 hours; a locked vault stays locked for ever."""

    IN_PROGRESS = "InProgress"
    LOCKED = "Locked"


@dataclass(frozen=True, slots=True)
class VaultLock:
    """A vault's lock policy, the JSON text as it was given; ``expires`` is ``None`` once locked."""

    policy: str
    state: LockState
    created: datetime
    expires: datetime | None


class RetrievalStrategy(StrEnum):
    """The rule by which an account's data retrieval policy limits Standard retrievals."""

    NONE = "None"
    FREE_TIER = "FreeTier"
    BYTES_PER_HOUR = "BytesPerHour"


@dataclass(frozen=True, slots=True)
class RetrievalPolicy:
    """An account's data retrieval policy; ``bytes_per_hour`` belongs to the strategy of that name only."""

    strategy: RetrievalStrategy
    bytes_per_hour: int | None = None


@dataclass(frozen=True, slots=True)
class ProvisionedCapacity:
    """One purchased unit of Expedited capacity."""

    id: CapacityId
    started: datetime
    expires: datetime
