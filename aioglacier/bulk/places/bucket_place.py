"""A bucket as a place of folders.

Objects in a class that reads at once come by range; others are restored whole, by one request an object. A
list of the objects is as new as its request, and says more than any record: what is gone, what was replaced,
what is restored already, and which bundle lacks its sidecar because a process was killed before it was kept.
"""

from __future__ import annotations

import heapq
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import IO, TYPE_CHECKING, Final

from aioglacier.bulk.formats.bundle_sidecar import (
    FACTS_SIZE,
    SIDECAR_SUFFIX,
    BundleFacts,
    decode_facts,
    encode_facts,
    facts_size,
)
from aioglacier.catalog.records import ArchiveState
from aioglacier.core.errors import (
    AccessDeniedError,
    ConfigurationError,
    IntegrityError,
    NotRetrievedError,
    ObjectNotFoundError,
)
from aioglacier.core.limits import LEAF_SIZE, MIB, S3
from aioglacier.core.models import Archive, ArchiveId
from aioglacier.core.prices import HEADS
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.moved_metadata import MOVE_FOLDER, origin_of
from aioglacier.core.s3.object_checks import check_restore
from aioglacier.core.s3.objects import ArchivedObject, StorageClass
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.buckets.restore import Restore
    from aioglacier.core.models import ObjectTarget, Tier
    from aioglacier.core.prices import Prices
    from aioglacier.core.s3.objects import ObjectEntry
    from aioglacier.recorded.buckets.recorded_bucket import RecordedBucket
    from aioglacier.transfer.download.download import Download
    from aioglacier.transfer.download.reader import ArchiveReader

#: Where a class reads at once, members are read by range, so the size of a bundle does not matter.
_LARGE_BUNDLE: Final = 4096 * MIB

#: The classes of objects that are restored whole, and then read.
_RESTORED_WHOLE: Final = frozenset({StorageClass.GLACIER, StorageClass.DEEP_ARCHIVE})

#: To restore one member, S3 restores its whole bundle; scattered members cost a fifteenth of those in 4 GiB.
_SMALL_BUNDLE: Final = 256 * MIB


#: Requests for the facts of an object for one MiB of it; more where it is restored and waited for.
_SAMPLE_HEADS: Final = 3
_RESTORED_SAMPLE_HEADS: Final = 6

#: Objects in a page of a list.
_PAGE: Final = 1000


class BucketPlace:
    """See ``FolderPlace``.

    Attributes:
        objects: The objects at the last look, by their keys; some 500 bytes each.
        etags: The etags on record, of objects that were archived from here.
    """

    keeps_sidecars = True

    def __init__(self, bucket: Bucket) -> None:
        self.context = bucket.context.recorded()
        self.bundle_size = _SMALL_BUNDLE if bucket.storage_class in _RESTORED_WHOLE else _LARGE_BUNDLE
        self.recovery = f"'aioglacier catalog recover {self.context.name}'"
        self.objects: dict[str, ObjectEntry] = {}
        self.etags: dict[ArchiveId, str | None] = {}
        self._bucket = bucket
        self._memory = bucket.context.resources.buffers.limit
        self._unrecorded: list[Archive] | None = None

    async def look(self) -> None:
        """See ``FolderPlace``. A list proves that an object is gone, or is another one."""
        await self.context.meet()
        archives, key = self.context.catalog.archives, self.context.key
        # Before the list: what another process makes meanwhile is not in it.
        known = await archives.list_objects(key)
        await self.list_objects()
        self.etags = {archive_id: etag for archive_id, _, etag in known}
        for archive_id, size, etag in known:
            entry = self.objects.get(archive_id)
            # A record without an etag tells its object by the size alone.
            if entry is None or entry.size != size or etag not in {None, entry.etag}:
                await archives.record_state(key, archive_id, ArchiveState.DELETED)

    async def list_objects(self) -> None:
        """List the objects, without the manifests that ``migrate`` keeps beside those that it moved."""
        self.objects = {
            entry.key: entry
            async for entry in self._bucket.objects()
            if not entry.key.startswith(MOVE_FOLDER)
        }

    async def count_lists(self) -> int:
        """See ``FolderPlace``: objects, each with its sidecar, unfinished uploads, and buckets."""
        known = await self.context.catalog.archives.list_objects(self.context.key)
        return 3 + 2 * len(known) // _PAGE

    async def count_archives(self) -> int | None:
        """See ``FolderPlace``."""
        return sum(not key.endswith(SIDECAR_SUFFIX) for key in self.objects)

    async def count_strays(self) -> int:
        """See ``FolderPlace``."""
        uploads = self.context.catalog.uploads
        return sum([not await uploads.is_known(each.id) async for each in self.context.list_uploads()])

    async def sample_cost(self, prices: Prices, tier: Tier, sample: int) -> float:
        """See ``FolderPlace``; where objects are restored whole, these are the largest ones."""
        if prices.storage_class not in _RESTORED_WHOLE:
            looks = prices.looking(heads=_SAMPLE_HEADS * sample)
            return prices.retrieval(tier, sample * LEAF_SIZE, sample) + looks
        known = await self.context.catalog.archives.list_objects(self.context.key)
        sizes = heapq.nlargest(sample, (size for _, size, _ in known))
        restored = prices.jobs(tier, sum(sizes), len(sizes)) + prices.copy(sum(sizes), 1)
        looks = prices.looking(heads=_RESTORED_SAMPLE_HEADS * sample)
        return restored + prices.transfer_out(sample * LEAF_SIZE) + looks

    async def sweep(self) -> None:
        """See ``FolderPlace``."""
        archives, key = self.context.catalog.archives, self.context.key
        for name in sorted(self.objects):  # a list, because entries go
            archive_id = ArchiveId(name.removesuffix(SIDECAR_SUFFIX))
            is_alone = archive_id != name and archive_id not in self.objects
            if (
                is_alone
                and await archives.get(key, archive_id)  # no other program's file of that name
                and await delete_sidecar(self._bucket, archive_id)
            ):
                del self.objects[name]

    @property
    def bare(self) -> set[ArchiveId]:
        """See ``FolderPlace``."""
        archives = (ArchiveId(key) for key in self.objects if not key.endswith(SIDECAR_SUFFIX))
        return {archive_id for archive_id in archives if not self.has_sidecar(archive_id)}

    def retriever(self, tier: Tier, days: int = 1) -> ObjectRetriever:
        """See ``FolderPlace``."""
        return ObjectRetriever(self, self._bucket, tier, days)

    def has_sidecar(self, archive_id: ArchiveId) -> bool:
        """See ``FolderPlace``."""
        return archive_id + SIDECAR_SUFFIX in self.objects

    async def read_sidecar(self, archive_id: ArchiveId) -> bytes | None:
        """See ``FolderPlace``."""
        if not self.has_sidecar(archive_id):
            return None
        async with self._bucket.restored(archive_id + SIDECAR_SUFFIX).open_reader() as reader:
            bundle = self.objects.get(archive_id)
            if bundle is None or reader.size > min(bundle.size + FACTS_SIZE, self._memory):
                return None  # it is held whole, and that of a bundle is smaller than the bundle
            return await reader.read()

    def target_of(self, archive_id: ArchiveId) -> ObjectTarget | None:
        """See ``FolderPlace``."""
        storage_class = self.objects[archive_id].storage_class
        return self.context.upload_options(name=archive_id, storage_class=storage_class).target

    async def find_unrecorded(self) -> Sequence[Archive]:
        """See ``FolderPlace``."""
        await self.look()
        archives, key = self.context.catalog.archives, self.context.key
        self._unrecorded = []
        for entry in list(self.objects.values()):
            archive_id = ArchiveId(entry.key)
            if entry.key.endswith(SIDECAR_SUFFIX) or await archives.get(key, archive_id) is not None:
                continue
            head = await self._bucket.head(entry.key)  # a request for each object: a list tells no metadata
            description, created, tree_hash = origin_of(head)
            found = Archive(archive_id, self.context.name, head.size, tree_hash, description, created)
            self._unrecorded.append(found)
        return self._unrecorded

    def stock_cost(self, prices: Prices) -> float:
        """See ``FolderPlace``."""
        sidecars = [
            self.objects[each.id + SIDECAR_SUFFIX].size
            for each in self._unrecorded or ()
            if not each.tree_hash and self.has_sidecar(each.id)
        ]
        return sum(map(prices.fetching, sidecars)) + prices.looking(heads=HEADS * len(sidecars))

    async def take_stock(self) -> None:
        """See ``FolderPlace``."""
        found = await self.find_unrecorded() if self._unrecorded is None else self._unrecorded
        for archive in found:
            tree_hash = archive.tree_hash
            if not tree_hash and (sidecar := await self.read_sidecar(archive.id)) is not None:
                with suppress(IntegrityError):  # the end of the bundle has all but the tree hash
                    facts = decode_facts(sidecar)
                    tree_hash = facts.tree_hash if facts.size == archive.size else b""
            await self.context.catalog.archives.record(
                self.context.key, replace(archive, tree_hash=tree_hash)
            )
        self._unrecorded = None

    @asynccontextmanager
    async def open_sidecar(
        self, compression: str | None, encryption: str | None
    ) -> AsyncIterator[ObjectSidecar]:
        """See ``FolderPlace``; the sidecar waits in a file that has no name once the block ends."""
        with await run_in_thread(tempfile.NamedTemporaryFile) as file:
            yield ObjectSidecar(self.context, file, compression, encryption)


async def delete_sidecar(bucket: Bucket, archive_id: str) -> bool:
    """Delete the sidecar of an archive that is proven to be gone; return whether there was one.

    An object that has the sidecar's name but is no sidecar stays. So does one that may not be read or
    deleted.
    """
    name = archive_id + SIDECAR_SUFFIX
    try:
        size = min(FACTS_SIZE, (await bucket.head(name)).size)  # the facts at the start prove that it is one
        async with bucket.restored(name).open_reader((0, size) if size else None, raw=True) as reader:
            decode_facts(await reader.read())
        with suppress(ObjectNotFoundError):
            await bucket.head(archive_id)
            return False  # a list may be older than the archive
        await bucket.delete(name)
    except (AccessDeniedError, ConfigurationError, IntegrityError, NotRetrievedError, ObjectNotFoundError):
        return False
    return True


class ObjectRetriever:
    """The objects of a bucket that can be read, or are restored; see ``Retriever``.

    Attributes:
        whole: Objects that are restored whole.
        ranges: Objects whose restore was asked for: running, or with a copy that lives.
    """

    def __init__(self, place: BucketPlace, bucket: Bucket, tier: Tier, days: int) -> None:
        check_restore(tier, days)  # the class of each object is known after the list, and is checked then
        self.started = 0
        self.whole: set[ArchiveId] = set()
        self.ranges: dict[ArchiveId, list[ByteRange]] = {}
        self._place = place
        self._bucket = bucket
        self._tier = tier
        self._days = days

    async def learn(self) -> None:
        """See ``Retriever``; one list tells the class and the restore of every object."""
        await self._place.list_objects()
        for key, entry in self._place.objects.items():
            archive_id = ArchiveId(key)
            if entry.storage_class in _RESTORED_WHOLE:
                self.whole.add(archive_id)
                if entry.restore is not None:
                    self.ranges[archive_id] = [ByteRange(0, entry.size)]

    async def look(self) -> None:
        """See ``Retriever``; ``learn`` has seen it."""

    def has(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> bool:
        """See ``Retriever``."""
        del byte_range
        return archive_id not in self.whole or archive_id in self.ranges

    async def get(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> ObjectBytes:
        """See ``Retriever``."""
        restore = await self._bucket.retrieve(archive_id, tier=self._tier, days=self._days)
        self.started += restore.is_new
        return ObjectBytes(restore, byte_range, self._place.etags.get(archive_id))

    def forget(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> None:
        """See ``Retriever``; the object's head tells what is there."""


class ObjectBytes:
    """An object, or a range of it; see ``AskedBytes``. Only this process reads it."""

    shared: Final = None

    def __init__(self, restore: Restore, byte_range: ByteRange | None, etag: str | None) -> None:
        self._restore = restore
        self._start = byte_range.start if byte_range is not None else 0
        self._range = byte_range
        self._etag = etag

    async def is_ready(self) -> bool:
        """See ``AskedBytes``."""
        return (await self._restore.describe()).is_readable(datetime.now(UTC))

    async def wait_for(self, archive: Archive) -> bool:
        """See ``AskedBytes``."""
        head = await self._restore.wait_until_done()
        return head.size == archive.size and self._etag in {None, head.etag}  # or another object has the key

    def open_reader(
        self, byte_range: tuple[int, int] | None = None, *, raw: bool = False
    ) -> AbstractAsyncContextManager[ArchiveReader]:
        """See ``AskedBytes``; no more than the range is fetched, and S3 has no hash of that."""
        del raw
        wanted = self._range
        if byte_range is not None:
            wanted = ByteRange(self._start + byte_range[0], self._start + byte_range[1])
        return self._restore.open_reader(wanted, raw=True)

    async def prepare_download(self, path: str) -> Download:
        """See ``AskedBytes``."""
        return await self._restore.prepare_download(path, overwrite=True)

    async def note_gone(self) -> None:
        """See ``AskedBytes``; the next look at the object's head records it."""


class ObjectSidecar:
    """The sidecar of a bundle, in a file until the bundle is made; see ``SidecarFile``."""

    def __init__(
        self, context: RecordedBucket, file: IO[bytes], compression: str | None, encryption: str | None
    ) -> None:
        self._context = context
        self._file = file
        self._codings = compression, encryption
        self._size = facts_size(*self._codings)
        file.seek(self._size)  # the facts are known last, and stand before

    async def write(self, data: bytes) -> None:
        """See ``SidecarFile``."""
        await run_in_thread(partial(self._file.write, data))
        self._size += len(data)

    async def keep(self, archive: Archive) -> None:
        """See ``SidecarFile``; it is not on record, since its bundle tells its name."""
        etag = archive.etag if isinstance(archive, ArchivedObject) else ""
        await run_in_thread(partial(self._finish, BundleFacts(archive.size, archive.tree_hash, etag)))
        options = self._context.upload_options(
            name=archive.id + SIDECAR_SUFFIX,
            storage_class=StorageClass.STANDARD,
            part_size=max(S3.min_part_size, 1 << (self._size - 1).bit_length()),  # one request
            overwrite=True,
        )
        source = await as_source(self._file.name)
        store = self._context.object_store(options)
        await SourceUpload(store, self._context.resources, options, source).run()

    def _finish(self, facts: BundleFacts) -> None:
        self._file.seek(0)
        self._file.write(encode_facts(facts, *self._codings))
        self._file.flush()
