"""A restore: an object that can be read sooner or later, and its bytes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.client.buckets.bucket_context import find_head
from aioglacier.client.notices import POLL_BESIDE_NOTICES_SECONDS
from aioglacier.client.retrieval import wait_until_done
from aioglacier.core.errors import (
    IntegrityError,
    InvalidRangeError,
    NotRetrievedError,
    RestoreInProgressError,
)
from aioglacier.core.models import ArchiveId, Tier
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.objects import RESTORE_TIERS, StorageClass, object_url
from aioglacier.gateway.contract.paging import follow
from aioglacier.transfer.download.download import Download
from aioglacier.transfer.download.object_output import ObjectOutput, ObjectProofs
from aioglacier.transfer.download.proofs import NO_PROOFS
from aioglacier.transfer.download.reader import checked_range, open_reader
from aioglacier.transfer.download.retrieval_source import unverifiable

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from aioglacier.catalog import JobRecord
    from aioglacier.client.buckets.bucket_context import BucketContext
    from aioglacier.client.notices import JobNotices
    from aioglacier.core.models import Page
    from aioglacier.core.s3.objects import ObjectHead, UploadedObjectPart
    from aioglacier.transfer.download.reader import ArchiveReader

#: Bulk restores from DEEP_ARCHIVE take up to 48 hours (S3 user guide, "Understanding archive retrieval
#: options"); this is twice as long.
DEFAULT_WAIT_SECONDS: Final = 96 * 3600.0


class Restore:
    """The retrieval of one object. Made by ``Bucket.retrieve()``.

    It is done at once for a class that reads at once, and where a restored copy is there. The copy of any
    other expires after the days that were asked for; one that expires while it is read is asked for again.

    Attributes:
        bucket: The bucket's name.
        key: The object's key below the bucket's prefix.
        is_new: Whether the call that returned it started a restore, which is paid for.
    """

    def __init__(
        self,
        context: BucketContext,
        key: str,
        *,
        days: int | None = None,
        tier: Tier | None = None,
        byte_range: ByteRange | None = None,
        is_new: bool = False,
    ) -> None:
        self.bucket: Final = context.ref.name
        self.key: Final = key
        self._whole_key = context.prefix + key
        self.is_new: Final = is_new
        self._context = context
        self._days = days
        self._tier = tier
        self._range = byte_range
        self._renewing = anyio.Lock()  # several pieces meet the same expired copy

    def __repr__(self) -> str:
        return f"<Restore {self._url}>"

    async def describe(self) -> ObjectHead:
        """Ask the service for the object and the state of its restore.

        Raises:
            ObjectNotFoundError: There is no such object.
        """
        return replace(await self._head(), key=self.key)

    async def wait_until_done(
        self, *, timeout_seconds: float = DEFAULT_WAIT_SECONDS, notices: JobNotices | None = None
    ) -> ObjectHead:
        """Wait until the object can be read, asking less and less often, at last every 30 seconds.

        Where many restores of a bucket are waited for, a list asks for all of them. With ``notices`` from
        ``Glacier.open_notices()`` it asks when a message names the object, and every 15 minutes in case a
        message was lost. While the service cannot be reached, waiting goes on. Cancelling stops the waiting,
        not the restore.

        Raises:
            ObjectNotFoundError: There is no such object any more.
            NotRetrievedError: No restore goes on, or the copy has expired.
            WaitTimeoutError: The restore was not done in time. It continues at the service.
        """
        pause = None
        if notices is not None:
            name = self._url
            pause = notices.waiter(name, POLL_BESIDE_NOTICES_SECONDS)
        states = self._context.restores
        states.begin(self._whole_key)  # waits for many keys share one list of the bucket
        try:
            with self._context.naming(self.key):
                head = await wait_until_done(
                    repr(self), self._look, timeout_seconds=timeout_seconds, pause=pause
                )
        finally:
            states.end(self._whole_key)
        await self._note(head)
        return head

    @asynccontextmanager
    async def open_reader(
        self,
        byte_range: ByteRange | tuple[int, int] | None = None,
        *,
        unverified: bool = False,
        raw: bool = False,
    ) -> AsyncIterator[ArchiveReader]:
        """Open the object, or a half-open range of it that counts from the start of what was retrieved.

        Bytes are verified before they are given out, by the checksums of the parts in which the object was
        uploaded: a range costs up to a part more on either side, and a part must fit the memory limit. An
        object of which S3 tells a checksum of the whole alone, as CRC64NVME, is verified at its end.

        Args:
            byte_range: The range; ``None`` for all.
            unverified: Also give bytes that cannot be verified: of an object without checksums that are known
                here, or a range of one with a checksum of the whole.
            raw: Verify nothing, and fetch no more than the range and up to a MiB on either side, for a caller
                with hashes of its own.

        Raises:
            IntegrityError: Bytes differed from their checksums, or cannot be verified.
            NotRetrievedError: The object is not restored.
            InvalidRangeError: The range begins past the end.
        """
        head = await self._readable_head()
        known = ObjectProofs(NO_PROOFS) if raw else await self._know(head)
        with self._context.naming(self.key):
            base = checked_range(self._range, head.size)
            inside = checked_range(byte_range, base.size)
            wanted = inside
            if head.size:
                wanted = ByteRange(base.start + inside.start, base.start + inside.stop)
            self._check_proven(head, known, wanted, unverified=unverified or raw)
            if not known.by_range and wanted.size < head.size and not raw:
                known = ObjectProofs()  # a checksum of the whole says nothing about a range
            output = await self._output(head, known, allows_unverified=unverified or raw)
            async with open_reader(output, self._context.resources, wanted) as reader:
                yield reader

    async def download(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, unverified: bool = False
    ) -> None:
        """Write the object to a file, which gets its name once every byte is verified and on disk.

        If it fails or is cancelled, verified bytes stay in a hidden file beside ``path``, and downloading the
        same object to the same path continues from there. A file that has these very bytes already is left
        as it is. ``unverified`` is as in ``open_reader``.

        Raises:
            TargetError: The file exists with other bytes and may not be overwritten, cannot be written, or
                the disk is full.
            IntegrityError: Bytes differed from their checksums three times, or cannot be verified. There is
                no file of that name.
            NotRetrievedError: The object is not restored.
            ObjectChangedError: Another object has replaced it meanwhile.
            InvalidRangeError: The range that was retrieved does not begin and end where parts do.
        """
        await (await self.prepare_download(path, overwrite=overwrite, unverified=unverified)).run()

    async def prepare_download(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, unverified: bool = False
    ) -> Download:
        """Prepare what ``download`` does: ``run()`` it, and poll ``snapshot()`` meanwhile."""
        return await self._prepare(
            await self._readable_head(), path, overwrite=overwrite, unverified=unverified
        )

    async def is_delivered(self, path: str | os.PathLike[str]) -> bool:
        """Hash a file, and return whether it has these very bytes, so that there is nothing to download.

        The object need not be restored for that. ``False`` for bytes that cannot be verified.

        Raises:
            ObjectNotFoundError: There is no such object.
        """
        try:
            download = await self._prepare(await self._head(), path)
        except (IntegrityError, InvalidRangeError):
            return False
        return await download.is_delivered()

    async def _prepare(
        self,
        head: ObjectHead,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        unverified: bool = False,
    ) -> Download:
        known = await self._know(head)
        with self._context.naming(self.key):
            part = checked_range(self._range, head.size)
            borders = {0, head.size}.union(*((each.start, each.stop) for each in known.by_range))
            if known.by_range and not {part.start, part.stop} <= borders:
                raise InvalidRangeError(
                    f"bytes {part} of {self._url} do not begin and end where the parts of "
                    "its upload do, so a file of them cannot be verified; read them with open_reader()",
                    byte_range=part,
                )
            self._check_proven(head, known, part, unverified=unverified)
            output = await self._output(head, known, part=part, allows_unverified=unverified)
            return Download(output, self._context.resources, path, overwrite=overwrite)

    # --- how

    @property
    def _url(self) -> str:
        return object_url(self.bucket, self._whole_key)

    async def _head(self) -> ObjectHead:
        return await find_head(self._context, self.key)

    def _check_proven(
        self, head: ObjectHead, known: ObjectProofs, wanted: ByteRange, *, unverified: bool
    ) -> None:
        is_whole = wanted.size == head.size
        if not (known.by_range or (is_whole and (known.whole or not head.size)) or unverified):
            raise unverifiable(self._url, wanted)

    async def _look(self) -> ObjectHead | None:
        if await self._context.restores.is_ongoing(self._whole_key):
            return None
        head = await self._head()
        if head.is_readable(datetime.now(UTC)):
            return head
        # The copy has expired, or none was ever asked for.
        if head.restore is None or not head.restore.is_ongoing:
            raise not_retrieved(self.bucket, head)
        return None

    async def _readable_head(self) -> ObjectHead:
        head = await self._head()
        with self._context.naming(self.key):
            if not head.is_readable(datetime.now(UTC)):
                raise not_retrieved(self.bucket, head)
        return head

    async def _know(self, head: ObjectHead) -> ObjectProofs:
        """Return the hashes to verify an object by."""
        with self._context.naming(self.key):
            parts: list[UploadedObjectPart] = []
            if head.checksum is not None and head.checksum.parts is not None:
                gateway = self._context.gateway

                async def fetch(marker: str | None) -> Page[UploadedObjectPart]:
                    _, page = await gateway.get_object_attributes(
                        self._context.ref, self._whole_key, marker=marker
                    )
                    return page

                parts = [part async for part in follow("GetObjectAttributes", fetch)]
            return ObjectProofs.of(head, parts, await self._tree_hash_on_record(head))

    async def _tree_hash_on_record(self, head: ObjectHead) -> bytes:
        """Return the tree hash of an object of whose checksum the service tells nothing, if it is known."""
        records = self._context.records
        if head.checksum is not None or records is None:
            return b""
        archives, archive_id = records.catalog.archives, ArchiveId(self.key)
        facts = await archives.object_facts(records.key, archive_id)
        found = await archives.get(records.key, archive_id)
        is_it = facts is not None and facts.etag == head.etag
        return found.archive.tree_hash if found is not None and is_it else b""

    async def _output(
        self, head: ObjectHead, known: ObjectProofs, *, part: ByteRange | None = None, allows_unverified: bool
    ) -> ObjectOutput:
        return ObjectOutput(
            self._context.gateway,
            self._context.ref,
            head,
            known,
            part=part,
            allows_unverified=allows_unverified,
            renew=self._renew,
        )

    async def _renew(self) -> None:
        """Restore the object again, because its copy has expired; many readers ask once."""
        async with self._renewing:  # readers of several ranges find the copy gone at once
            head = await self._head()
            if not head.is_readable(datetime.now(UTC)):
                days, tier = self._days, self._tier
                if (record := await self._note(head)) is not None:  # as it was asked for, also elsewhere
                    days, tier = days or record.days, tier or record.tier
                await ask_for_restore(
                    self._context, head, self.key, days=days or 1, tier=tier or Tier.STANDARD
                )
                await self.wait_until_done()

    async def _note(self, head: ObjectHead) -> JobRecord | None:
        """Record the state of the restore; return its record, if there is one."""
        if self._context.records is None or head.storage_class not in RESTORE_TIERS:
            return None
        from aioglacier.recorded.buckets.reserved_restores import note_restore  # noqa: PLC0415  # SQLite

        return await note_restore(self._context.recorded(), self.key, head)


async def ask_for_restore(
    context: BucketContext, head: ObjectHead, key: str, *, days: int, tier: Tier, again: bool = False
) -> bool:
    """Ask for a copy of an object that lives for ``days``; return whether a restore began."""

    async def ask(head: ObjectHead) -> bool:
        # There the object moves back, and no copy is made.
        takes_days = head.storage_class != StorageClass.INTELLIGENT_TIERING
        is_new = await context.gateway.restore_object(
            context.ref,
            head.key,
            days=days if takes_days else None,
            tier=tier,
            storage_class=head.storage_class,
            size=head.size,
        )
        return is_new is not False

    if context.records is not None:
        from aioglacier.recorded.buckets.reserved_restores import reserve_restore  # noqa: PLC0415  # SQLite

        return await reserve_restore(context.recorded(), key, ask, tier=tier, days=days, again=again)
    try:
        return await ask(head)
    except RestoreInProgressError:
        return False  # which is what was asked for


def not_retrieved(bucket: str, head: ObjectHead) -> NotRetrievedError:
    """Return the error for an object that has to be restored before it can be read."""
    is_ongoing = head.restore is not None and head.restore.is_ongoing
    hint = "wait_until_done() waits for it" if is_ongoing else "bucket.retrieve() restores it"
    return NotRetrievedError(
        f"s3://{bucket}/{head.key} in {head.storage_class} is not restored; {hint}",
        operation="HeadObject",
        code="InvalidObjectState",
        status=200,
    )
