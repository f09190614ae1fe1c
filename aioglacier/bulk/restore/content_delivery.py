"""Decode the outputs of jobs and put the contents into their places."""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from aioglacier.bulk.formats.bundle_format import member_content
from aioglacier.bulk.path_failures import PathFailure
from aioglacier.bulk.restore.placer import Content, as_target_error
from aioglacier.bulk.restore.unseal_files import unseal_file
from aioglacier.core.errors import GlacierError, IntegrityError, TargetError
from aioglacier.core.limits import MIB
from aioglacier.files.reading import make_block
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.room import Room
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.bulk.places.folder_place import AskedBytes
    from aioglacier.bulk.restore.folder_version import FolderVersion
    from aioglacier.bulk.restore.placer import Placed, Placer, Written
    from aioglacier.bulk.restore.restore_progress import RestoreProgress
    from aioglacier.catalog.folders.entry_records import Entry, StoredEntry
    from aioglacier.transfer.download.reader import ArchiveReader

#: Members read and written together.
_MEMBERS_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 4 * MIB

#: Bytes that are fetched ahead of what is read. On a busy machine the reader waits for them again and again,
#: and took 64 MiB. This is enough for 240 MB/s at a round trip of 100 ms.
_AHEAD: Final = 24 * MIB

#: Threads that decode and write what one output gives; two keep up with the fetching.
_WRITERS: Final = 2

#: Bytes of members that are in memory at once, of all outputs together: one of 16 MiB, and a run.
_MOST_IN_MEMORY: Final = 24 * MIB

#: Files that get their names together, at least: each time costs a ``syncfs``, of 10 ms and more.
_LANDED_FILES: Final = 2000
_LANDED_BYTES: Final = 64 * MIB
_LANDED_SECONDS: Final = 5.0

#: And at most, while the disk is busy. A power failure holds back no more than four times this: files that
#: are written, that wait for the disk, that wait for their names, and whose names wait for the disk.
_MOST_FILES: Final = 8000
_MOST_BYTES: Final = 256 * MIB

#: Bytes between two members that are read along; a longer gap is skipped.
_GAP: Final = 64 * 1024

#: Blocks that are kept for the next runs. The pages of a new one cost as much CPU as writing it does.
_MOST_BLOCKS: Final = 4

#: The range in the bundle, the bytes there, and the members.
_Batch: TypeAlias = "tuple[int, int, Lease, list[Entry]]"


class Blocks:
    """Memory that runs of members are read into again and again; for the event loop alone."""

    def __init__(self) -> None:
        self._idle: list[memoryview] = []

    def lend(self, size: int) -> Lease:
        """Return memory of some size, with any content."""
        if size > _BYTES_AT_ONCE:
            self._idle.clear()  # or both would be in memory
            return Lease(self, make_block(size), size)
        block = self._idle.pop() if self._idle else make_block(_BYTES_AT_ONCE)
        return Lease(self, block, size)

    def take_back(self, block: memoryview) -> None:
        """Keep a block that nothing uses any more."""
        if len(block) == _BYTES_AT_ONCE and len(self._idle) < _MOST_BLOCKS:
            self._idle.append(block)


class Lease:
    """A block that was lent. It goes back when as many have let go of it as hold it; at first one does.

    Attributes:
        data: Its bytes.
    """

    __slots__ = ("_block", "_blocks", "_holders", "data")

    def __init__(self, blocks: Blocks, block: memoryview, size: int) -> None:
        self._blocks = blocks
        self._block = block
        self._holders = 1
        self.data = block[:size]

    def hold(self) -> None:
        """Let one more use it."""
        self._holders += 1

    def let_go(self) -> None:
        """Use it no more."""
        self._holders -= 1
        if not self._holders:
            self._blocks.take_back(self._block)


class Unlanded:
    """The files of one output that are written and have no names yet; for the event loop alone."""

    def __init__(self) -> None:
        self._written: list[Written] = []
        self._size = 0
        self._since = 0.0

    def add(self, written: Sequence[Written]) -> None:
        """Add files that were written."""
        if written and not self._written:
            self._since = time.monotonic()
        self._written += written
        self._size += sum(file.size for file in written)

    @property
    def is_due(self) -> bool:
        """Return whether enough was written to put it on disk."""
        return bool(self._written) and (
            len(self._written) >= _LANDED_FILES
            or self._size >= _LANDED_BYTES
            or time.monotonic() - self._since > _LANDED_SECONDS
        )

    @property
    def is_overdue(self) -> bool:
        """Return whether so much was written that the disk must be waited for."""
        return len(self._written) >= _MOST_FILES or self._size >= _MOST_BYTES

    def take(self) -> list[Written]:
        """Return the files, which are to be put on disk now."""
        written, self._written, self._size = self._written, [], 0
        return written


class ContentDelivery:
    """Decodes the outputs of jobs and passes the contents to a ``Placer``."""

    def __init__(
        self, identities: Identities | None, version: FolderVersion, progress: RestoreProgress
    ) -> None:
        self._identities = identities
        self._version = version
        self._progress = progress
        self._room = Room(_MOST_IN_MEMORY)
        self._blocks = Blocks()

    async def deliver_members(
        self,
        reader: ArchiveReader,
        position: int,
        pages: AsyncIterator[list[StoredEntry]],
        placer: Placer,
        *,
        damaged: dict[bytes, int] | None = None,
    ) -> None:
        """Put members of a bundle into their places.

        While some are read, threads write those before, another puts earlier ones on disk, and one more names
        those that are there.

        Args:
            reader: Reads the bundle, from ``position`` on.
            position: Where in the bundle the reader is.
            pages: Members in the order of their positions.
            placer: For this call alone.
            damaged: Takes the paths of damaged members with their positions, for the caller to read these
                once more; without it they are failures.

        Raises:
            GlacierError: The bundle cannot be read. What was read before is in its place.
        """
        give, to_write = anyio.create_memory_object_stream["_Batch"](0)
        give_page, to_batch = anyio.create_memory_object_stream["list[StoredEntry]"](1)
        land, to_land = anyio.create_memory_object_stream["None"](0)
        reader.narrow(_AHEAD)
        source = _MemberSource(reader, position, self._blocks)
        unlanded = Unlanded()
        write_all = partial(self._write_all, placer, unlanded, damaged)
        failure: GlacierError | None = None
        with first_cause():
            async with anyio.create_task_group() as tasks, give, to_batch:
                for _ in range(_WRITERS):
                    tasks.start_soon(write_all, to_write.clone(), land.clone())
                to_write.close()
                land.close()
                tasks.start_soon(self._land_all, to_land, placer, unlanded)
                tasks.start_soon(_read_ahead, pages, give_page)
                try:
                    async for start, stop, entries in _batches(to_batch):
                        await self._read(source, start, stop, entries, give)
                except GlacierError as error:
                    failure = error
                finally:
                    source.forget()
        if failure is not None:  # what was read before is in its place
            raise failure

    async def _read(
        self,
        source: _MemberSource,
        start: int,
        stop: int,
        entries: list[Entry],
        give: MemoryObjectSendStream[_Batch],
    ) -> None:
        source.pass_over(start)
        await self._room.enter(stop - start)  # the thread that writes them leaves
        try:
            before = source.position
            lease = await source.read(start, stop)
            try:
                self._progress.fetched += source.position - before
                await give.send((start, stop, lease, entries))
            except BaseException:
                lease.let_go()
                raise
        except BaseException:
            self._room.leave(stop - start)
            raise

    async def _write_all(
        self,
        placer: Placer,
        unlanded: Unlanded,
        damaged: dict[bytes, int] | None,
        take: MemoryObjectReceiveStream[_Batch],
        land: MemoryObjectSendStream[None],
    ) -> None:
        async with take, land:
            with closing(await run_in_thread(placer.twin)) as writer:
                async for start, stop, lease, entries in take:
                    try:
                        write = partial(self._write, start, lease.data, entries, writer)
                        failures = await run_in_thread(write)
                    finally:
                        lease.let_go()
                        del lease, write  # or a large one would stay until the next one comes
                        self._room.leave(stop - start)
                    self._note_failures(failures, damaged, entries)
                    unlanded.add(writer.take_written())
                    is_disk_idle = land.statistics().tasks_waiting_receive > 0
                    if unlanded.is_overdue or (is_disk_idle and unlanded.is_due):
                        await land.send(None)

    def _note_failures(
        self, failures: Sequence[PathFailure], damaged: dict[bytes, int] | None, entries: Sequence[Entry]
    ) -> None:
        if not failures:
            return
        positions = {self._version.paths_of(entry)[0]: entry.position or 0 for entry in entries}
        for path, error in failures:
            if damaged is not None and isinstance(error, IntegrityError):
                damaged[path] = positions[path]
            else:
                self._progress.failures.add(path, error)

    async def _land_all(
        self, take: MemoryObjectReceiveStream[None], placer: Placer, unlanded: Unlanded
    ) -> None:
        """Put files on disk, and with them the names of those before."""
        named: list[Placed] = []
        give, to_name = anyio.create_memory_object_stream["list[Written]"](0)
        async with take, anyio.create_task_group() as tasks, give:
            tasks.start_soon(self._name_all, to_name, placer, named)
            async for _ in take:
                await self._land(placer, unlanded, named, give)
            await self._land(placer, unlanded, named, give)
        if named:
            await self._sync(placer, named)

    async def _land(
        self,
        placer: Placer,
        unlanded: Unlanded,
        named: list[Placed],
        give: MemoryObjectSendStream[list[Written]],
    ) -> None:
        if written := unlanded.take():
            await self._sync(placer, named)
            await give.send(written)

    async def _sync(self, placer: Placer, named: list[Placed]) -> None:
        on_disk = named[:]  # those that get their names meanwhile wait for the next call
        named.clear()
        await run_in_thread(placer.sync)
        self._progress.note_placed(on_disk)

    async def _name_all(
        self, take: MemoryObjectReceiveStream[list[Written]], placer: Placer, named: list[Placed]
    ) -> None:
        async with take:
            with closing(await run_in_thread(placer.twin)) as namer:
                async for written in take:
                    named += await run_in_thread(partial(namer.name_all, written))

    def _write(self, start: int, data: memoryview, entries: list[Entry], placer: Placer) -> list[PathFailure]:
        failures: list[PathFailure] = []
        failures += placer.write_files(self._contents(start, data, entries, failures))
        return failures

    def _contents(
        self, start: int, data: memoryview, entries: list[Entry], failures: list[PathFailure]
    ) -> Iterator[Content]:
        for entry in entries:
            path = self._version.paths_of(entry)[0]  # the other paths become hard links of it
            at = (entry.position or 0) - start
            try:
                content = member_content(entry, data[at : at + (entry.stored or 0)], self._identities)
            except GlacierError as error:
                failures.append(PathFailure(path, error))
            else:
                yield tuple.__new__(Content, (entry, path, content))

    async def deliver_file(self, asked: AskedBytes, stored: StoredEntry, placer: Placer) -> None:
        """Put a file that is an archive of its own into its place, in parallel and resumable."""
        path = self._version.paths_of(stored.entry)[0]
        try:
            await self._deliver_file(asked, stored, path, placer)
        except (OSError, TargetError) as error:
            cause = error.__cause__ if isinstance(error, TargetError) else error
            if not isinstance(cause, OSError):
                raise
            self._progress.failures.add(path, as_target_error(path, cause))  # not by its path below /proc
            return
        self._progress.done(stored.entry.size)

    async def _deliver_file(
        self, asked: AskedBytes, stored: StoredEntry, path: bytes, placer: Placer
    ) -> None:
        entry = stored.entry
        folder, way, name = await run_in_thread(partial(placer.open_big, path))
        try:
            # It is decrypted beside its place, and only then named.
            fetched = name if entry.encryption is None else name + b".age"
            download = await asked.prepare_download(f"{way}/{os.fsdecode(fetched)}")
            await download.run()
            self._progress.fetched += stored.archive_size
            if fetched != name:
                identities = self._identities
                await run_in_thread(partial(unseal_file, folder, fetched, name, entry, identities))
            await run_in_thread(partial(placer.place_big, entry, path, folder))
        finally:
            os.close(folder)


async def _read_ahead(
    pages: AsyncIterator[list[StoredEntry]], give: MemoryObjectSendStream[list[StoredEntry]]
) -> None:
    """Read records a page ahead."""
    async with give:
        with suppress(anyio.BrokenResourceError):  # the bundle could not be read any further
            async for page in pages:
                await give.send(page)


async def _batches(pages: AsyncIterator[list[StoredEntry]]) -> AsyncIterator[tuple[int, int, list[Entry]]]:
    """Yield members that are read together, with the position of the first byte and of the end."""
    batch: list[Entry] = []
    start = end = 0
    async for page in pages:
        for stored in page:
            entry = stored.entry
            begins = entry.position or 0
            ends = begins + (entry.stored or 0)
            is_full = len(batch) >= _MEMBERS_AT_ONCE or ends - start > _BYTES_AT_ONCE
            if batch and (is_full or begins - end > _GAP):
                yield start, end, batch
                batch = []
            if not batch:
                start = end = begins
            batch.append(entry)
            end = max(end, ends)
    if batch:
        yield start, end, batch


class _MemberSource:
    """The bytes of a bundle in order; the last read can be repeated.

    Two paths with the same content are one member, and may come in two batches.

    Attributes:
        position: Where in the bundle the reader is.
    """

    def __init__(self, reader: ArchiveReader, position: int, blocks: Blocks) -> None:
        self.position = position
        self._reader = reader
        self._blocks = blocks
        self._last: Lease | None = None

    def forget(self) -> None:
        """Keep nothing of the last read."""
        if self._last is not None:
            self._last.let_go()
            self._last = None

    def pass_over(self, start: int) -> None:
        """Keep nothing of the last read that lies before ``start``, while the next one waits for room."""
        if start >= self.position:
            self.forget()

    async def read(self, start: int, stop: int) -> Lease:
        """Return the bytes from ``start`` to ``stop``, fewer where the bundle ends; to be let go of."""
        while start > self.position and (block := await self._reader.read(min(start - self.position, MIB))):
            self.position += len(block)
        again = self._last.data[start - self.position :] if start < self.position and self._last else b""
        lease = self._blocks.lend(max(len(again), stop - start))
        data = lease.data
        try:
            data[: len(again)] = again
            self.forget()  # or three runs would be in memory
            filled = len(again)
            while filled < len(data) and (count := await self._reader.readinto(data[filled:])):
                filled += count
                self.position += count
        except BaseException:
            lease.let_go()
            raise
        lease.data = data[:filled]
        lease.hold()
        self._last = lease
        return lease
