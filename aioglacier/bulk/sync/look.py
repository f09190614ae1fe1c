"""The first stage of a ``sync``: scan the folder, compare it with the catalog, and hand out changes.

It runs in a thread. Changes of small files go to the packers in batches, and big files one by one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.from_thread
import anyio.lowlevel

from aioglacier.bulk.filters import NamedPaths, make_filter
from aioglacier.bulk.sync.compare import Change, Comparison
from aioglacier.bulk.sync.scan import SPECIAL_KINDS, Scan
from aioglacier.core.errors import SourceUnreadableError
from aioglacier.core.limits import MIB
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anyio.streams.memory import MemoryObjectSendStream

    from aioglacier.bulk.path_failures import PathFailures
    from aioglacier.bulk.sync.plan import SyncOptions, SyncSnapshot
    from aioglacier.catalog.folders.entries import Entries
    from aioglacier.catalog.folders.entry_records import TreeRecord

#: The limits of one batch: large enough that handing over costs little, small enough to hold in memory.
_CHANGES_AT_ONCE: Final = 256
_BYTES_AT_ONCE: Final = 4 * MIB

#: The first batches are small, so that the upload begins at once.
_CHANGES_AT_FIRST: Final = 8


@dataclass(slots=True)
class _Batch:
    changes: list[Change] = field(default_factory=list)
    size: int = 0
    limit: int = _CHANGES_AT_FIRST


class FolderLook:
    """One scan of a folder, compared with the catalog.

    Attributes:
        scan: The scan of the folder.
        comparison: The comparison, once it has begun.
        is_looking: Whether the scan goes on.
        kept: Changed files and links that were on record and still exist.
    """

    def __init__(self, root: str, options: SyncOptions, entries: Entries) -> None:
        self._root = root
        self._options = options
        self._entries = entries
        self._filter = make_filter(options.exclude, options.include, only=options.only)
        self._is_stopped = False
        self.scan = Scan(os.fsencode(root), self._filter, options.rules)
        self.comparison: Comparison | None = None
        self.is_looking = True
        self.kept = 0

    def stop(self) -> None:
        """Hand out nothing more."""
        self._is_stopped = True

    async def run(
        self,
        tree: TreeRecord,
        counters: SyncSnapshot,
        to_packers: MemoryObjectSendStream[list[Change]],
        to_files: MemoryObjectSendStream[Change],
    ) -> None:
        """Scan everything, and hand out what has changed."""
        batch = _Batch()

        def give(change: Change) -> None:
            if self._is_stopped:
                raise _Stopped
            found = change.found
            if found is not None:
                counters.changed += 1
                counters.changed_size += found.size
                was_there = change.known is not None or change.is_lost
                self.kept += was_there and found.kind != "directory"
                if found.kind == "file" and found.size > self._options.largest_member:
                    anyio.from_thread.run(to_files.send, change)  # waits for a task that has no file
                    return
                if batch.changes and batch.size + found.size > _BYTES_AT_ONCE:
                    send()
                batch.size += found.size
            batch.changes.append(change)
            if len(batch.changes) >= batch.limit or batch.size >= _BYTES_AT_ONCE:
                send()

        def send() -> None:
            changes, batch.changes, batch.size = batch.changes, [], 0
            batch.limit = min(2 * batch.limit, _CHANGES_AT_ONCE)
            anyio.from_thread.run(to_packers.send, changes)  # waits for a packer, which bounds the memory

        def look() -> None:
            with suppress(_Stopped):
                self.compare(tree, give)
            if batch.changes:
                send()

        async with to_packers, to_files:
            try:
                await run_in_thread(look)
            except anyio.BrokenResourceError:
                # Those that take the changes have ended. If the run is being stopped, this ends here, too.
                await anyio.lowlevel.checkpoint()
                raise
            self.is_looking = False

    def compare(self, tree: TreeRecord | None, give: Callable[[Change], None]) -> None:
        """Scan and compare, in a thread; without a tree everything is new."""
        self.comparison = comparison = Comparison(
            self.scan,
            self._known(tree) if tree is not None else iter(()),
            path_filter=self._filter,
            is_thorough=self._options.is_thorough,
        )
        shard = self._options.shard
        for change in comparison:
            if shard.count == 1 or shard.has(_key_of(change)):
                give(change)

    def _known(self, tree: TreeRecord) -> Iterator[Sequence[Any]]:
        """Yield the records, page by page, in a thread."""
        last: bytes | None = None
        while page := anyio.from_thread.run(self._entries.current_page, tree, last):
            if self._is_stopped:
                raise _Stopped
            yield from page
            last = page[-1][0]

    def list_failures(self, failures: PathFailures) -> None:
        """Add paths that could not be read, that do not exist, or of a kind that is not archived."""
        shard = self._options.shard  # the other shards report their own
        for path in sorted(self._filter.unmet) if isinstance(self._filter, NamedPaths) else ():
            if shard.has(path):
                name = os.fsdecode(path)
                message = f"{name!r} is neither in the folder nor on record"
                failures.add(path, SourceUnreadableError(message, path=name))
        for failure in self.scan.failures:
            if not shard.has(failure.path):
                continue
            name = os.fsdecode(failure.path) or self._root
            message = f"{name!r} cannot be looked at: {failure.reason}"
            failures.add(failure.path, SourceUnreadableError(message, path=name, errno=failure.errno))
        for path in filter(shard.has, self.scan.misdated):
            name = os.fsdecode(path)
            message = f"{name!r} has a date outside of 1677 to 2262, and is archived with the nearest one"
            failures.add(path, SourceUnreadableError(message, path=name))
        for path, kind in self.comparison.skipped if self.comparison else ():
            if not shard.has(path):
                continue
            name = os.fsdecode(path)
            message = f"{name!r} is a {SPECIAL_KINDS[kind]} and is not archived; exclude it to accept that"
            failures.add(path, SourceUnreadableError(message, path=name))


def _key_of(change: Change) -> bytes:
    """Return the path that decides which shard records a change; a hard link goes with its file."""
    found = change.found or change.known
    assert found is not None  # noqa: S101  # a change has one of them
    return found.target if found.kind == "hardlink" and found.target is not None else found.path


class _Stopped(Exception):  # noqa: N818  # it ends the scan, and is no error
    """Ends the scan once nothing more is to be handed out."""
