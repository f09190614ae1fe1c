"""A bucket of an open connection, below a prefix; see ``vault_context`` for vaults."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from aioglacier.core.errors import (
    AccessDeniedError,
    InvalidPartSizeError,
    ObjectNotFoundError,
    ResumeMismatchError,
    UploadNotFoundError,
    naming,
)
from aioglacier.core.limits import S3
from aioglacier.core.models import Archive, ArchiveId, UploadDescription
from aioglacier.core.place import Place, parse_place
from aioglacier.core.planning import check_part_size, choose_part_size
from aioglacier.core.s3.objects import AUTO, CLASS_TERMS, ChecksumAlgorithm, StorageClass
from aioglacier.core.spending import budgets, deleting
from aioglacier.gateway.contract.paging import follow
from aioglacier.recorded.buckets.object_options import ObjectOptions, object_options
from aioglacier.recorded.place_context import PlaceContext
from aioglacier.transfer.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractContextManager

    from aioglacier.catalog import UploadRecord, VaultKey
    from aioglacier.core.limits import PartLimits
    from aioglacier.core.models import Page, UploadId
    from aioglacier.core.s3.objects import (
        ArchivedObject,
        BucketDescription,
        BucketRef,
        ObjectSettings,
        ObjectUpload,
        UploadedObjectPart,
    )
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.sources import ByteSource
    from aioglacier.transfer.upload.writer import UploadOptions


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
            ResumeMismatchError: The parts have a size that aioglacier never uses, or not the wanted one.
        """
        if self.record is not None and not self.parts:
            wanted = wanted or self.record.part_size
        return choose_resumed_part_size(self.parts, size, wanted, self.upload.id)

    def describe(self, part_size: int) -> UploadDescription:
        """Return its description, as the records take it."""
        return describe_upload(self.upload, part_size, self.options.description or "")

    async def leading_hashes(self, part_size: int) -> list[bytes]:
        """Return the recorded tree hash, or ``b""``, of each whole part from the first on.

        For an upload on record they end before the first part without a record, so that the object gets a
        tree hash.
        """
        recorded: dict[int, bytes] = {}
        if self.record is not None and self.records is not None:
            parts = self.records.catalog.uploads.list_parts(self.record.number)
            recorded = {part.index: part.tree_hash async for part in parts}
        hashes: list[bytes] = []
        for part in self.parts:
            if part.number != len(hashes) + 1 or part.size != part_size or part.checksum is None:
                break
            if self.record is not None and len(hashes) not in recorded:
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

    async def meet(self) -> None:
        """Let the records of a server that moved to another port or folder follow it.

        A bucket of the same name and date of creation on record there is this one.
        """
        if self.records is None or self.records.has_looked:
            return
        catalog, own = self.records.catalog, self.records.key
        # AWS's own endpoint, "", never moves.
        if own.endpoint and (await catalog.facts_of(own))[1] is None:
            found = await self._keys_on_record()
            places = {own.vault, *(key.vault for key in found if key.may_have_moved_to(own.endpoint))}
            with suppress(AccessDeniedError):  # a policy may allow everything else, and not this
                async for bucket in follow("ListBuckets", self._list_buckets):
                    for place in places if bucket.name == self.ref.name else ():
                        await catalog.archives.note_vault(replace(own, vault=place), "", bucket.created)
        self.records.has_looked = True

    async def _list_buckets(self, marker: str | None) -> Page[BucketDescription]:
        return await self.gateway.list_buckets(prefix=self.ref.name, marker=marker)

    async def _keys_on_record(self) -> list[VaultKey]:
        """Return the keys of this bucket's name under every prefix, at any endpoint."""
        return await self.catalog.archives.bucket_keys(self.ref.name)

    def upload_options(
        self,
        description: str | None = None,
        *,
        name: str,
        storage_class: StorageClass | str | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
        reads_at_once: bool = False,
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
            storage_class=StorageClass.STANDARD if reads_at_once else storage_class or self.storage_class,
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
            falls_back=options.falls_back,
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
        await self.meet()
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
            algorithm=upload.algorithm or (target.algorithm if target is not None else AUTO),
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
        async for upload in self.list_object_uploads():  # S3 finds no upload by its id alone
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
        await self.meet()
        own, found = self.records.key, await self._keys_on_record()
        return [self.records.of(key) for key in found if replace(own, vault=key.vault) == key]

    async def delete_object(self, whole_key: str) -> None:
        """Delete an object, and record it in each place on record that has it."""

        async def delete() -> None:
            with await self._charged(whole_key):
                await self.gateway.delete_object(self.ref, whole_key)

        # The object may be on record under several prefixes, each of which has its own name for it.
        for records in await self.places_on_record():
            prefix = parse_place(records.key.vault).prefix or ""
            if whole_key.startswith(prefix):
                delete = partial(records.delete, ArchiveId(whole_key[len(prefix) :]), delete)
        await delete()

    async def _charged(self, whole_key: str) -> AbstractContextManager[None]:
        """Charge the budgets in force for the early deletion of an object in a block."""
        if not budgets():  # the head costs a request
            return nullcontext()
        try:
            head = await self.gateway.head_object(self.ref, whole_key)
        except ObjectNotFoundError:
            return nullcontext()
        now, terms = datetime.now(UTC), CLASS_TERMS.get(head.storage_class)  # type: ignore[call-overload]  # any name
        if terms is not None and now - head.modified >= timedelta(terms.minimum_days):
            return nullcontext()
        archive = None  # which makes the charge unknown
        if {budget.prices_now.storage_class for budget in budgets()} == {head.storage_class}:
            archive = Archive(ArchiveId(whole_key), self.name, head.size, b"", "", head.modified)
        return deleting(archive, now)

    async def remove_upload(self, upload_id: UploadId, key: str | None) -> None:
        """See ``PlaceContext``."""
        key = key if key is not None else await self.find_upload_key(upload_id)
        await self.gateway.abort_multipart_upload(self.ref, self.prefix + key, upload_id)


def describe_upload(upload: ObjectUpload, part_size: int, description: str = "") -> UploadDescription:
    """Return the description of an unfinished upload, as the records take it."""
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
        ResumeMismatchError: The parts have a size that aioglacier never uses, or not ``wanted``.
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
            + (f"not of {wanted}" if fits else "which aioglacier never uses")
            + "; abort it and upload the source again"
        )
    return largest
