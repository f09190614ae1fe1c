"""Writes bundles: archives of many members with an index at the end; after a full one the next begins.

The catalog records the upload, and the service begins it, before the first member is written. Members are
recorded while they are sent, some thousands at a time, and count once the archive is proven. The pages of the
index are made meanwhile, too; those of a bundle with very many members are made from the records at its end.
"""

from __future__ import annotations

import hashlib
import itertools
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.bulk.formats.age import AGE, sealing_encoder
from aioglacier.bulk.formats.bundle_format import PART_SIZE, BundleTrailer, encode_trailer
from aioglacier.bulk.formats.bundle_index import encode_page, index_lines
from aioglacier.bulk.formats.folder_descriptions import describe_bundle, name_bundle
from aioglacier.bulk.formats.zstd import compressor
from aioglacier.bulk.sync.pacing import PacedWriter, Patience
from aioglacier.bulk.upload_in_parts import open_in_parts
from aioglacier.catalog.folders.entry_records import BundleRecord
from aioglacier.catalog.records import ArchiveState
from aioglacier.core.limits import MIB
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.shard import WHOLE, Shard
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.streams.memory import MemoryObjectReceiveStream

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.places.folder_place import FolderPlace, SidecarFile
    from aioglacier.bulk.sync.packing import Packed
    from aioglacier.bulk.sync.plan import SyncOptions, SyncSnapshot
    from aioglacier.catalog import Catalog, UploadRecord
    from aioglacier.catalog.folders.entry_records import Entry, RunNumber, TreeRecord
    from aioglacier.core.models import Archive
    from aioglacier.tasks.room import Room
    from aioglacier.transfer.store import PartDone

#: Members recorded in one transaction. As many are being recorded while others are written.
_RECORDED_AT_ONCE: Final = 2000

#: The limits of one page of an index. Extended attributes make a line of any length, and a reader refuses
#: pages above 64 MiB.
_INDEX_LINES: Final = 8192
_INDEX_PAGE: Final = 16 * MIB

#: Bytes of pages that are kept until the end of a bundle: those of 150,000 members.
_INDEX_KEPT: Final = 8 * MIB


class BundleWriter:
    """One bundle under way.

    Attributes:
        writer: The writer of the archive.
        record: The record of the bundle, with its members so far.
        archive: The archive, once it is made.
    """

    def __init__(
        self,
        place: FolderPlace,
        tree: TreeRecord,
        run: RunNumber,
        record: BundleRecord,
        writer: PacedWriter,
        recipients: Recipients | None = None,
    ) -> None:
        self.writer = writer.archive
        self.record = record
        self.archive: Archive | None = None
        self._place = place
        self._catalog = place.context.catalog
        self._tree = tree
        self._run = run
        self._paced = writer
        self._recipients = recipients
        self._index: BundleIndex | None = BundleIndex(record, recipients)
        self._waiting: list[Entry] = []
        self._to_record, self._written = anyio.create_memory_object_stream["list[Entry]"](0)
        self._are_recorded = anyio.Event()

    @property
    def requests(self) -> int:
        """Requests so far and for the end: initiate, parts, complete."""
        return 2 + -(-self.writer.position // self.writer.part_size)

    async def add(self, packed: Packed) -> None:
        """Write members, and record them."""
        base, record = self.writer.position, self.record
        self._waiting += packed.placed(record, base)
        self.record = replace(
            record,
            members=record.members + len(packed.entries),
            content_size=record.content_size + packed.size,
        )
        for block in packed.blocks:
            await self._paced.write(block)
        if len(self._waiting) >= _RECORDED_AT_ONCE:
            await self._hand_over()

    async def take(self, record: BundleRecord, entries: Sequence[Entry], parts: Sequence[PartDone]) -> None:
        """Record a bundle whose members and index another process has sent."""
        self.writer.prove(parts)
        self.record = record
        await self._catalog.entries.add(entries)
        await self._catalog.bundles.record(self._tree, self._run, record)

    async def finish_taken(self) -> None:
        """Make the archive of such a bundle; from then on its members count."""
        await self._make()
        assert self.archive is not None  # noqa: S101  # or it would have failed
        if self._place.keeps_sidecars:
            await _keep_sidecar(self._place, self._tree, self.record, self.archive, self._recipients)

    async def drop_taken(self) -> None:
        """Remove the records of such a bundle after its abort; its paths are packed into another one."""
        await self._catalog.bundles.drop(self.record.upload)

    async def finish(self) -> Archive:
        """Write the index and make the archive; from then on its members count."""
        async with self._place.open_sidecar(self.record.compression, self.record.encryption) as sidecar:
            await self._finish(sidecar)
            assert self.archive is not None  # noqa: S101  # or it would have failed
            await sidecar.keep(self.archive)  # a kill before this leaves it to the next run
            return self.archive

    async def _finish(self, sidecar: SidecarFile) -> None:
        await self._hand_over()
        self.end_records()
        await self._are_recorded.wait()  # the index may be made from the records
        start = self.writer.position
        index_hash = await self._write_index(sidecar)
        self.record = record = replace(
            self.record, index_position=start, index_size=self.writer.position - start
        )
        end = encode_end(record, index_hash, self._tree)
        await self.writer.write(end)
        await sidecar.write(end)
        # The index must be found even if a kill follows the completion.
        await self._catalog.bundles.record(self._tree, self._run, record)
        await self._make()

    async def _make(self) -> None:
        self.archive = await self.writer.complete()  # here all members begin to count
        await self._catalog.bundles.finish(self.record.upload)  # a kill before this loses no member

    async def _hand_over(self) -> None:
        """Hand members that were written to ``record_all``, once it has recorded those before."""
        waiting, self._waiting = self._waiting, []
        await self._to_record.send(waiting)

    async def record_all(self) -> None:
        """Record members while others are written; to be run beside the bundle, until ``end_records``."""
        async for members in self._written:
            if self._index is not None:
                await run_in_thread(partial(self._index.add, members))
                if self._index.size > _INDEX_KEPT:
                    self._index = None
            await self._catalog.entries.add(members)
        self._are_recorded.set()

    def end_records(self) -> None:
        """Let ``record_all`` end; may be called twice."""
        self._to_record.close()

    def close(self) -> None:
        """Release what is not recorded."""
        self._to_record.close()
        self._written.close()

    async def _pages(self) -> AsyncIterator[bytes]:
        if self._index is None:
            async for page in _index_pages(self._catalog, self.record, self._recipients):
                yield page
            return
        await run_in_thread(self._index.end_page)
        for page in self._index.take():
            yield page

    async def _write_index(self, sidecar: SidecarFile) -> bytes:
        """Write the index, page by page; return its hash."""
        hasher = hashlib.sha256()
        async for page in self._pages():
            hasher.update(page)
            await self._paced.write(page)
            await sidecar.write(page)
        return hasher.digest()[:16]


class BundleIndex:
    """The pages of an index that were made and not yet taken.

    Attributes:
        size: Their bytes.
    """

    def __init__(self, bundle: BundleRecord, recipients: Recipients | None) -> None:
        self.size = 0
        self._pages: list[bytes] = []
        self._lines: list[bytes] = []
        self._lines_size = 0
        self._format = (bundle.compression, recipients)
        self._numbers = itertools.count()

    def add(self, members: Iterable[Entry]) -> None:
        """Add members in the order of their positions; in a thread."""
        for line in index_lines(members):
            self._lines.append(line)
            self._lines_size += len(line)
            if len(self._lines) == _INDEX_LINES or self._lines_size > _INDEX_PAGE:
                self.end_page()

    def end_page(self) -> None:
        """Make a page of the lines that are left; in a thread."""
        if self._lines:
            page = encode_page(next(self._numbers), self._lines, *self._format)
            self._pages.append(page)
            self.size += len(page)
        self._lines, self._lines_size = [], 0

    def take(self) -> list[bytes]:
        """Return the pages that were made since the last call."""
        pages, self._pages, self.size = self._pages, [], 0
        return pages


async def _index_pages(
    catalog: Catalog, bundle: BundleRecord, recipients: Recipients | None
) -> AsyncIterator[bytes]:
    """Yield the index of a bundle, made from the records.

    A version that a later run recorded for bytes that are there is no member.
    """
    index, last = BundleIndex(bundle, recipients), -1
    async for versions in catalog.entries.members(bundle.upload):
        members = []
        for version in versions:
            assert version.position is not None  # noqa: S101  # or it would not lie in the archive
            if version.position > last:  # the first version of a position is the oldest
                members.append(version)
                last = version.position
        await run_in_thread(partial(index.add, members))
        for page in index.take():
            yield page
    await run_in_thread(index.end_page)
    for page in index.take():
        yield page


async def keep_missing_sidecars(
    place: FolderPlace, tree: TreeRecord, recipients: Recipients | None, shard: Shard = WHOLE
) -> None:
    """Store the sidecars that a killed run of a shard left out, made from the records again.

    The sidecar of an encrypted bundle waits for a run that has recipients.
    """
    catalog, key, bare = place.context.catalog, place.context.key, place.bare
    mine = await catalog.bundles.of_shard(tree, shard) if bare else set()
    for upload in await catalog.entries.uploads_of(tree) if bare else ():
        bundle = await catalog.bundles.get(upload)
        # Another folder, whose bytes this one shares, and a shard that is at work store their own.
        if upload not in mine and (bundle is not None or shard.count > 1):
            continue
        archive_id = (await catalog.uploads.get(upload)).archive_id
        found = await catalog.archives.get(key, archive_id) if archive_id is not None else None
        if found is None or found.state is not ArchiveState.STORED:
            continue
        bundle = bundle or BundleRecord(upload, "file", None, None)
        is_sealed = bundle.encryption is not None
        if found.archive.id not in bare or (is_sealed and recipients is None):
            continue
        await _keep_sidecar(place, tree, bundle, found.archive, recipients if is_sealed else None)


async def _keep_sidecar(
    place: FolderPlace,
    tree: TreeRecord,
    bundle: BundleRecord,
    archive: Archive,
    recipients: Recipients | None,
) -> None:
    """Store the sidecar of a bundle, made from the records."""
    async with place.open_sidecar(bundle.compression, bundle.encryption) as sidecar:
        if bundle.format == "tar":
            hasher, size = hashlib.sha256(), 0
            async for page in _index_pages(place.context.catalog, bundle, recipients):
                hasher.update(page)
                size += len(page)
                await sidecar.write(page)
            end = encode_end(replace(bundle, index_size=size), hasher.digest()[:16], tree)
            await sidecar.write(end)
        await sidecar.keep(archive)


def encode_end(bundle: BundleRecord, index_hash: bytes, tree: TreeRecord) -> bytes:
    """Return the trailer of a bundle; that of an encrypted one hides its folder."""
    is_plain = bundle.encryption is None
    trailer = BundleTrailer(
        bundle.index_position,
        bundle.index_size,
        bundle.members,
        bundle.compression,
        bundle.encryption,
        index_hash,
        tree.identity,
        tree.host if is_plain else "",
        tree.root if is_plain else None,
    )
    return encode_trailer(trailer)


@asynccontextmanager
async def open_bundle(
    place: FolderPlace,
    tree: TreeRecord,
    run: RunNumber,
    patience: Patience,
    room: Room,
    *,
    compression: str | None,
    recipients: Recipients | None = None,
) -> AsyncIterator[BundleWriter]:
    """Begin a bundle. Leaving the block before ``finish`` aborts it, and none of its members count.

    ``patience`` and ``room`` belong to all bundles of a run: they concern the service and this machine.
    """
    context = place.context
    encryption = AGE if recipients is not None else None
    records: list[BundleRecord] = []

    async def note(upload: UploadRecord) -> None:
        records.append(BundleRecord(upload.number, "tar", compression, encryption))
        await context.catalog.bundles.record(tree, run, records[0])

    description = describe_bundle(tree.root if recipients is None else None)
    part_size = context.part_size(PART_SIZE)
    async with open_in_parts(context, description, part_size, name=name_bundle(), note=note) as (_, writer):
        paced = PacedWriter(writer, patience, room)
        bundle = BundleWriter(place, tree, run, records[0], paced, recipients)
        with first_cause(), closing(bundle):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(bundle.record_all)
                yield bundle
                bundle.end_records()  # where another process has sent the members, none came


class Bundling:
    """The bundles of one ``sync``.

    Attributes:
        compression: The compression of members.
        encryption: The encryption of members and indexes.
        given_up: Members of an aborted bundle; the next run sends them again.
        bundle: The bundle that is being written.
    """

    def __init__(self, place: FolderPlace, options: SyncOptions, counters: SyncSnapshot, room: Room) -> None:
        self.compression = "zstd" if options.compress else None
        self.encryption = AGE if options.recipients is not None else None
        self.given_up = 0
        self.bundle: BundleWriter | None = None
        self._place = place
        self._options = options
        self._counters = counters
        self._patience = Patience()
        self._room = room
        self._numbers = itertools.count(1)  # ``next`` is safe in any thread

    @property
    def size(self) -> int:
        """Bytes after which a bundle ends."""
        return self._options.bundle_size or self._place.bundle_size

    @property
    def recipients(self) -> tuple[str, ...]:
        """The public keys to encrypt to."""
        return self._options.recipients.names if self._options.recipients is not None else ()

    def make_encoder(self) -> Callable[[bytes], bytes] | None:
        """Return an encoder of members for one thread; ``None`` if members are stored as they are."""
        encode = compressor() if self.compression else None
        if self._options.recipients is not None:
            return sealing_encoder(self._options.recipients, encode, self._numbers)
        return encode

    def open(self, tree: TreeRecord, run: RunNumber) -> AbstractAsyncContextManager[BundleWriter]:
        """See ``open_bundle``."""
        return open_bundle(
            self._place,
            tree,
            run,
            self._patience,
            self._room,
            compression=self.compression,
            recipients=self._options.recipients,
        )

    async def run(self, tree: TreeRecord, run: RunNumber, take: MemoryObjectReceiveStream[Packed]) -> None:
        """Write members into bundles until no more come."""
        async with take:
            packed = await _next(take)
            while packed is not None:
                async with self.open(tree, run) as bundle:
                    self.bundle = bundle
                    try:
                        while packed is not None and bundle.writer.position < self.size:
                            await bundle.add(packed)
                            self._counters.archived += len(packed.entries)
                            self._counters.archived_size += packed.size
                            self._room.leave(packed.room)
                            packed = None  # its blocks go while the next ones are packed
                            packed = await _next(take)
                        await bundle.finish()
                    finally:
                        self.bundle = None
                        self.count(bundle)

    def count(self, bundle: BundleWriter) -> None:
        """Count a bundle that came to its end."""
        if bundle.archive is None:
            self.given_up += bundle.record.members
        else:
            self._counters.archives += 1
        self._counters.requests += bundle.requests
        self._counters.sent += bundle.writer.snapshot().moved


async def _next(take: MemoryObjectReceiveStream[Packed]) -> Packed | None:
    try:
        return await take.receive()
    except anyio.EndOfStream:
        return None
