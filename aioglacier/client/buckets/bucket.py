"""An S3 bucket: objects go in, in a Glacier class, and come back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aioglacier.client.buckets.bucket_context import find_head
from aioglacier.client.buckets.restore import Restore, ask_for_restore
from aioglacier.core.checks import check_choice
from aioglacier.core.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    InvalidPlanError,
    ResourceNotFoundError,
    ServiceError,
)
from aioglacier.core.limits import S3
from aioglacier.core.models import Tier, UploadId
from aioglacier.core.planning import check_part_size, choose_part_size
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.object_checks import check_key, check_restore, check_upload_id
from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectSettings, object_url
from aioglacier.gateway.contract.paging import follow
from aioglacier.recorded.buckets.object_options import object_options
from aioglacier.recorded.buckets.open_bucket import parts_by_offset
from aioglacier.transfer.upload.small import is_small, upload_small
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from aioglacier.transfer.upload.writer import open_writer

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from typing_extensions import Unpack

    from aioglacier.client.buckets.bucket_context import BucketContext
    from aioglacier.client.buckets.write_options import WriteOptions
    from aioglacier.core.s3.objects import (
        ArchivedObject,
        LifecycleRule,
        ObjectEntry,
        ObjectHead,
        UploadedObjectPart,
    )
    from aioglacier.recorded.buckets.object_options import ObjectOptions
    from aioglacier.recorded.resume import ResumedUpload
    from aioglacier.transfer.upload.sources import Source
    from aioglacier.transfer.upload.writer import ArchiveWriter


class Bucket:
    """A bucket by its name, whether it exists or not. Made by ``Glacier.bucket()``.

    Every key that it takes or gives is the one below ``prefix``. A connection's catalog records its uploads,
    restores and deletions.

    Attributes:
        context: The bucket of the connection, for the package's own rooms.
        name: The name.
        storage_class: The class of objects that name none; ``None``: each must name its own.
        prefix: What begins every key, "" for nothing.
    """

    def __init__(self, context: BucketContext) -> None:
        self.context: Final = context
        self.name: Final = context.ref.name
        self.storage_class: Final = context.storage_class
        self.prefix: Final = context.prefix

    def __repr__(self) -> str:
        return f"<Bucket s3://{self.name}/{self.prefix} {self.storage_class or 'without a class'}>"

    # --- objects in

    @asynccontextmanager
    async def open_writer(
        self, key: str, **options: Unpack[WriteOptions]
    ) -> AsyncIterator[ArchiveWriter[ArchivedObject]]:
        """Open a writer for one object, a stream of any length.

        A clean end of the block completes the object; an exception or a cancellation never does. Then an
        upload that has begun is aborted, within 10 seconds, or kept where ``keep_unfinished`` asks for it, or
        where the service could not be reached for too long; the error then carries its ``upload_id``. S3
        keeps and bills an unfinished upload until it is aborted; ``uploads`` lists them.

        Args:
            key: The object's key, below the bucket's prefix.
            options: See ``WriteOptions``.

        Raises:
            InvalidPlanError: A key, class or setting that S3 would refuse, or sizes that do not go together.
                Nothing was sent.
            ObjectExistsError: There is an object under this key.
        """
        chosen = self.upload_options(key, **options)
        place = self.context
        await place.meet()
        async with open_writer(place.store(chosen), place.resources, chosen) as writer:
            yield writer

    async def upload(self, source: Source, *, key: str, **options: Unpack[WriteOptions]) -> ArchivedObject:
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
        chosen = self.upload_options(key, **options)
        place = self.context
        if is_small(source, chosen.expected_size):  # an engine would cost more than the upload itself
            await place.meet()
            return await upload_small(place.store(chosen), place.resources, chosen, source)
        return await (await self._prepare(source, chosen)).run()

    async def prepare_upload(
        self,
        source: Source,
        *,
        key: str,
        recorded_source: str | os.PathLike[str] | None = None,
        **options: Unpack[WriteOptions],
    ) -> SourceUpload[ArchivedObject]:
        """Prepare what ``upload`` does: ``run()`` it, and poll ``snapshot()`` meanwhile.

        Of a stream that is made from a file, ``recorded_source`` names the file in the catalog.
        """
        chosen = replace(self.upload_options(key, **options), recorded_source=recorded_source)
        return await self._prepare(source, chosen)

    @asynccontextmanager
    async def open_or_resume(
        self,
        path: str | os.PathLike[str],
        *,
        key: str,
        resume: bool = True,
        restart: bool = False,
        again: bool = False,
        **options: Unpack[WriteOptions],
    ) -> AsyncIterator[ResumedUpload]:
        """Open an upload of a file: continue an unfinished one, or skip a file that is stored and unchanged.

        See ``Vault.open_or_resume``. Uploads that are not on record are known by their key.

        Raises:
            ConfigurationError: The connection has no catalog.
            UploadLockedError: Another task or process uploads this file to this place.
            ResumeMismatchError: The upload was begun with another part size, class or checksum.
            ObjectExistsError: There is another object under this key.
        """
        from aioglacier.recorded import resume as resuming  # noqa: PLC0415  # loads SQLite

        chosen = replace(self.upload_options(key, **options), keep_unfinished=resume)
        place = self.context.recorded()
        async with resuming.open_or_resume(
            place, path, chosen, resume=resume, restart=restart, again=again, by_description=True
        ) as upload:
            yield upload

    def upload_options(self, key: str, **options: Unpack[WriteOptions]) -> ObjectOptions:
        """Return the checked options of an upload.

        Raises:
            InvalidPlanError: S3 would refuse the key, the class or a setting.
        """
        given = options.get("settings") or ObjectSettings()
        return object_options(
            self.context.ref,
            self.prefix,
            key,
            options.get("description"),
            storage_class=options.get("storage_class") or self.storage_class,
            settings=replace(given, metadata=options.get("metadata") or {}, tags=options.get("tags") or {}),
            algorithm=options.get("checksum", ChecksumAlgorithm.SHA256),
            overwrite=options.get("overwrite", False),
            part_size=options.get("part_size"),
            expected_size=options.get("expected_size"),
            keep_unfinished=options.get("keep_unfinished", False),
        )

    # --- unfinished uploads

    async def lifecycle_rules(self) -> list[LifecycleRule] | None:
        """Return the enabled lifecycle rules for these keys; ``None`` if they may not be read."""
        try:
            rules = await self.context.gateway.get_bucket_lifecycle(self.context.ref)
        except AccessDeniedError:
            return None
        except BucketNotFoundError:
            raise
        except ResourceNotFoundError:  # there are no rules
            return []
        return [rule for rule in rules if rule.is_enabled and self.prefix.startswith(rule.prefix)]

    async def removes_unfinished(self) -> bool | None:
        """Return whether a lifecycle rule removes unfinished uploads; ``None`` if it may not be read."""
        rules = await self.lifecycle_rules()
        return None if rules is None else any(rule.abort_uploads_after_days for rule in rules)

    async def uploads(self, prefix: str = "") -> AsyncIterator[BucketUpload]:
        """Iterate over the unfinished uploads of keys that begin with ``prefix``, by key."""
        place = self.context
        self._check_prefix(prefix)
        async for upload in place.list_object_uploads(prefix):
            yield BucketUpload(self.context, upload.key, upload.id, upload.started, upload.storage_class)

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
            key: The key of the upload; ``None`` looks for it in the catalog and in the list of uploads.
            part_size: The part size of the upload, if its parts do not tell it.
            overwrite: As in ``WriteOptions``.

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
        awaits_report: bool = False,
    ) -> SourceUpload[ArchivedObject]:
        """Prepare what ``resume`` does: ``run()`` it, and poll ``snapshot()`` meanwhile."""
        place = self.context
        with self.context.naming():
            if part_size is not None:
                check_part_size(part_size, S3)
            id_ = self._check_begun(upload_id, key)
            begun = await place.find_begun(id_, key, overwrite=overwrite)
            opened = await as_source(source, takes_empty=True)
            size = begun.part_size(opened.size, part_size)
            options = begun.options.as_begun(size, begun.options.target)
            store = place.store(
                options, opened, begun.record, found=begun.describe(size), awaits_report=awaits_report
            )
            resume = begun.upload.id, parts_by_offset(begun.parts, size)
            return SourceUpload(store, place.resources, options, opened, resume=resume)

    @asynccontextmanager
    async def resume_writer(
        self, upload_id: str, *, key: str | None = None, expected_size: int | None = None
    ) -> AsyncIterator[ArchiveWriter[ArchivedObject]]:
        """Continue a stream from where an upload stopped: feed what comes after ``writer.position``.

        The bytes before are not seen again, so S3's checksums of them are taken. The object has a tree hash
        only if the catalog has those of the parts that are there.

        Raises:
            UploadNotFoundError: It was completed or aborted.
            ResumeMismatchError: The parts tell no part size.
        """
        place = self.context
        with self.context.naming():
            choose_part_size(expected_size or None, None, S3)
            begun = await place.find_begun(self._check_begun(upload_id, key), key)
            size = begun.part_size(None, None)
            options = replace(begun.options.as_begun(size, begun.options.target), expected_size=expected_size)
            there = await begun.leading_hashes(size)
            store = place.store(options, record=begun.record, found=begun.describe(size))
            resume = begun.upload.id, parts_by_offset(begun.parts, size), there
            async with open_writer(store, place.resources, options, resume=resume) as writer:
                yield writer

    # --- objects

    async def objects(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        """Iterate over the objects whose keys begin with ``prefix``, with class and state of restore."""
        gateway = self.context.gateway
        self._check_prefix(prefix)
        async for entry in follow(
            "ListObjectsV2",
            lambda marker: gateway.list_objects(
                self.context.ref, prefix=self.prefix + prefix or None, marker=marker
            ),
        ):
            yield replace(entry, key=entry.key[len(self.prefix) :])

    async def head(self, key: str) -> ObjectHead:
        """Describe an object.

        Raises:
            ObjectNotFoundError: There is none under this key.
        """
        return replace(await find_head(self.context, key), key=key)

    async def delete(self, key: str) -> None:
        """Delete an object; a key without one is no error.

        One deleted before its class's least number of days is charged as if it had been kept that long.

        Raises:
            AccessDeniedError: A policy or an Object Lock forbids it.
        """
        await self.context.delete_object(check_key(self.prefix + key))

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
        whose restore goes on is waited for: nothing is asked for or paid then. A connection's catalog has the
        restore on record before it is asked for, so of several processes one asks.

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
        range_ = _as_range(byte_range)
        is_new = False
        check_key(self.prefix + key)
        with self.context.naming(key):
            head = await find_head(self.context, key)
            is_there = self.is_readable(head)
            is_ongoing = head.restore is not None and head.restore.is_ongoing
            reads_at_once = is_there and head.restore is None
            if not reads_at_once and (again or not (is_there or is_ongoing)):
                is_new = await ask_for_restore(self.context, head, key, days=days, tier=chosen, again=again)
        return Restore(self.context, key, days=days, tier=chosen, byte_range=range_, is_new=is_new)

    @staticmethod
    def is_readable(head: ObjectHead) -> bool:
        """Return whether an object can be read now: its class reads at once, or there is a restored copy."""
        return head.is_readable(datetime.now(UTC))

    @staticmethod
    def check_upload_id(upload_id: str) -> UploadId:
        """Return the id of an upload, or refuse what is none.

        Raises:
            InvalidIdError: It is empty, too long, or holds spaces or control characters.
        """
        return UploadId(check_upload_id(upload_id))

    def restored(self, key: str, byte_range: ByteRange | tuple[int, int] | None = None) -> Restore:
        """Return the retrieval of an object whose restore was asked for before. Nothing is sent.

        One whose copy expires is asked for again as it was on record, otherwise with "Standard" for a day.
        """
        check_key(self.prefix + key)
        return Restore(self.context, key, byte_range=_as_range(byte_range))

    async def remove(self) -> None:
        """Delete the bucket itself, which must be empty.

        Raises:
            ServiceError: There are objects in it.
        """
        try:
            await self.context.gateway.delete_bucket(self.context.ref)
        except ServiceError as error:
            if error.code == "BucketNotEmpty":
                error.add_note(f"list its objects: aioglacier list s3://{self.name}, or bucket.objects()")
            raise

    # --- how

    def _check_prefix(self, prefix: str) -> None:
        if prefix:
            check_key(self.prefix + prefix)

    def _check_begun(self, upload_id: str, key: str | None) -> UploadId:
        if key is not None:
            check_key(self.prefix + key)
        return self.check_upload_id(upload_id)

    async def _prepare(self, source: Source, options: ObjectOptions) -> SourceUpload[ArchivedObject]:
        with options.naming():
            opened = await as_source(source, takes_empty=True)
            place = self.context
            await place.meet()
            return SourceUpload(place.store(options, opened), place.resources, options, opened)


@dataclass(frozen=True, slots=True, repr=False)
class BucketUpload:
    """An unfinished upload in a bucket. Made by ``Bucket.uploads()``; ``Bucket.resume()`` continues it.

    Attributes:
        context: Its bucket, for the package's own rooms.
        key: The key of the object to be, below the bucket's prefix.
        id: The id that the service gave it.
        started: The time of its initiation. S3 keeps and bills it until it is completed or aborted.
        storage_class: The class of the object to be.
    """

    context: BucketContext
    key: str
    id: UploadId
    started: datetime | None
    storage_class: str

    def __repr__(self) -> str:
        return f"<BucketUpload {object_url(self.context.ref.name, self.context.prefix + self.key)} {self.id}>"

    async def parts(self) -> AsyncIterator[UploadedObjectPart]:
        """Iterate over the parts that the service has, in order."""
        _, parts = await self.context.list_object_parts(self.key, self.id)
        for part in parts:
            yield part

    async def abort(self) -> None:
        """Remove the upload and its parts. Repeating it is no error."""
        await self.context.abort_upload(self.id, self.key)


def _as_range(byte_range: ByteRange | tuple[int, int] | None) -> ByteRange | None:
    if byte_range is None or isinstance(byte_range, ByteRange):
        return byte_range
    try:
        return ByteRange(*byte_range)
    except (TypeError, ValueError) as error:
        raise InvalidPlanError(f"{byte_range!r} is no byte range: {error}") from error
