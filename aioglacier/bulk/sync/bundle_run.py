"""Packing bundles in other processes: each reads the paths that it is given, and sends one bundle of them.

This process, the coordinator, scans, compares, decides and records. It begins the upload of a bundle, and a
worker reads the files, packs them, and sends members, index and trailer. The answer has the records of the
members. The coordinator records them before it forgets the task, and completes the upload; then they count.

Where the place has contents already, there are two tasks. The first reads and returns records with hashes;
the coordinator points to what is stored, and gives only the rest to the second one. A file that changes
between the two is packed as the second one finds it, with the facts and the hash of that reading.

A bundle that is packed a second time may differ: a file may have changed, and encryption gives other bytes
each time. So a worker that finds parts of a former attempt sends nothing, and the coordinator begins another
upload. Should two attempts send side by side, the hash of the whole archive at the completion tells it.
"""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from aioglacier.bulk.formats.age import Recipients, sealing_encoder
from aioglacier.bulk.formats.zstd import compressor
from aioglacier.bulk.sync.bundle import BundleIndex, encode_end
from aioglacier.bulk.sync.packing import Packed, Packer
from aioglacier.bulk.sync.stored_contents import point_to
from aioglacier.core.errors import InvalidParameterError, UploadFailedError
from aioglacier.core.limits import MIB
from aioglacier.core.spending import Charge, budgets
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.resources import TASK_VERSION
from aioglacier.transfer.spreading import Spreader
from aioglacier.transfer.upload.part_run import RunStore, UploadLook, charge_parts, has_parts
from aioglacier.transfer.upload.writer import ArchiveWriter, UploadOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from anyio.streams.memory import MemoryObjectReceiveStream

    from aioglacier.bulk.sync.bundle import BundleWriter, Bundling
    from aioglacier.bulk.sync.compare import Change
    from aioglacier.bulk.sync.plan import SyncSnapshot
    from aioglacier.bulk.sync.stored_contents import StoredContents
    from aioglacier.catalog.folders.entry_records import BundleRecord, Entry, RunNumber, TreeRecord
    from aioglacier.core.models import UploadId
    from aioglacier.files.shared import SharedFolder
    from aioglacier.transfer.resources import Runner, Tools
    from aioglacier.transfer.store import Destination, PartDone
    from aioglacier.transfer.upload.engine import UploadEngine

#: Paths of one bundle, at most: a task and its answer have some 200 bytes for each.
_MOST_PATHS: Final = 16_384

#: Bytes of one bundle, at least: smaller ones at the end of a folder would cost more requests than they win.
_LEAST_SIZE: Final = 64 * MIB

#: The limits of what one thread reads before the bytes go on.
_PATHS_AT_ONCE: Final = 256
_BYTES_AT_ONCE: Final = 4 * MIB

_ATTEMPTS: Final = 3


class BundleTarget(NamedTuple):
    """The upload of a bundle that the coordinator has begun.

    Attributes:
        destination: The place.
        upload_id: The upload.
        part_size: Its part size.
        record: The record of the bundle, without members.
    """

    destination: Destination
    upload_id: UploadId
    part_size: int
    record: BundleRecord


class BundleRun(NamedTuple):
    """Read paths of a folder, and send them as one bundle.

    Attributes:
        folder: The folder.
        tree: Its record.
        run: The run of the coordinator.
        changes: The paths, none of which is gone.
        target: The upload; ``None`` to return records with hashes only.
        recipients: The public keys to encrypt to.
        version: See ``TASK_VERSION``.
    """

    folder: SharedFolder
    tree: TreeRecord
    run: RunNumber
    changes: tuple[Change, ...]
    target: BundleTarget | None
    recipients: tuple[str, ...] = ()
    version: int = TASK_VERSION

    @property
    def title(self) -> str:
        """See ``Task``."""
        what = "pack" if self.target is not None else "look-at"
        return f"{what}-{len(self.changes)}-paths-of-{self.folder.path.rpartition('/')[2]}"

    @property
    def shared(self) -> SharedFolder:
        """See ``Task``."""
        return self.folder

    async def perform(self, tools: Tools) -> BundleDone:
        """See ``Task``."""
        began = time.monotonic()
        target = self.target
        if target is None:
            looked = Packed()
            async for some in self._read(None):
                _gather(looked, some, some.entries)
            return BundleDone(looked, None, (), 0, time.monotonic() - began)
        if await has_parts(tools, target.destination, target.upload_id):
            return BundleDone(None, None, (), 0, time.monotonic() - began)
        resources = await tools.resources()
        store = RunStore(await tools.store(target.destination, target.part_size), target.part_size)
        packed, record = Packed(), target.record

        async def feed(engine: UploadEngine[object]) -> None:
            nonlocal record
            writer = ArchiveWriter(engine, UploadOptions(target.destination.name))
            try:
                record = await self._write(writer, target.record, packed)
                writer.end_run()
            finally:
                writer.release()

        await store.send(target.upload_id, 0, None, resources, feed)
        done = store.done()
        return BundleDone(packed, record, done.parts, done.requests, time.monotonic() - began)

    async def _write(
        self, writer: ArchiveWriter[object], record: BundleRecord, packed: Packed
    ) -> BundleRecord:
        """Write members, index and trailer; return the record with them. Nothing is sent without members."""
        async for some in self._read(record):
            placed = some.placed(record, writer.position)
            await writer.writelines(some.blocks)
            _gather(packed, some, placed)
        if not packed.entries:
            return record
        start = writer.position
        pages, hasher = await run_in_thread(partial(self._make_index, record, packed.entries)), sha256()
        for page in pages:
            hasher.update(page)
            await writer.write(page)
        record = replace(
            record,
            members=len(packed.entries),
            content_size=packed.size,
            index_position=start,
            index_size=writer.position - start,
        )
        await writer.write(encode_end(record, hasher.digest()[:16], self.tree))
        return record

    def _make_index(self, record: BundleRecord, entries: Sequence[Entry]) -> list[bytes]:
        index = BundleIndex(record, self._keys())
        index.add(entries)
        index.end_page()
        return index.take()

    def _keys(self) -> Recipients | None:
        return Recipients(self.recipients) if self.recipients else None

    async def _read(self, record: BundleRecord | None) -> AsyncIterator[Packed]:
        """Read some paths after the other; with a record, pack them as it says."""
        encode = compressor() if record is not None and record.compression else None
        keys = self._keys() if record is not None else None
        if keys is not None:
            encode = sealing_encoder(keys, encode, itertools.count(1))
        packer = await run_in_thread(
            partial(
                Packer,
                os.fsencode(self.folder.path),
                tree=self.tree.number,
                run=self.run,
                encode=encode,
                compression=record.compression if record is not None else None,
                encryption=record.encryption if record is not None else None,
            )
        )
        read = packer.look if record is None else packer.pack
        try:
            for changes in _batches(self.changes):
                yield await run_in_thread(partial(read, changes))
        finally:
            packer.close()


class BundleDone(NamedTuple):
    """The answer to a ``BundleRun``.

    Attributes:
        packed: The records, without bytes; ``None`` if the upload has parts of a former attempt.
        record: The record of the bundle; ``None`` if nothing was to be sent.
        parts: The parts that were sent.
        requests: Requests that are billed, repetitions included.
        seconds: From the start of the task to its end.
    """

    packed: Packed | None
    record: BundleRecord | None
    parts: tuple[PartDone, ...]
    requests: int
    seconds: float


class _Path(NamedTuple):
    """A change with the bytes that it takes in a bundle, about."""

    change: Change
    size: int


class BundleSpreader(Spreader):
    """Gives out the small files of one folder."""

    def __init__(
        self,
        runner: Runner,
        root: str,
        bundling: Bundling,
        stored: StoredContents,
        counters: SyncSnapshot,
        record: Callable[[Packed], Awaitable[None]],
    ) -> None:
        """``record`` records paths that need no member."""
        super().__init__(runner)
        self._root = root
        self._bundling = bundling
        self._stored = stored
        self._counters = counters
        self._record = record
        self._folder: SharedFolder | None = None
        self._is_checked = False
        self._checking = anyio.Lock()

    async def pack_all(
        self, tree: TreeRecord, run: RunNumber, take: MemoryObjectReceiveStream[list[Change]]
    ) -> None:
        """Have all changes packed that come.

        Raises:
            NotSharedError: The folder is not the same one in every process.
            ClusterError: A process cannot see an upload. Nothing was sent.
            WorkerDiedError: The processes were lost. What was recorded is not sent again.
            GlacierError: A bundle could not be sent.
        """

        async def do(paths: Sequence[_Path]) -> float:
            return await self._do(tree, run, [path.change for path in paths])

        async with take:
            paths, most = self._paths(take), self._bundling.size
            await self.give_items(paths, do, least=_LEAST_SIZE, most=most, window_items=_MOST_PATHS)

    async def _paths(self, take: MemoryObjectReceiveStream[list[Change]]) -> AsyncIterator[_Path]:
        async for changes in take:
            gone = [each.known for each in changes if each.found is None and each.known is not None]
            if gone:
                await self._record(Packed(gone=gone))
            for change in changes:
                if (found := change.found) is not None:
                    if self._folder is None:  # there is work
                        self._folder = await self.check_folder(self._root)
                    yield _Path(change, 512 + found.size)

    async def _do(self, tree: TreeRecord, run: RunNumber, changes: Sequence[Change]) -> float:
        """Archive some paths; return the seconds that workers took."""
        seconds = 0.0
        unsure = [
            each
            for each in changes
            if each.found is not None
            and each.found.kind == "file"
            and each.found.size
            and await self._stored.may_have(each.found.size)
        ]
        if unsure:
            stored, seconds = await self._find_stored(tree, run, unsure)
            changes = [each for each in changes if each.found is None or each.found.path not in stored]
        for _ in range(_ATTEMPTS if changes else 0):
            async with self._bundling.open(tree, run) as bundle:
                try:
                    done = await self._send(tree, run, changes, bundle)
                except BaseException:
                    if not bundle.record.members:  # there is no answer that counts them
                        self._bundling.given_up += len(changes)
                    raise
                finally:
                    self._bundling.count(bundle)
                if done is not None:
                    return seconds + done
            await bundle.drop_taken()  # after the abort: the record leads to an upload that is still open
        if changes:
            self._bundling.given_up += len(changes)
            raise UploadFailedError(
                f"a bundle of {len(changes)} paths was packed {_ATTEMPTS} times, because workers died or two "
                "of them sent it; run again to continue"
            )
        return seconds

    async def _find_stored(
        self, tree: TreeRecord, run: RunNumber, changes: Sequence[Change]
    ) -> tuple[set[bytes], float]:
        """Record the files that need not be sent; return their paths, and the seconds of the worker."""
        assert self._folder is not None  # noqa: S101  # there are paths
        ended: set[bytes] = set()
        seconds = 0.0

        async def take(done: BundleDone) -> None:
            nonlocal ended, seconds
            packed = done.packed
            assert packed is not None  # noqa: S101  # there is no upload that could have parts
            entries, packed.entries = packed.entries, []
            stored = await self._stored.find(
                [(each.size, each.content_hash) for each in entries if each.size and each.content_hash]
            )
            for entry in entries:
                content = stored.get((entry.size, entry.content_hash)) if entry.content_hash else None
                if content is not None:
                    packed.linked.append(point_to(entry, content))
            await self._record(packed)
            done_paths = {each.entry.path for each in packed.touched} | {each.path for each in packed.linked}
            ended = done_paths | {each.path for each in packed.failed}
            seconds = done.seconds

        await self.runner.run(BundleRun(self._folder, tree, run, tuple(changes), None), take)
        return ended, seconds

    async def _send(
        self, tree: TreeRecord, run: RunNumber, changes: Sequence[Change], bundle: BundleWriter
    ) -> float | None:
        """Have a bundle sent, and make it; return the worker's seconds, ``None`` to pack it again."""
        assert self._folder is not None  # noqa: S101  # there are paths
        writer = bundle.writer
        assert writer.upload_id is not None  # noqa: S101  # it is begun
        target = BundleTarget(writer.destination, writer.upload_id, writer.part_size, bundle.record)
        await self._check(UploadLook(target.destination, target.upload_id))
        operation = "UploadMultipartPart" if target.destination.key is None else "UploadPart"
        size = sum(each.found.size + 512 for each in changes if each.found is not None)
        expected = -(-size // target.part_size)
        charge_parts(operation, expected, size)  # the worker tells how many there were in the end
        if target.destination.key is not None:
            for budget in budgets():
                budget.charge("ListParts", Charge(lists=1))
        answers: list[BundleDone] = []

        async def take(done: BundleDone) -> None:
            answers.append(done)
            charge_parts(operation, done.requests - expected)
            packed = done.packed
            if packed is None or done.record is None:
                return
            entries, packed.entries = packed.entries, []
            await bundle.take(done.record, entries, done.parts)

        task = BundleRun(self._folder, tree, run, tuple(changes), target, self._bundling.recipients)
        await self.runner.run(task, take)
        (done,) = answers
        if done.packed is None:
            return None
        if done.parts:
            try:
                await bundle.finish_taken()
            except InvalidParameterError:  # parts of two attempts are mixed, and their hash is another one
                bundle.record = replace(bundle.record, members=0)  # none is given up
                return None
            self._counters.archived += bundle.record.members
            self._counters.archived_size += bundle.record.content_size
        await self._record(done.packed)  # not before: a second attempt finds the same again
        return done.seconds

    async def _check(self, look: UploadLook) -> None:
        """Let every process look once, as a look at a bucket is a request that is billed."""
        async with self._checking:
            if not self._is_checked:
                await self.runner.check(look)
                self._is_checked = True


def _gather(packed: Packed, some: Packed, entries: Sequence[Entry]) -> None:
    """Add what was read to the answer, without its bytes."""
    packed.entries += entries
    packed.touched += some.touched
    packed.failed += some.failed
    packed.size += some.size


def _batches(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Yield changes in groups that one thread reads at once."""
    first = size = 0
    for number, (found, _, _) in enumerate(changes):
        more = found.size if found is not None else 0
        if number > first and (number - first >= _PATHS_AT_ONCE or size + more > _BYTES_AT_ONCE):
            yield changes[first:number]
            first, size = number, 0
        size += more
    if first < len(changes):
        yield changes[first:]
