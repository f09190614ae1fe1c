"""An S3 bucket: objects go in, in a Glacier class, and come back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aioglacier.client.buckets.bucket_context import ObjectOptions, check_class, find_head
from aioglacier.client.buckets.restore import Restore, ask_for_restore, is_readable
from aioglacier.core.checks import check_choice, check_id
from aioglacier.core.errors import (
    InvalidPartSizeError,
    InvalidPlanError,
    ResumeMismatchError,
    UploadNotFoundError,
)
from aioglacier.core.limits import S3
from aioglacier.core.models import Tier, UploadId
from aioglacier.core.planning import check_part_size, choose_part_size
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.object_checks import check_key, check_restore
from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectSettings, StorageClass
from aioglacier.gateway.contract.paging import follow
from aioglacier.transfer.object_store import ObjectStore
from aioglacier.transfer.upload.small import is_small, upload_small
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from aioglacier.transfer.upload.writer import open_writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from aioglacier.client.buckets.bucket_context import BucketContext
    from aioglacier.core.models import Page
    from aioglacier.core.s3.objects import (
        ArchivedObject,
        ObjectEntry,
        ObjectHead,
        ObjectUpload,
        UploadedObjectPart,
    )
    from aioglacier.transfer.upload.sources import Source
    from aioglacier.transfer.upload.writer import ArchiveWriter


class Bucket:
    """A bucket by its name, whether it exists or not. Made by ``Glacier.bucket()``.

    Keys are those below ``prefix``. A connection's catalog does not record buckets yet.

    Attributes:
        name: The name.
        storage_class: The class of objects that name none; ``None``: each must name its own.
        prefix: What begins every key, "" for nothing.
    """

    def __init__(
        self, context: BucketContext, storage_class: StorageClass | str | None = None, prefix: str = ""
    ) -> None:
        self.name: Final = context.ref.name
        self.storage_class: Final = check_class(storage_class) if storage_class is not None else None
        self.prefix: Final = prefix
        self._context = context

    def __repr__(self) -> str:
        return f"<Bucket s3://{self.name}/{self.prefix} {self.storage_class or 'without a class'}>"

    # --- objects in

    @asynccontextmanager
    async def open_writer(
        self,
        key: str,
        *,
        storage_class: StorageClass | str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
        overwrite: bool = False,
        checksum: ChecksumAlgorithm | str = ChecksumAlgorithm.SHA256,
        settings: ObjectSettings | None = None,
    ) -> AsyncIterator[ArchiveWriter[ArchivedObject]]:
        """Open a writer for one object, a stream of any length.

        A clean end of the block completes the object; an exception or a cancellation never does. Then an
        upload that has begun is aborted, within 10 seconds, or kept where ``keep_unfinished`` asks for it, or
        where the service could not be reached for too long; the error then carries its ``upload_id``. S3
        keeps and bills an unfinished upload until it is aborted; ``uploads`` lists them.

        Args:
            key: The object's key, below the bucket's prefix.
            storage_class: Its class; by default the bucket's. There is no other default: it is money for
                months.
            metadata: Up to 2 KB of ASCII, of which 100 bytes are used here.
            tags: Up to ten.
            part_size: A power of two from 8 MiB to 4 GiB. By default 8 MiB, which ends at 78 GiB, or what
                fits ``expected_size``.
            expected_size: Bytes to come, if known. Any other number is an error, and no object is made.
            keep_unfinished: Do not abort an unfinished upload.
            overwrite: Replace an object that has this key. Otherwise it is an error, as a rule before a part
                is sent.
            checksum: "SHA256" proves every part and the whole, and is what the signature covers. "CRC64NVME"
                takes a tenth of the CPU and finds damage, but no forgery: bodies are not signed and need TLS,
                and the object has no tree hash.
            settings: Content type, encryption and Object Lock; its class, metadata and tags do not count.

        Raises:
            InvalidPlanError: A key, class or setting that S3 would refuse, or sizes that do not go together.
                Nothing was sent.
            ObjectExistsError: There is an object under this key.
        """
        options = self._options(
            key, storage_class, metadata, tags, part_size, expected_size, keep_unfinished, overwrite,
            checksum, settings,
        )  # fmt: skip
        store = options.store(await self._context.open_gateway())
        async with open_writer(store, self._context.resources, options) as writer:
            yield writer

    async def upload(
        self,
        source: Source,
        *,
        key: str,
        storage_class: StorageClass | str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
        overwrite: bool = False,
        checksum: ChecksumAlgorithm | str = ChecksumAlgorithm.SHA256,
        settings: ObjectSettings | None = None,
    ) -> ArchivedObject:
        """Archive a file, or everything that a source yields, as ``Vault.upload`` does.

        An object that fits one part is sent in one request. For the other arguments, and the state after a
        failure or a cancellation, see ``open_writer``.

        Returns:
            The object, proven by size and checksum.

        Raises:
            SourceError: The source cannot be read, or changed while it was read. No object was made.
            ObjectExistsError: There is an object under this key.
            UploadFailedError: Every retry failed. ``upload_id`` resumes the upload.
            GlacierError: Any other error.
        """
        options = self._options(
            key, storage_class, metadata, tags, part_size, expected_size, keep_unfinished, overwrite,
            checksum, settings,
        )  # fmt: skip
        if is_small(source, expected_size):  # an engine would cost more than the upload itself
            store = options.store(await self._context.open_gateway())
            return await upload_small(store, self._context.resources, options, source)
        return await (await self._prepare(source, options)).run()

    async def prepare_upload(
        self,
        source: Source,
        *,
        key: str,
        storage_class: StorageClass | str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
        keep_unfinished: bool = False,
        overwrite: bool = False,
        checksum: ChecksumAlgorithm | str = ChecksumAlgorithm.SHA256,
        settings: ObjectSettings | None = None,
    ) -> SourceUpload[ArchivedObject]:
        """Prepare what ``upload`` does: ``run()`` it, and poll ``snapshot()`` meanwhile."""
        options = self._options(
            key, storage_class, metadata, tags, part_size, expected_size, keep_unfinished, overwrite,
            checksum, settings,
        )  # fmt: skip
        return await self._prepare(source, options)

    # --- unfinished uploads

    async def uploads(self, prefix: str = "") -> AsyncIterator[BucketUpload]:
        """Iterate over the unfinished uploads of keys that begin with ``prefix``, by key."""
        gateway = await self._context.open_gateway()

        async def fetch(marker: str | None) -> Page[ObjectUpload]:
            return await gateway.list_multipart_uploads(
                self._context.ref, prefix=self.prefix + prefix or None, marker=marker
            )

        async for upload in follow("ListMultipartUploads", fetch):
            yield BucketUpload.of(self._context, upload)

    async def resume(
        self,
        upload_id: str,
        source: Source,
        *,
        key: str | None = None,
        part_size: int | None = None,
        overwrite: bool = False,
    ) -> ArchivedObject:
        """Finish an upload from the beginning of the same source; send only missing parts.

        A part of which S3 lists the checksum is hashed here, compared, and not sent. If this fails, the
        upload can be resumed again.

        Args:
            upload_id: The upload.
            source: The source that it was begun with.
            key: The key of the upload; ``None`` looks for it in the list of uploads.
            part_size: The part size of the upload, if its parts do not tell it.
            overwrite: As in ``open_writer``.

        Raises:
            UploadNotFoundError: It was completed or aborted.
            ResumeMismatchError: The source differs. If it is a path, nothing was sent.
        """
        resumed = await self.prepare_resume(
            upload_id, source, key=key, part_size=part_size, overwrite=overwrite
        )
        return await resumed.run()

    async def prepare_resume(
        self,
        upload_id: str,
        source: Source,
        *,
        key: str | None = None,
        part_size: int | None = None,
        overwrite: bool = False,
    ) -> SourceUpload[ArchivedObject]:
        """Prepare what ``resume`` does: ``run()`` it, and poll ``snapshot()`` meanwhile."""
        id_ = UploadId(check_id("upload", upload_id))
        full_key = self.prefix + key if key is not None else await self._find_key(id_)
        with self._context.naming(full_key):
            gateway = await self._context.open_gateway()
            upload, parts = await _list_parts(self._context, full_key, id_)
            opened = await as_source(source, takes_empty=True)
            size = choose_resumed_part_size(parts, opened.size, part_size, id_)
            options = ObjectOptions(
                ref=self._context.ref,
                key=full_key,
                settings=ObjectSettings(storage_class=check_class(upload.storage_class)),
                algorithm=upload.algorithm or ChecksumAlgorithm.SHA256,
                overwrite=overwrite,
                part_size=size,
                keep_unfinished=True,
            )
            store = ObjectStore(
                gateway,
                options.ref,
                full_key,
                options.settings,
                algorithm=options.algorithm,
                overwrite=overwrite,
                known=parts,
                part_size=size,
            )
            # A part without a checksum proves nothing, so it is sent again.
            known = {(part.number - 1) * size: part.checksum for part in parts if part.checksum is not None}
            return SourceUpload(store, self._context.resources, options, opened, resume=(id_, known))

    # --- objects

    async def objects(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        """Iterate over the objects whose keys begin with ``prefix``, with class and state of restore.

        The keys are whole, with the bucket's own prefix.
        """
        gateway = await self._context.open_gateway()
        async for entry in follow(
            "ListObjectsV2",
            lambda marker: gateway.list_objects(
                self._context.ref, prefix=self.prefix + prefix or None, marker=marker
            ),
        ):
            yield entry

    async def head(self, key: str) -> ObjectHead:
        """Describe an object.

        Raises:
            ObjectNotFoundError: There is none under this key.
        """
        return await find_head(self._context, self.prefix + key)

    async def delete(self, key: str) -> None:
        """Delete an object; a key without one is no error.

        One deleted before its class's least number of days is charged as if it had been kept that long.

        Raises:
            AccessDeniedError: A policy or an Object Lock forbids it.
        """
        full_key = check_key(self.prefix + key)
        await (await self._context.open_gateway()).delete_object(self._context.ref, full_key)

    async def retrieve(
        self,
        key: str,
        *,
        tier: Tier | str = Tier.STANDARD,
        days: int = 1,
        byte_range: ByteRange | tuple[int, int] | None = None,
        again: bool = False,
    ) -> Restore:
        """Make an object readable, and return its retrieval.

        An object of a class that reads at once, or one with a restored copy, is readable already, and one
        whose restore goes on is waited for: nothing is asked for or paid then.

        Args:
            key: The object's key, below the bucket's prefix.
            tier: "Expedited" (minutes, not for DEEP_ARCHIVE), "Standard" or "Bulk" (cheap).
            days: The life of the copy, billed as STANDARD beside the object.
            byte_range: Half-open. S3 restores whole objects; the retrieval then gives these bytes alone.
            again: Ask although a restore goes on, which a faster tier speeds up, or although there is a copy,
                which then lives ``days`` from now on.

        Raises:
            ObjectNotFoundError: There is none under this key.
            InvalidPlanError: The class has no such tier. Nothing was sent.
            InsufficientCapacityError: No Expedited capacity now.
        """
        chosen = check_choice("tier", Tier, tier)
        check_restore(chosen, days)
        full_key = check_key(self.prefix + key)
        range_ = _as_range(byte_range)
        is_new = False
        with self._context.naming(full_key):
            head = await find_head(self._context, full_key)
            is_there = is_readable(head)
            is_ongoing = head.restore is not None and head.restore.is_ongoing
            reads_at_once = is_there and head.restore is None
            if not reads_at_once and (again or not (is_there or is_ongoing)):
                is_new = await ask_for_restore(self._context, head, days=days, tier=chosen)
        return Restore(self._context, full_key, days=days, tier=chosen, byte_range=range_, is_new=is_new)

    def restored(self, key: str) -> Restore:
        """Return the retrieval of an object that can be read already. Nothing is sent or restored."""
        return Restore(self._context, check_key(self.prefix + key), days=1, tier=Tier.STANDARD)

    async def remove(self) -> None:
        """Delete the bucket itself, which must be empty.

        Raises:
            ServiceError: There are objects in it.
        """
        await (await self._context.open_gateway()).delete_bucket(self._context.ref)

    # --- how

    def _options(
        self,
        key: str,
        storage_class: StorageClass | str | None,
        metadata: Mapping[str, str] | None,
        tags: Mapping[str, str] | None,
        part_size: int | None,
        expected_size: int | None,
        keep_unfinished: bool,
        overwrite: bool,
        checksum: ChecksumAlgorithm | str,
        settings: ObjectSettings | None,
    ) -> ObjectOptions:
        return ObjectOptions(
            ref=self._context.ref,
            key=self.prefix + key,
            settings=replace(
                settings or ObjectSettings(),
                storage_class=check_class(storage_class or self.storage_class),
                metadata=metadata or {},
                tags=tags or {},
            ),
            algorithm=check_choice("checksum", ChecksumAlgorithm, checksum),
            overwrite=overwrite,
            part_size=part_size,
            expected_size=expected_size,
            keep_unfinished=keep_unfinished,
        )

    async def _prepare(self, source: Source, options: ObjectOptions) -> SourceUpload[ArchivedObject]:
        with options.naming():
            opened = await as_source(source, takes_empty=True)
            store = options.store(await self._context.open_gateway())
            return SourceUpload(store, self._context.resources, options, opened)

    async def _find_key(self, upload_id: UploadId) -> str:
        async for upload in self.uploads():
            if upload.id == upload_id:
                return upload.key
        raise UploadNotFoundError(
            f"bucket {self.name} has no unfinished upload {upload_id}: it was completed or aborted",
            operation="ListMultipartUploads",
            code="NoSuchUpload",
            status=200,
        )


@dataclass(frozen=True, slots=True, repr=False)
class BucketUpload:
    """An unfinished upload in a bucket. Made by ``Bucket.uploads()``; ``Bucket.resume()`` continues it.

    Attributes:
        context: Its bucket, for the package's own rooms.
        key: The key of the object to be.
        id: The id that the service gave it.
        started: The time of its initiation. S3 keeps and bills it until it is completed or aborted.
        storage_class: The class of the object to be.
    """

    context: BucketContext
    key: str
    id: UploadId
    started: datetime | None
    storage_class: str

    @classmethod
    def of(cls, context: BucketContext, upload: ObjectUpload) -> BucketUpload:
        """Return an upload that the service has described."""
        return cls(context, upload.key, upload.id, upload.started, upload.storage_class)

    def __repr__(self) -> str:
        return f"<BucketUpload s3://{self.context.ref.name}/{self.key} {self.id}>"

    async def parts(self) -> AsyncIterator[UploadedObjectPart]:
        """Iterate over the parts that the service has, in order."""
        _, parts = await _list_parts(self.context, self.key, self.id)
        for part in parts:
            yield part

    async def abort(self) -> None:
        """Remove the upload and its parts. Repeating it is no error."""
        gateway = await self.context.open_gateway()
        try:
            await gateway.abort_multipart_upload(self.context.ref, self.key, self.id)
        except UploadNotFoundError:
            return  # which is the goal


async def _list_parts(
    context: BucketContext, key: str, upload_id: UploadId
) -> tuple[ObjectUpload, list[UploadedObjectPart]]:
    gateway = await context.open_gateway()
    uploads: list[ObjectUpload] = []

    async def fetch(marker: str | None) -> Page[UploadedObjectPart]:
        upload, page = await gateway.list_parts(context.ref, key, upload_id, marker=marker)
        uploads.append(upload)
        return page

    parts = [part async for part in follow("ListParts", fetch)]
    return uploads[0], parts


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


def _as_range(byte_range: ByteRange | tuple[int, int] | None) -> ByteRange | None:
    if byte_range is None or isinstance(byte_range, ByteRange):
        return byte_range
    try:
        return ByteRange(*byte_range)
    except (TypeError, ValueError) as error:
        raise InvalidPlanError(f"{byte_range!r} is no byte range: {error}") from error
