"""S3's buckets, objects, uploads and restores as frozen values, and the rules of its storage classes.

Sizes are bytes, instants are aware UTC datetimes, checksums are raw bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.limits import KIB
from aioglacier.core.models import Archive, ObjectFacts, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from aioglacier.core.models import UploadId


class StorageClass(StrEnum):
    """The storage classes that this library writes to. A list may name others."""

    STANDARD = "STANDARD"
    STANDARD_IA = "STANDARD_IA"
    ONEZONE_IA = "ONEZONE_IA"
    INTELLIGENT_TIERING = "INTELLIGENT_TIERING"
    GLACIER_IR = "GLACIER_IR"
    GLACIER = "GLACIER"
    DEEP_ARCHIVE = "DEEP_ARCHIVE"


#: Names in the metadata of what is written here.
UPLOAD_NAME: Final = "aioglacier-upload"
TREE_HASH_NAME: Final = "aioglacier-tree-hash"
DESCRIPTION_NAME: Final = "aioglacier-description"

#: The tiers of a restore by class (S3 API, RestoreObject). Every other class reads at once and refuses one.
RESTORE_TIERS: Final[Mapping[str, tuple[Tier, ...]]] = {
    StorageClass.GLACIER: (Tier.EXPEDITED, Tier.STANDARD, Tier.BULK),
    StorageClass.DEEP_ARCHIVE: (Tier.STANDARD, Tier.BULK),
    StorageClass.INTELLIGENT_TIERING: (Tier.EXPEDITED, Tier.STANDARD, Tier.BULK),
}


class ClassTerms(NamedTuple):
    """The terms on which a storage class is billed.

    Attributes:
        minimum_days: Days that an object is charged for, at least.
        overhead: Bytes that are added to each object.
        standard_overhead: Bytes that are added to each object and cost as much as in STANDARD.
        smallest: Bytes that an object is charged for, at least.
    """

    minimum_days: int = 0
    overhead: int = 0
    standard_overhead: int = 0
    smallest: int = 0


#: The terms of each class (S3 pricing, footnotes; user guide, "Comparing the Amazon S3 storage classes").
CLASS_TERMS: Final[Mapping[StorageClass, ClassTerms]] = {
    StorageClass.STANDARD: ClassTerms(),
    StorageClass.STANDARD_IA: ClassTerms(30, smallest=128 * KIB),
    StorageClass.ONEZONE_IA: ClassTerms(30, smallest=128 * KIB),
    StorageClass.INTELLIGENT_TIERING: ClassTerms(),
    StorageClass.GLACIER_IR: ClassTerms(90, smallest=128 * KIB),
    StorageClass.GLACIER: ClassTerms(90, 32 * KIB, 8 * KIB),
    StorageClass.DEEP_ARCHIVE: ClassTerms(180, 32 * KIB, 8 * KIB),
}


class ChecksumAlgorithm(StrEnum):
    """The algorithms of S3's additional checksums, and MD5, which every store has."""

    MD5 = "MD5"
    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    SHA1 = "SHA1"
    SHA256 = "SHA256"


#: The choice of SHA256, or of MD5 where a store refuses or ignores the headers of S3's additional checksums.
AUTO: Final = "auto"


class ObjectChecksum(NamedTuple):
    """A checksum that S3 keeps of an object.

    Attributes:
        value: The raw bytes, most significant first.
        parts: The count of parts if the checksum is one of the parts' checksums (COMPOSITE), else ``None``.
    """

    algorithm: ChecksumAlgorithm
    value: bytes
    parts: int | None = None


class BucketRef(NamedTuple):
    """A bucket, and the facts that go with each request for it.

    Attributes:
        owner: The account that must own the bucket; S3 refuses the request if another does.
        is_requester_pays: Whether the caller pays for requests to a bucket of somebody else.
    """

    name: str
    owner: str | None = None
    is_requester_pays: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSettings:
    """All that is fixed when an object is written.

    Attributes:
        storage_class: Its class.
        metadata: User metadata, ASCII, 2 KB in all.
        tags: Up to ten.
        content_type: The media type; S3 takes "binary/octet-stream" without one.
        encryption: "aws:kms", "aws:kms:dsse" or "AES256"; ``None`` for the bucket's default.
        kms_key: The id or ARN of the KMS key; ``None`` for the account's own.
        uses_bucket_key: Whether KMS is asked once a bucket and not once an object; ``None`` for the default.
        lock_mode: "GOVERNANCE" or "COMPLIANCE", with ``locked_until``.
        locked_until: The object cannot be deleted before.
        is_held: Whether a legal hold forbids to delete it.
    """

    storage_class: StorageClass = StorageClass.STANDARD
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    encryption: str | None = None
    kms_key: str | None = None
    uses_bucket_key: bool | None = None
    lock_mode: str | None = None
    locked_until: datetime | None = None
    is_held: bool | None = None


@dataclass(frozen=True, slots=True)
class BucketDescription:
    """A bucket in the account's list.

    Attributes:
        region: ``None`` if the service does not tell it.
    """

    name: str
    created: datetime
    region: str | None


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """The part of a bucket's lifecycle rule that concerns unfinished uploads, and objects that are to stay.

    Attributes:
        prefix: The keys it is for; "" for all.
        abort_uploads_after_days: Days after which an unfinished upload is removed; ``None`` for never.
        deletes: Whether it deletes objects.
        moves_to: The classes that it moves objects to.
    """

    id: str
    is_enabled: bool
    prefix: str
    abort_uploads_after_days: int | None
    deletes: bool = False
    moves_to: tuple[str, ...] = ()


class LockDefault(NamedTuple):
    """The retention that a bucket with Object Lock gives to each new object.

    Attributes:
        mode: "GOVERNANCE" or "COMPLIANCE"; ``None`` without a default.
        period: As "7 days" or "1 years"; "" without a default.
    """

    mode: str | None = None
    period: str = ""


@dataclass(frozen=True, slots=True)
class RestoreState:
    """The restore of an object in a class that does not read at once.

    Attributes:
        is_ongoing: Whether the service still works on it.
        expires: The end of the copy's life, ``None`` while there is no copy.
    """

    is_ongoing: bool
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHead:
    """An object, as its head describes it.

    Attributes:
        size: Bytes of the whole object.
        etag: Changes with the object's bytes; no hash of them in general.
        storage_class: A ``StorageClass``, or a name that is not one of ours.
        archive_tier: The archive tier of INTELLIGENT_TIERING that the object is in, if any.
        checksum: The checksum of the object or, if one part was asked for, of the part.
        parts_count: The count of parts, told only if one part was asked for.
        restore: ``None`` if none was asked for, or if the copy has expired.
        encryption: As in ``ObjectSettings``.
        locked_until: As in ``ObjectSettings``.
        is_held: As in ``ObjectSettings``.
    """

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str
    archive_tier: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    checksum: ObjectChecksum | None = None
    parts_count: int | None = None
    restore: RestoreState | None = None
    version_id: str | None = None
    encryption: str | None = None
    locked_until: datetime | None = None
    is_held: bool = False

    def is_readable(self, now: datetime) -> bool:
        """Return whether it can be read now. Its class alone does not tell: a restored object reads."""
        if self.storage_class not in RESTORE_TIERS:
            return True
        if self.storage_class == StorageClass.INTELLIGENT_TIERING and self.archive_tier is None:
            return True
        if self.restore is None or self.restore.is_ongoing:
            return False
        return self.restore.expires is None or self.restore.expires > now


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """An object in a bucket's list.

    Attributes:
        storage_class: As in ``ObjectHead``.
        restore: ``None`` if none was asked for.
    """

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str
    restore: RestoreState | None


@dataclass(frozen=True, slots=True)
class UploadedObjectPart:
    """A part that the service has.

    Attributes:
        number: Counts from 1.
        etag: Names these bytes in the completion; "" for a part of a complete object.
        checksum: In the upload's algorithm; ``None`` if the service does not tell it.
    """

    number: int
    size: int
    etag: str
    checksum: bytes | None


@dataclass(frozen=True, slots=True)
class ObjectUpload:
    """An unfinished upload. S3 keeps it, and bills its parts, until it is completed or aborted.

    Attributes:
        started: ``None`` where the service does not tell it: a list of parts has no date.
        algorithm: Of the parts' checksums, ``None`` without any.
    """

    key: str
    id: UploadId
    started: datetime | None
    storage_class: str
    algorithm: ChecksumAlgorithm | None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """The service's answer to an object that was stored.

    Attributes:
        checksum: ``None`` if the service does not tell it.
        version_id: In a bucket with versions.
        stored_at: The date of the answer.
    """

    etag: str
    checksum: ObjectChecksum | None
    version_id: str | None
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class ObjectAttributes:
    """The attributes of an object whose parts are listed."""

    size: int
    etag: str
    storage_class: str
    checksum: ObjectChecksum | None
    parts_count: int | None


@dataclass(frozen=True, slots=True)
class ArchivedObject(Archive):
    """An object, as proven by its upload: an archive whose id is its key below the bucket's prefix.

    Its ``vault`` is the place, as ``s3://BUCKET/PREFIX``. Its ``tree_hash`` is ``b""`` with CRC64NVME, and of
    an object above 39 TiB, whose parts are no nodes of the tree.

    Attributes:
        bucket: The bucket's name.
        checksum: The checksum that S3 has, and that was computed here.
    """

    bucket: str
    checksum: ObjectChecksum
    storage_class: StorageClass
    etag: str
    version_id: str | None

    def __str__(self) -> str:
        return f"object {self.url}, {self.size} bytes"

    @property
    def key(self) -> str:
        """The key below the prefix, by which ``Bucket.retrieve`` finds it."""
        return self.id

    @property
    def url(self) -> str:
        """The whole address."""
        return self.vault + ("" if self.vault.count("/") > 2 else "/") + self.id  # with a prefix, or without

    @property
    def object_facts(self) -> ObjectFacts:
        """The facts that only objects have."""
        return ObjectFacts(
            self.storage_class,
            self.etag,
            self.version_id,
            self.checksum.algorithm,
            self.checksum.value.hex(),
            self.checksum.parts,
        )


def object_url(bucket: str, key: str) -> str:
    """Return the URL by which messages and people name an object."""
    return f"s3://{bucket}/{key}"
