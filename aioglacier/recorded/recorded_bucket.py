"""A bucket below a prefix, as outcomes, resumes and folders ask for it; see ``vault_context`` for vaults."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.core.checks import check_choice
from aioglacier.core.errors import (
    AccessDeniedError,
    InvalidPartSizeError,
    InvalidPlanError,
    ObjectNotFoundError,
    ResumeMismatchError,
    UploadNotFoundError,
    naming,
)
from aioglacier.core.limits import S3
from aioglacier.core.models import ArchiveId, ObjectTarget, UploadDescription
from aioglacier.core.place import Place, parse_place
from aioglacier.core.planning import check_part_size, choose_part_size
from aioglacier.core.s3.object_checks import check_key, check_settings
from aioglacier.core.s3.objects import (
    DESCRIPTION_NAME,
    UPLOAD_NAME,
    ChecksumAlgorithm,
    ObjectSettings,
    StorageClass,
)
from aioglacier.core.upload_identity import CLOCK_TOLERANCE, LATEST_BEGIN
from aioglacier.gateway.contract.paging import follow
from aioglacier.recorded.place_context import PlaceContext
from aioglacier.transfer.object_store import RULES, ObjectStore
from aioglacier.transfer.upload.writer import UploadOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractContextManager

    from aioglacier.catalog import ArchiveRecord, UploadRecord
    from aioglacier.core.limits import PartLimits
    from aioglacier.core.models import Page, UploadId
    from aioglacier.core.s3.objects import ArchivedObject, BucketRef, ObjectUpload, UploadedObjectPart
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.sources import ByteSource

#: S3 has no part size in the description of an upload; its parts tell it.
_UNKNOWN_PART_SIZE: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions(UploadOptions):
    """The options of one upload to a bucket. ``vault`` is the place, as ``s3://BUCKET/PREFIX``.

    Attributes:
        key: The key below the prefix.
        algorithm: Of the checksums: SHA256 or CRC64NVME.
        overwrite: Whether an object under the key may be replaced.
        token: The random word in the object's metadata by which a lost answer is settled; ``None`` for an
            upload that another machine has begun.

    Raises:
        InvalidPlanError: S3 would refuse the key or the settings.
    """

    ref: BucketRef
    prefix: str
    key: str
    settings: ObjectSettings
    algorithm: ChecksumAlgorithm = ChecksumAlgorithm.SHA256
    overwrite: bool = False
    token: str | None = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        UploadOptions.__post_init__(self)
        check_key(self.whole_key)
        check_settings(self.settings)
        if self.algorithm not in RULES:
            raise InvalidPlanError(f"objects are written with {' or '.join(RULES)}, not {self.algorithm}")

    @property
    def whole_key(self) -> str:
        """The key with its prefix."""
        return self.prefix + self.key

    @property
    def place(self) -> str:
        """See ``SendOptions``."""
        return f"s3://{self.ref.name}/{self.whole_key}"

    @property
    def target(self) -> ObjectTarget | None:
        """See ``UploadOptions``."""
        return ObjectTarget(self.key, self.settings.storage_class, self.algorithm, self.token, self.overwrite)

    def as_begun(self, part_size: int, target: ObjectTarget | None) -> ObjectOptions:
        """See ``UploadOptions``."""
        if target is None:
            return replace(self, part_size=part_size, token=None)
        for what, begun, wanted in (
            ("class", target.storage_class, self.settings.storage_class),
            ("checksum", target.algorithm, self.algorithm),
        ):
            if begun != wanted:
                raise ResumeMismatchError(
                    f"the unfinished upload to {self.place} was begun with {what} {begun}, but now it is "
                    f"{wanted}; name {begun}, or abort that upload"
                )
        return replace(self, part_size=part_size, key=target.key, token=target.token)

    def naming(self) -> AbstractContextManager[None]:
        """See ``SendOptions``."""
        return naming(bucket=self.ref.name, key=self.whole_key)


def check_class(storage_class: StorageClass | str | None) -> StorageClass:
    """Return the storage class, which is never chosen for the caller.

    Raises:
        InvalidPlanError: None was named, or S3 has none of this name.
    """
    if storage_class is None:
        raise InvalidPlanError(
            "name a storage class, for the bucket or for the object: GLACIER_IR (read at once, billed for 90 "
            "days at least), GLACIER (restored in minutes to hours, 90 days) or DEEP_ARCHIVE (restored in 12 "
            "to 48 hours, 180 days)"
        )
    return check_choice("storage class", StorageClass, storage_class)


def object_options(
    ref: BucketRef,
    prefix: str,
    key: str,
    description: str | None = None,
    *,
    storage_class: StorageClass | str | None,
    settings: ObjectSettings | None,
    algorithm: ChecksumAlgorithm | str,
    overwrite: bool,
    part_size: int | None,
    expected_size: int | None,
    keep_unfinished: bool,
) -> ObjectOptions:
    """Return the options of an upload to a key below a prefix.

    Raises:
        InvalidPlanError: No class is named, or S3 would refuse the key or a setting.
    """
    given = settings or ObjectSettings()
    metadata = {**given.metadata, DESCRIPTION_NAME: description} if description else given.metadata
    return ObjectOptions(
        str(Place(ref.name, prefix)),
        description,
        part_size,
        expected_size,
        keep_unfinished,
        ref=ref,
        prefix=prefix,
        key=key,
        settings=replace(given, storage_class=check_class(storage_class), metadata=metadata),
        algorithm=check_choice("checksum", ChecksumAlgorithm, algorithm),
        overwrite=overwrite,
    )


@dataclass(frozen=True, slots=True)
class BegunUpload:
    """An unfinished upload at the service, with its record where there is one.

    Attributes:
        options: Its options, as far as record and service tell them.
    """

    upload: ObjectUpload
    parts: list[UploadedObjectPart]
    record: UploadRecord | None
    options: ObjectOptions
    records: VaultRecords | None

    def part_size(self, size: int | None, wanted: int | None) -> int:
        """Return its part size, for a source of ``size`` bytes.

        Raises:
            ResumeMismatchError: The parts tell no size that uploads from here have, or another one.
        """
        if self.record is not None and not self.parts:
            wanted = wanted or self.record.part_size
        return choose_resumed_part_size(self.parts, size, wanted, self.upload.id)

    def describe(self, part_size: int) -> UploadDescription:
        """Return its description, as the records take it."""
        return _describe(self.upload, part_size, self.options.description or "")

    async def leading_hashes(self, part_size: int) -> list[bytes]:
        """Return the recorded tree hash, or ``b""``, of each whole part from the first on."""
        recorded: dict[int, bytes] = {}
        if self.record is not None and self.records is not None:
            parts = self.records.catalog.uploads.list_parts(self.record.number)
            recorded = {part.index: part.tree_hash async for part in parts}
        hashes: list[bytes] = []
        for part in self.parts:
            if part.number != len(hashes) + 1 or part.size != part_size or part.checksum is None:
                break
            hashes.append(recorded.get(len(hashes), b""))
        return hashes


@dataclass(frozen=True, slots=True)
class OpenBucket(PlaceContext):
    """A bucket of an open connection, below a prefix.

    Attributes:
        gateway: Carries requests.
        resources: Memory, hashing and connections of transfers.
        ref: The bucket, and what goes with each request for it.
        prefix: What begins every key.
        storage_class: The class of objects that name none.
        records: The place's records; ``None`` without a catalog.
    """

    gateway: S3Gateway
    resources: TransferResources
    ref: BucketRef
    prefix: str
    storage_class: StorageClass | None
    records: VaultRecords | None = None

    @property
    def name(self) -> str:
        """The place, as ``s3://BUCKET/PREFIX``."""
        return str(Place(self.ref.name, self.prefix))

    @property
    def limits(self) -> PartLimits:
        """The limits for parts."""
        return S3

    def naming(self, key: str | None = None) -> AbstractContextManager[None]:
        """Set the bucket's name, and the whole key, on every error that leaves the block."""
        return naming(bucket=self.ref.name, key=self.prefix + key if key is not None else None)

    def recorded(self) -> RecordedBucket:
        """Return the same context with records for certain.

        Raises:
            ConfigurationError: The connection has no catalog.
        """
        return RecordedBucket(
            self.gateway, self.resources, self.ref, self.prefix, self.storage_class, self.require_records()
        )

    def upload_options(
        self,
        description: str | None = None,
        *,
        name: str,
        storage_class: StorageClass | str | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
        settings: ObjectSettings | None = None,
        algorithm: ChecksumAlgorithm | str = ChecksumAlgorithm.SHA256,
        overwrite: bool = False,
    ) -> ObjectOptions:
        """Return the options of an upload to the key ``name`` below the prefix.

        Raises:
            InvalidPlanError: No class is named, or S3 would refuse the key or a setting.
        """
        return object_options(
            self.ref,
            self.prefix,
            name,
            description,
            storage_class=storage_class or self.storage_class,
            settings=settings,
            algorithm=algorithm,
            overwrite=overwrite,
            part_size=part_size,
            expected_size=expected_size,
            keep_unfinished=keep_unfinished,
        )

    def store(
        self,
        options: UploadOptions,
        source: NamedFile | ByteSource | None = None,
        record: UploadRecord | None = None,
        *,
        found: UploadDescription | None = None,
        awaits_report: bool = False,
    ) -> ArchiveStore[ArchivedObject]:
        """See ``VaultContext.store``."""
        assert isinstance(options, ObjectOptions)  # noqa: S101  # ``upload_options`` made them
        store = self.object_store(options)
        if self.records is None:
            return store
        return self.records.store(store, options, source, record, found=found, awaits_report=awaits_report)

    def object_store(self, options: ObjectOptions) -> ObjectStore:
        """Return the bucket as a store for one object, without records."""
        return ObjectStore(
            self.gateway,
            self.ref,
            options.whole_key,
            options.settings,
            algorithm=options.algorithm,
            overwrite=options.overwrite,
            prefix=self.prefix,
            part_size=options.part_size or 0,
            token=options.token,
        )

    async def list_object_uploads(self, prefix: str = "") -> AsyncIterator[ObjectUpload]:
        """Iterate over the unfinished uploads below the prefix, with their keys below it."""

        async def fetch(marker: str | None) -> Page[ObjectUpload]:
            return await self.gateway.list_multipart_uploads(
                self.ref, prefix=self.prefix + prefix or None, marker=marker
            )

        async for upload in follow("ListMultipartUploads", fetch):
            yield replace(upload, key=upload.key[len(self.prefix) :])

    async def list_object_parts(
        self, key: str, upload_id: UploadId
    ) -> tuple[ObjectUpload, list[UploadedObjectPart]]:
        """Fetch an unfinished upload and its parts.

        Raises:
            UploadNotFoundError: It was completed or aborted.
        """
        uploads: list[ObjectUpload] = []

        async def fetch(marker: str | None) -> Page[UploadedObjectPart]:
            whole_key = self.prefix + key
            upload, page = await self.gateway.list_parts(self.ref, whole_key, upload_id, marker=marker)
            uploads.append(upload)
            return page

        parts = [part async for part in follow("ListParts", fetch)]
        return replace(uploads[0], key=key), parts

    async def find_begun(
        self, upload_id: UploadId, key: str | None = None, *, overwrite: bool = False
    ) -> BegunUpload:
        """Find an unfinished upload, its parts and its record.

        Raises:
            UploadNotFoundError: It was completed or aborted.
        """
        record = await self.records.uploads.find(upload_id) if self.records is not None else None
        key = key if key is not None else await self.find_upload_key(upload_id)
        with self.naming(key):
            upload, parts = await self.list_object_parts(key, upload_id)
        target = record.target if record is not None else None
        options = self.upload_options(
            record.description or None if record is not None else None,
            name=key,
            storage_class=upload.storage_class,
            keep_unfinished=True,
            algorithm=upload.algorithm or ChecksumAlgorithm.SHA256,
            overwrite=overwrite or (target is not None and target.overwrites),
        )
        token = target.token if target is not None else None
        return BegunUpload(upload, parts, record, replace(options, token=token), self.records)

    async def find_upload_key(self, upload_id: UploadId) -> str:
        """Return the key of an unfinished upload, from its record or from the bucket's list.

        Raises:
            UploadNotFoundError: It was completed or aborted.
        """
        if self.records is not None:
            record = await self.records.uploads.find(upload_id)
            if record is not None and record.target is not None:
                return record.target.key
        async for upload in self.list_object_uploads():
            if upload.id == upload_id:
                return upload.key
        raise UploadNotFoundError(
            f"{self.name} has no unfinished upload {upload_id}: it was completed or aborted",
            operation="ListMultipartUploads",
            code="NoSuchUpload",
            status=200,
        )

    async def places_on_record(self) -> list[VaultRecords]:
        """Return the records of this bucket under every prefix that is on record."""
        if self.records is None:
            return []
        own = self.records.key
        found = await self.catalog.archives.bucket_keys(self.ref.name)
        return [self.records.of(key) for key in found if replace(own, vault=key.vault) == key]

    async def delete_object(self, whole_key: str) -> None:
        """Delete an object, and record it in each place on record that has it."""

        async def delete() -> None:
            await self.gateway.delete_object(self.ref, whole_key)

        for records in await self.places_on_record():
            prefix = parse_place(records.key.vault).prefix or ""
            if whole_key.startswith(prefix):
                delete = partial(records.delete, ArchiveId(whole_key[len(prefix) :]), delete)
        await delete()

    async def abort_upload(self, upload_id: UploadId, key: str | None = None) -> None:
        """Remove an upload and its parts if it exists, and record it where there is a catalog."""
        with suppress(UploadNotFoundError):  # which is the goal
            key = key if key is not None else await self.find_upload_key(upload_id)
            await self.gateway.abort_multipart_upload(self.ref, self.prefix + key, upload_id)
        if self.records is not None:
            await self.records.uploads.note_aborted(upload_id)


@dataclass(frozen=True, slots=True)
class RecordedBucket(OpenBucket):
    """A bucket of a connection that has a catalog: a ``RecordedPlace``."""

    records: VaultRecords

    async def look(self, found: ArchiveRecord | None = None) -> None:
        """Ask for an object, so that one that was deleted or replaced meanwhile counts no more."""
        if found is None:
            return
        facts = await self.catalog.archives.object_facts(self.key, found.archive.id)
        with suppress(AccessDeniedError):
            try:
                head = await self.gateway.head_object(self.ref, self.prefix + found.archive.id)
            except ObjectNotFoundError as error:
                missed = error.answered
            else:
                if facts is None or head.etag == facts.etag:
                    return
                missed = None
            await self.catalog.archives.doubt(self.key, found.archive.id, missed=missed)

    async def list_uploads(self) -> AsyncIterator[UploadDescription]:
        """Iterate over the uploads that were neither completed nor aborted. Their part size is not told."""
        async for upload in self.list_object_uploads():
            yield _describe(upload, _UNKNOWN_PART_SIZE)

    async def fetch_parts(self, upload_id: UploadId) -> tuple[UploadDescription, dict[int, bytes]]:
        """Fetch an unfinished upload from the service, with the checksum of each of its parts by offset.

        Raises:
            UploadNotFoundError: It was completed or aborted.
        """
        record = await self.records.uploads.find(upload_id)
        upload, parts = await self.list_object_parts(await self.find_upload_key(upload_id), upload_id)
        # One part alone, the last of an upload of unknown size, tells nothing.
        size = (
            record.part_size if record is not None else choose_resumed_part_size(parts, None, None, upload_id)
        )
        return _describe(upload, size), parts_by_offset(parts, size)

    async def list_candidates(self, options: UploadOptions) -> AsyncIterator[UploadDescription]:
        """Iterate over the unfinished uploads that these options may have begun: those of the key."""
        assert isinstance(options, ObjectOptions)  # noqa: S101  # ``upload_options`` made them
        async for upload in self.list_object_uploads(options.key):
            is_alike = upload.storage_class == options.settings.storage_class
            if upload.key == options.key and is_alike and upload.algorithm in {None, options.algorithm}:
                with suppress(UploadNotFoundError):
                    _, parts = await self.list_object_parts(upload.key, upload.id)
                    size = choose_resumed_part_size(parts, None, None, upload.id)
                    yield _describe(upload, size, options.description or "")

    def options_of(self, record: UploadRecord) -> ObjectOptions:
        """Return the options of an upload on record."""
        target = record.target
        assert target is not None  # noqa: S101  # an upload to a bucket has one
        options = self.upload_options(
            record.description or None,
            name=target.key,
            storage_class=target.storage_class,
            part_size=record.part_size if record.upload_id is not None else None,
            keep_unfinished=True,
            algorithm=target.algorithm,
            overwrite=target.overwrites,
        )
        return replace(options, token=target.token)

    async def find_lost(self, record: UploadRecord) -> UploadId | None:
        """Find the upload at the service that an intent began: one of its key, without parts, of its time."""
        assert record.target is not None  # noqa: S101  # an upload to a bucket has one
        begin, end = record.created - CLOCK_TOLERANCE, record.created + LATEST_BEGIN
        async for upload in self.list_object_uploads(record.target.key):
            is_it = upload.key == record.target.key and upload.started is not None
            if is_it and begin <= (upload.started or end) <= end:
                if await self.catalog.uploads.is_known(upload.id):
                    continue
                with suppress(UploadNotFoundError):
                    _, parts = await self.list_object_parts(upload.key, upload.id)
                    if not parts:
                        return upload.id
        return None

    async def settle(self, record: UploadRecord) -> UploadRecord:
        """Find out from the object's head whether an upload became the object, and record it.

        S3 lists an object as soon as it is stored. A request that is still on its way when its process has
        died meets the next one at the key, and only one of them succeeds.
        """
        options = self.options_of(record)
        uploads = self.catalog.uploads
        head = None
        with suppress(ObjectNotFoundError):
            head = await self.gateway.head_object(self.ref, options.whole_key)
        if head is None or head.size != record.size or head.metadata.get(UPLOAD_NAME) != options.token:
            return await uploads.record_failed(record, "there is no object of this upload under the key")
        archive = self.object_store(options).from_head(head, record.tree_hash or b"")
        await uploads.record_completed(record, archive, is_told=False)
        return await uploads.get(record.number)

    async def abort_at_service(self, record: UploadRecord) -> None:
        """Remove the upload of a record and its parts."""
        assert record.target is not None  # noqa: S101  # an upload to a bucket has one
        assert record.upload_id is not None  # noqa: S101  # it was begun
        with suppress(UploadNotFoundError):
            whole_key = self.prefix + record.target.key
            await self.gateway.abort_multipart_upload(self.ref, whole_key, record.upload_id)


def _describe(upload: ObjectUpload, part_size: int, description: str = "") -> UploadDescription:
    started = upload.started or datetime.now(UTC)  # a list of parts tells no date
    return UploadDescription(upload.id, "", part_size, description, started)


def parts_by_offset(parts: Sequence[UploadedObjectPart], part_size: int) -> dict[int, bytes]:
    """Return the checksums of parts by offset; a part without one proves nothing and is sent again."""
    return {(part.number - 1) * part_size: part.checksum for part in parts if part.checksum is not None}


def choose_resumed_part_size(
    parts: Sequence[UploadedObjectPart], size: int | None, wanted: int | None, upload_id: UploadId
) -> int:
    """Return the part size of an upload from the parts that it has: all but the last have it.

    Raises:
        ResumeMismatchError: The parts tell no size that uploads from here have, or another one.
    """
    largest = max((part.size for part in parts), default=0)
    is_known = len(parts) > 1 or (bool(parts) and parts[0].number == 1 and largest != size)
    if not is_known:
        return choose_part_size(size, wanted, S3)
    try:
        check_part_size(largest, S3)
        fits = True
    except InvalidPartSizeError:
        fits = False
    if not fits or wanted not in {None, largest}:
        raise ResumeMismatchError(
            f"upload {upload_id} has parts of {largest} bytes, "
            + (f"not of {wanted}" if fits else "which no upload from here has")
            + "; abort it and upload the source again"
        )
    return largest
