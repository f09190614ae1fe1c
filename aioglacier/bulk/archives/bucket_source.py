"""A bucket as a source of archives: those that were moved there, as objects or in bundles, and other objects.

The list of the bucket shows which objects are new. The metadata of each of them, or the copy of the index of
each new bundle, tell its archives, so nothing is restored to learn them. The record keeps them, and a later
look asks only for what has changed since.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from aioglacier.bulk.archives.archive_source import Asked, Ready
from aioglacier.bulk.archives.object_origin import NO_ARCHIVE, ObjectOrigin, archives_in
from aioglacier.bulk.archives.restore_meter import RestoreMeter, class_of
from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.bundle_format import check_index_size, not_a_bundle
from aioglacier.bulk.formats.bundle_index import read_index
from aioglacier.bulk.formats.bundle_sidecar import FACTS_SIZE, SIDECAR_SUFFIX, decode_sidecar
from aioglacier.bulk.formats.folder_descriptions import read_description
from aioglacier.bulk.path_failures import PathFailure
from aioglacier.catalog.records import ArchiveState
from aioglacier.core.errors import IntegrityError, NotRetrievedError, ObjectChangedError, ObjectNotFoundError
from aioglacier.core.inventory.text import parse_utc
from aioglacier.core.models import Archive, ArchiveId, JobId
from aioglacier.core.s3.moved_metadata import ARCHIVE_ID, MOVE_FOLDER, VAULT, origin_of
from aioglacier.core.spending import charging
from aioglacier.core.treehash import HASH_SIZE, TreeHash
from aioglacier.recorded.buckets.recorded_bucket import RecordedBucket
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aioglacier.bulk.archives.restore_meter import ClassPrices
    from aioglacier.catalog.folders.entry_records import Entry
    from aioglacier.catalog.records import MovedRecord
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.core.models import Tier
    from aioglacier.core.s3.objects import ObjectEntry, ObjectHead

#: Objects whose records are looked up together, and requests side by side.
_PAGE: Final = 250
_AT_ONCE: Final = 16

#: Attempts for a member of a bundle whose bytes come damaged.
_TRIES: Final = 3


class BucketSource:
    """See ``ArchiveSource``.

    Attributes:
        context: The bucket, with the records of the archives in it.
    """

    def __init__(self, bucket: Bucket, prices: ClassPrices, days: int) -> None:
        place = bucket.context.recorded()
        records = place.records.of(archives_in(place.key))
        self.context: Final = RecordedBucket(
            place.gateway, place.resources, place.ref, place.prefix, place.storage_class, records
        )
        self._bucket = bucket
        self._archives = place.catalog.archives
        self._prices = cache(prices)  # every archive asks for its class's
        self._days = days
        self._memory = bucket.context.resources.buffers.limit
        self._places = anyio.Semaphore(_AT_ONCE)
        self._unread: list[PathFailure] = []
        self._asked: set[str] = set()  # bundles, of which each member would ask again

    # --- what there is

    async def learn(self) -> list[PathFailure]:
        """See ``ArchiveSource``; a bundle whose index cannot be read fails by its key."""
        self._unread = []
        page: list[ObjectEntry] = []
        async for entry in self._bucket.objects():
            if not entry.key.startswith(MOVE_FOLDER):
                page.append(entry)
            if len(page) == _PAGE:
                await self._learn_page(page)
                page = []
        await self._learn_page(page)
        return self._unread

    async def _learn_page(self, page: Sequence[ObjectEntry]) -> None:
        known = await self._archives.sources(self.context.key, [ArchiveId(entry.key) for entry in page])
        with first_cause():
            async with anyio.create_task_group() as tasks:
                for entry in page:
                    source = known.get(ArchiveId(entry.key))
                    if source is None or ObjectOrigin(*json.loads(source)).etag != entry.etag:
                        tasks.start_soon(self._learn_object, entry.key)

    async def _learn_object(self, key: str) -> None:
        async with self._places:
            try:
                head = await self._bucket.head(key)
            except ObjectNotFoundError:
                return  # a list may be older than a deletion
            id_, origin = head.metadata.get(ARCHIVE_ID), origin_of(head)
            if id_ is None and key.endswith(SIDECAR_SUFFIX):
                return  # the copy of an index, or nothing that tells it from one
            description = origin.description
            is_ours = "aioglacier" in read_description(description)
            if id_ is None and is_ours and head.metadata.get(VAULT):
                try:
                    await self._learn_bundle(head)
                except (IntegrityError, ObjectNotFoundError) as error:
                    self._unread.append(PathFailure(os.fsencode(key), error))
                    return
                id_ = NO_ARCHIVE
            elif id_ is None:  # it came from no vault, and its key is its name
                id_, description = key, description if is_ours else key
            await self._record(
                _origin(head, id_),
                Archive(ArchiveId(key), "", head.size, origin.tree_hash, description, origin.created),
            )

    async def _learn_bundle(self, head: ObjectHead) -> None:
        """Record the members of a bundle that ``migrate`` made. Its own record is made after these."""
        async for page in self._members(head):
            with first_cause():
                async with anyio.create_task_group() as tasks:
                    for origin, archive in page:
                        tasks.start_soon(self._record, origin, archive)

    async def _members(self, head: ObjectHead) -> AsyncIterator[list[tuple[ObjectOrigin, Archive]]]:
        try:
            async with self._bucket.restored(head.key + SIDECAR_SUFFIX).open_reader() as reader:
                check_index_size(reader.size, min(head.size + FACTS_SIZE, self._memory))
                sidecar = decode_sidecar(await reader.read())
        except ObjectNotFoundError as error:
            error.add_note(f"without this copy of its index, the archives in bundle {head.key} are not known")
            raise
        for page in read_index(sidecar.index, sidecar.trailer, tree=0, run=0, upload=0, identities=None):
            try:
                members = [
                    _member(head, entry, facts)
                    for entry in page
                    if (facts := json.loads(entry.extra or b"{}").get("glacier")) is not None
                ]
            except (ValueError, KeyError, TypeError) as error:  # others may have written the index
                raise not_a_bundle(f"its index describes an archive by {error!r}") from error
            yield members

    async def _record(self, origin: ObjectOrigin, archive: Archive) -> None:
        await self._archives.record(self.context.key, archive, source=origin.text())

    # --- what it costs

    def meter(self) -> RestoreMeter:
        """Return a meter of the cost of a plan."""
        return RestoreMeter(self._prices, self._days)

    # --- restores

    async def find_asked(self) -> dict[str, JobId]:
        """See ``ArchiveSource``; the head of each object tells its restore."""
        return {}

    async def ask(self, moved: MovedRecord, tier: Tier) -> Asked:
        """See ``ArchiveSource``."""
        origin = await self._origin(moved)
        job_id = JobId(f"restore of {origin.key}")
        if origin.key in self._asked:
            return Asked(job_id, is_new=False)
        try:
            with charging(self._prices(storage_class=class_of(origin))):
                restore = await self._bucket.retrieve(origin.key, tier=tier, days=self._days)
        except ObjectNotFoundError:
            await self._archives.record_state(self.context.key, moved.archive.id, ArchiveState.DELETED)
            raise
        if origin.position is not None:
            self._asked.add(origin.key)
        return Asked(job_id, restore.is_new)

    async def check(self, moved: MovedRecord) -> Ready | None:
        """See ``ArchiveSource``."""
        origin = await self._origin(moved)
        head = await self._bucket.restored(origin.key).describe()
        if head.restore is not None and head.restore.is_ongoing:
            return None
        return self._ready(origin, head)

    async def wait(self, moved: MovedRecord) -> Ready:
        """See ``ArchiveSource``."""
        origin = await self._origin(moved)
        return self._ready(origin, await self._bucket.restored(origin.key).wait_until_done())

    def _ready(self, origin: ObjectOrigin, head: ObjectHead) -> Ready:
        if head.etag != origin.etag:
            raise ObjectChangedError(
                f"{origin.key} is another object by now; run the command again to see it as it is",
                operation="HeadObject",
                code="",
                status=200,
            )
        if not head.is_readable(datetime.now(UTC)):
            self._asked.discard(origin.key)
            raise NotRetrievedError(
                f"the restored copy of {origin.key} has expired",
                operation="HeadObject",
                code="InvalidObjectState",
                status=200,
            )
        return Ready(head.restore.expires if head.restore is not None else None)

    async def download(self, moved: MovedRecord, path: str) -> None:
        """See ``ArchiveSource``."""
        origin = await self._origin(moved)
        restore = self._bucket.restored(origin.key)
        with charging(self._prices(storage_class=class_of(origin))):
            if origin.position is None:
                return await (await restore.prepare_download(path, overwrite=True)).run()
            for tries_left in range(_TRIES - 1, -1, -1):
                try:
                    return await self._write_member(moved, origin, path)
                except IntegrityError:
                    if not tries_left:
                        raise
        return None

    async def _write_member(self, moved: MovedRecord, origin: ObjectOrigin, path: str) -> None:
        start, archive, tree = origin.position or 0, moved.archive, TreeHash()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        file = await run_in_thread(partial(os.open, path, flags, 0o600))

        def write(block: bytes) -> None:
            tree.update(block)
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(file, rest) :]

        try:
            span = start, start + archive.size
            async with self._bucket.restored(origin.key).open_reader(span, raw=True) as reader:
                async for block in reader:
                    await run_in_thread(partial(write, block))
        finally:
            os.close(file)
        if tree.digest() != archive.tree_hash:
            raise IntegrityError(
                f"archive {origin.archive_id} came damaged from bundle {origin.key}",
                expected=archive.tree_hash,
                actual=tree.digest(),
            )

    async def _origin(self, moved: MovedRecord) -> ObjectOrigin:
        known = await self._archives.sources(self.context.key, [moved.archive.id])
        return ObjectOrigin(*json.loads(known[moved.archive.id] or ""))


def _origin(head: ObjectHead, archive_id: str, position: int | None = None) -> ObjectOrigin:
    return ObjectOrigin(archive_id, head.key, head.etag, head.storage_class, head.size, position)


def _member(head: ObjectHead, entry: Entry, facts: Any) -> tuple[ObjectOrigin, Archive]:
    """Return a member of a bundle: where it lies, and the archive that it was."""
    stop = (entry.position or 0) + (entry.stored or 0) - len(tar.padding(entry.size))
    start, tree_hash = stop - entry.size, entry.content_hash or b""
    origin = _origin(head, str(facts["id"]), start)
    created = parse_utc(facts["created"])
    if created is None or start < 0 or len(tree_hash) != HASH_SIZE:
        raise ValueError(facts)
    return origin, Archive(origin.id, "", entry.size, tree_hash, str(facts["description"]), created)
