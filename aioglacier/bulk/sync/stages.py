"""The stages of a ``sync``: scan, pack, bundle, and upload big files.

Stages are tasks, joined by streams, so that the slowest sets the pace. The scan runs in a thread; packers
read files in threads; one task writes bundles; big files go by themselves, several at once. To bound memory,
what is being packed, and what is packed and not yet written into a part, share one ``Room``. With other
processes, most small files go to them: see ``bundle_run``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.from_thread

from aioglacier.bulk.path_failures import PathFailures
from aioglacier.bulk.sync.big_files import BigFiles
from aioglacier.bulk.sync.bundle import Bundling
from aioglacier.bulk.sync.compare import Change
from aioglacier.bulk.sync.look import FolderLook
from aioglacier.bulk.sync.packing import Packer
from aioglacier.bulk.sync.plan import SyncSnapshot
from aioglacier.bulk.sync.scan import open_top
from aioglacier.bulk.sync.stored_contents import StoredContents, touch
from aioglacier.core.limits import KIB, MIB
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.room import Room
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from aioglacier.bulk.places.folder_place import FolderPlace
    from aioglacier.bulk.sync.bundle_run import BundleSpreader
    from aioglacier.bulk.sync.compare import Known
    from aioglacier.bulk.sync.packing import Packed
    from aioglacier.bulk.sync.plan import SyncOptions
    from aioglacier.catalog.folders.entry_records import RunNumber, TreeRecord

_PACKERS: Final = 2
_BIG_FILES_AT_ONCE: Final = 3

#: Bytes packed ahead: a part of a bundle is sent in the time in which so much is packed. It holds the largest
#: member and a batch of small ones.
_ROOM: Final = 20 * MIB

#: Batches packed ahead: those of folders and links have records, but no bytes.
_BATCHES: Final = 16

#: A small file takes as much CPU as the parts of so many bytes of a large one.
_WORTH_OF_A_PATH: Final = 64 * KIB


class Stages:
    """The stages of one ``sync``, to be run once.

    Attributes:
        look: The scan.
        bundling: The bundles.
        counters: The progress, without what ``snapshot`` adds.
        failures: Paths that could not be archived.
        gone: Paths on record that are gone from the folder.
    """

    def __init__(self, place: FolderPlace, root: str, options: SyncOptions) -> None:
        self._context = context = place.context
        self._root = root
        runner = context.resources.runner
        least = options.largest_member if runner is None else 1
        self._stored = StoredContents(context, options.recipients, least=least)
        self._stoppable = anyio.CancelScope()
        self._room = Room(_ROOM)
        self.counters = SyncSnapshot()
        self.failures = PathFailures()
        self.gone: list[Known] = []
        self.look = FolderLook(root, options, context.catalog.entries)
        self.bundling = Bundling(place, options, self.counters, self._room)
        self._big_files = BigFiles(
            place, root, options.recipients, self._stored, self.counters, self.failures
        )
        self._spreader: BundleSpreader | None = None
        if runner is not None:
            from aioglacier.bulk.sync.bundle_run import BundleSpreader  # noqa: PLC0415  # few need it

            self._spreader = BundleSpreader(
                runner, root, self.bundling, self._stored, self.counters, self._record
            )

    @property
    def is_draining(self) -> bool:
        """Whether the run was asked to stop."""
        return self._stoppable.deadline < float("inf")

    def snapshot(self) -> SyncSnapshot:
        """Return the counters now."""
        counters, comparison, bundle = self.counters, self.look.comparison, self.bundling.bundle
        return replace(
            counters,
            looked_at=comparison.looked_at if comparison else 0,
            looked_at_size=comparison.size if comparison else 0,
            is_looking=self.look.is_looking,
            unchanged=comparison.unchanged if comparison else 0,
            failed=self.failures.count,
            requests=counters.requests + (bundle.requests if bundle else 0),
            sent=counters.sent + self._big_files.moved() + (bundle.writer.snapshot().moved if bundle else 0),
            current=self._big_files.current(),
            workers=self._spreader.workers if self._spreader is not None else 0,
        )

    def drain(self, seconds: float) -> None:
        """Scan nothing more, and finish the archives under way within so many seconds."""
        self.look.stop()
        self._stoppable.deadline = min(self._stoppable.deadline, anyio.current_time() + seconds)
        self._big_files.drain(seconds)

    def are_most_gone(self) -> bool:
        """Return whether more files are gone from the folder than are still there and were on record."""
        comparison = self.look.comparison
        assert comparison is not None  # noqa: S101  # the scan is over
        files = sum(known.kind != "directory" for known in self.gone)
        kept = comparison.unchanged - comparison.unchanged_folders + self.look.kept
        return files - self._stored.linked > kept  # a linked file was renamed, and is not really gone

    async def run(self, tree: TreeRecord, run: RunNumber) -> None:
        """Archive all changes. If ``drain`` was called, it ends early."""
        fd = await run_in_thread(partial(open_top, os.fsencode(self._root)))
        try:
            pinned = f"/proc/self/fd/{fd}"  # this folder, even if a link takes its place meanwhile
            top = pinned if await run_in_thread(partial(os.path.isdir, pinned)) else self._root
            self.look.scan.root, self._big_files.top = os.fsencode(top), top
            with first_cause(), self._stoppable:
                await self._run(tree, run, os.fsencode(top))
        finally:
            os.close(fd)

    async def _run(self, tree: TreeRecord, run: RunNumber, top: bytes) -> None:
        to_packers, from_look = anyio.create_memory_object_stream[list[Change]](0)
        to_bundle, from_packers = anyio.create_memory_object_stream["Packed"](_BATCHES)
        to_files, big_files = anyio.create_memory_object_stream[Change](0)
        async with anyio.create_task_group() as stages:
            stages.start_soon(self.look.run, tree, self.counters, to_packers, to_files)
            if self._spreader is not None:
                to_here, for_here = anyio.create_memory_object_stream[list[Change]](0)
                to_workers, for_workers = anyio.create_memory_object_stream[list[Change]](0)
                stages.start_soon(
                    self._divide, self._spreader.runner.smallest, from_look, to_here, to_workers
                )
                stages.start_soon(self._spreader.pack_all, tree, run, for_workers)
                from_look = for_here
            for _ in range(_PACKERS):
                stages.start_soon(self._pack_all, tree, run, top, from_look.clone(), to_bundle.clone())
            for _ in range(_BIG_FILES_AT_ONCE):
                stages.start_soon(self._big_files.upload_all, tree, run, big_files.clone())
            stages.start_soon(self.bundling.run, tree, run, from_packers)
            for stream in (from_look, to_bundle, big_files):
                stream.close()  # the clones are at work; an original would keep its reader waiting

    async def _divide(
        self,
        smallest: int,
        take: MemoryObjectReceiveStream[list[Change]],
        to_here: MemoryObjectSendStream[list[Change]],
        to_workers: MemoryObjectSendStream[list[Change]],
    ) -> None:
        """Give changes to the packers here, until so much has changed that other processes pay."""
        size = 0
        async with take, to_here, to_workers:
            async for changes in take:
                size += sum(found.size + _WORTH_OF_A_PATH for found, _, _ in changes if found is not None)
                await (to_here if size < smallest else to_workers).send(changes)

    async def _pack_all(
        self,
        tree: TreeRecord,
        run: RunNumber,
        top: bytes,
        take: MemoryObjectReceiveStream[list[Change]],
        give: MemoryObjectSendStream[Packed],
    ) -> None:
        packer = Packer(
            top,
            tree=tree.number,
            run=run,
            encode=self.bundling.make_encoder(),
            compression=self.bundling.compression,
            encryption=self.bundling.encryption,
            find_content=lambda wanted: anyio.from_thread.run(self._stored.find, wanted),
        )
        try:
            async with take, give:
                async for changes in take:
                    room = sum(found.size for found, _, _ in changes if found is not None)
                    await self._room.enter(room)
                    packed = await run_in_thread(partial(packer.pack, changes))
                    packed.room = room
                    await self._record(packed)
                    if packed.entries:
                        await give.send(packed)
                    else:
                        self._room.leave(room)
                    del packed  # or it stays in memory until the next one is packed
        finally:
            packer.close()

    async def _record(self, packed: Packed) -> None:
        """Record the paths whose content need not be sent."""
        for failed in packed.failed:
            self.failures.add(*failed)
        entries = self._context.catalog.entries
        await entries.add([*await touch(entries, packed.touched), *packed.linked])
        self.gone += packed.gone
        self.counters.removed += len(packed.gone)
        self.counters.recorded += len(packed.touched) + len(packed.linked)
        self._stored.linked += len(packed.linked)
