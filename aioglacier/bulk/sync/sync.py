"""A folder to a vault: scan, comparison, packing and upload as one stream.

Stages are tasks, joined by streams without room, so that the slowest sets the pace and memory is what they
hold in their hands. The scan and the comparison run in a thread; packers read files in threads; one task
owns the bundle that is being written; big files go by themselves, several at once.
"""

from __future__ import annotations

import os
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.from_thread

from aioglacier.bulk.filters import make_filter
from aioglacier.bulk.formats.age import AGE, SealingCoder, numbers
from aioglacier.bulk.formats.zstd import ZstdCoder
from aioglacier.bulk.path_failures import PathFailure, PathFailures
from aioglacier.bulk.place import FolderPlace, outcome_of
from aioglacier.bulk.settling import settle_folder
from aioglacier.bulk.sync.big_files import BigFiles
from aioglacier.bulk.sync.bundle import BundleWriter, open_bundle
from aioglacier.bulk.sync.compare import Change, Comparison
from aioglacier.bulk.sync.pacing import Patience
from aioglacier.bulk.sync.packing import Packer
from aioglacier.bulk.sync.plan import Planning, SyncOptions, SyncPlan
from aioglacier.bulk.sync.scan import Scan, open_top
from aioglacier.bulk.sync.touching import touch
from aioglacier.catalog.folders.entries import Expense
from aioglacier.core.errors import ConfigurationError, SourceUnreadableError, VaultNotFoundError
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.see_through import GRACE_SECONDS
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.formats.coder import Coder
    from aioglacier.bulk.pricing import Prices
    from aioglacier.bulk.sync.packing import Packed
    from aioglacier.catalog.folders.entries import Entries, RunNumber, TreeRecord
    from aioglacier.client.vault import Vault
    from aioglacier.core.errors import OutcomeUnknownError

#: What one trip between stages carries: enough that trips cost little, little enough to be held in the hands.
_CHANGES_AT_ONCE: Final = 256
_BYTES_AT_ONCE: Final = 4 * 1024 * 1024

#: The first changes do not wait for many more to come, so that the upload begins at once.
_CHANGES_AT_FIRST: Final = 8
_PATIENCE_SECONDS: Final = 0.25

_PACKERS: Final = 2
_BIG_FILES_AT_ONCE: Final = 3


@dataclass(frozen=True, slots=True)
class SyncSnapshot:
    """How far a ``sync`` is, for a progress display to poll.

    Attributes:
        looked_at: Paths.
        looked_at_size: Bytes of the files among them.
        is_looking: Whether the scan goes on, so that totals are not known yet.
        unchanged: Paths that are as on record.
        changed: Paths that are not, as far as is known.
        changed_size: Bytes of the files among them.
        archived: Paths that were packed or uploaded; they count once their archive is made.
        archived_size: Their bytes.
        recorded: Paths of which only what is known of them was new.
        removed: Paths that are no more.
        failed: Paths that could not be archived.
        archives: Archives made.
        requests: Asked of the service, without repetitions.
        sent: Bytes handed to connections.
        current: Files on their way by themselves.
    """

    looked_at: int
    looked_at_size: int
    is_looking: bool
    unchanged: int
    changed: int
    changed_size: int
    archived: int
    archived_size: int
    recorded: int
    removed: int
    failed: int
    archives: int
    requests: int
    sent: int
    current: tuple[str, ...] = ()


@dataclass(slots=True)
class _Counters:
    changed: int = 0
    changed_size: int = 0
    archived: int = 0
    archived_size: int = 0
    recorded: int = 0
    removed: int = 0
    archives: int = 0
    requests: int = 0
    sent: int = 0


@dataclass(slots=True)
class _Batch:
    changes: list[Change] = field(default_factory=list)
    size: int = 0
    limit: int = _CHANGES_AT_FIRST
    begun: float = 0.0


class FolderSync:
    """One ``sync`` of one folder, to be run once; ``snapshot`` shows how far it is.

    Attributes:
        unknown: Archives of former runs of which nobody can tell yet whether they were made.
        given_up: Paths on their way to an archive that was aborted in the end; they go again next time.
    """

    def __init__(
        self,
        vault: Vault,
        directory: str | os.PathLike[str],
        options: SyncOptions | None = None,
        prices: Prices | None = None,
    ) -> None:
        self._failures = PathFailures()
        self.unknown: list[OutcomeUnknownError] = []
        self.given_up = 0
        self._options = options or SyncOptions()
        self._prices = prices
        self._place = FolderPlace(vault)
        self._root = os.path.realpath(os.fsdecode(directory))
        self._filter = make_filter(self._options.exclude, self._options.include)
        self._scan = Scan(os.fsencode(self._root), self._filter)
        self._comparison: Comparison | None = None
        self._is_looking = True
        self._counts = _Counters()
        self._bundle: BundleWriter | None = None
        self._big_files = BigFiles(self._place, self._root, self._failures.add, self._options.recipients)
        self._numbers = numbers()
        self._patience = Patience()
        self._is_draining = False
        self._stoppable = anyio.CancelScope()
        self._compression = "zstd" if self._options.compress else None

    @property
    def failures(self) -> list[PathFailure]:
        """Paths that could not be archived, each with its error; the first thousand."""
        return self._failures.kept

    def snapshot(self) -> SyncSnapshot:
        """The counters now."""
        counts, comparison, bundle = self._counts, self._comparison, self._bundle
        big = self._big_files
        return SyncSnapshot(
            looked_at=comparison.looked_at if comparison else 0,
            looked_at_size=comparison.size if comparison else 0,
            is_looking=self._is_looking,
            unchanged=comparison.unchanged if comparison else 0,
            changed=counts.changed,
            changed_size=counts.changed_size,
            archived=counts.archived + big.archived,
            archived_size=counts.archived_size + big.archived_size,
            recorded=counts.recorded + big.recorded,
            removed=counts.removed,
            failed=self._failures.count,
            archives=counts.archives + big.archived,
            requests=counts.requests + big.requests + (bundle.requests if bundle else 0),
            sent=counts.sent + big.moved() + (bundle.snapshot().moved if bundle else 0),
            current=big.current(),
        )

    async def run(self) -> SyncSnapshot:
        """Archive what is new or has changed, and record what is no more.

        It may be stopped or killed at any moment and run again: nothing is archived twice, and no more than
        one bundle is sent again. If cancelled, the bundle that is under way is aborted; ``drain`` stops it
        without that loss.

        Raises:
            VaultNotFoundError: There is no such vault; nothing is recorded then.
            UploadLockedError: Another process does the same.
            SourceUnreadableError: The folder itself cannot be read.
            GlacierError: What keeps the rest from being archived. Single files that cannot be are in
                ``failures`` instead.
        """
        place = self._place
        entries = place.catalog.entries
        await run_in_thread(self._check_top)
        async with place.catalog.lock_source(place.place, self._root):
            tree = await entries.open_tree(place.place, self._root)
            await _check_still_sealed(entries, tree, self._options.recipients, self._options.allows_plain)
            self.unknown = await settle_folder(place, tree)
            run = await entries.begin_run(tree, "sync", _settings(self._options))
            try:
                with first_cause(), self._stoppable:
                    await self._run(tree, run)
            except BaseException as error:
                with anyio.move_on_after(5, shield=True):
                    outcome = outcome_of(error)
                    await entries.end_run(
                        tree, run, counters=self._told(), outcome=outcome, spent=self._spent()
                    )
                    if isinstance(error, VaultNotFoundError):
                        await entries.forget(tree)
                raise
            if self._is_draining:
                await entries.end_run(
                    tree, run, counters=self._told(), outcome="stopped", spent=self._spent()
                )
                return self.snapshot()
            for failure in self._scan.failures:
                name = os.fsdecode(failure.path) or self._root
                self._failures.add(
                    failure.path,
                    SourceUnreadableError(
                        f"{name!r} cannot be looked at: {failure.reason}", path=name, errno=failure.errno
                    ),
                )
            for path, kind in self._comparison.skipped if self._comparison else ():
                name = os.fsdecode(path)
                self._failures.add(
                    path,
                    SourceUnreadableError(
                        f"{name!r} is a {kind} and is not archived; exclude it to say that this is fine",
                        path=name,
                    ),
                )
            await entries.end_run(tree, run, counters=self._told(), spent=self._spent())
        return self.snapshot()

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Look at nothing more, and make an archive of what is on its way, within so many seconds.

        ``run`` then returns, and the next one goes on. What could not be finished in time is aborted or, a
        big file, kept at the service. To be called on the event loop; calling it again can only shorten the
        time.
        """
        self._is_draining = True
        self._stoppable.deadline = min(self._stoppable.deadline, anyio.current_time() + seconds)
        self._big_files.drain(seconds)

    def _check_top(self) -> None:
        """Refuse what cannot be opened before anything is recorded of it."""
        os.close(open_top(os.fsencode(self._root)))

    async def plan(self) -> SyncPlan:
        """What ``run`` would do, from looking at everything; nothing is asked of the service or recorded."""
        place = self._place
        trees = await place.catalog.entries.list_trees(place.place)
        tree = next((tree for tree in trees if tree.root == self._root), None)
        planning = Planning(self._options, place)
        await run_in_thread(partial(self._look, tree, planning.add))
        comparison = self._comparison
        return planning.result(comparison.unchanged if comparison else 0, len(self._scan.failures))

    # --- the stages

    async def _run(self, tree: TreeRecord, run: RunNumber) -> None:
        to_packers, from_scan = anyio.create_memory_object_stream[list[Change]](0)
        to_bundle, from_packers = anyio.create_memory_object_stream["Packed"](0)
        to_files, big_files = anyio.create_memory_object_stream[Change](0)
        async with anyio.create_task_group() as stages:
            stages.start_soon(self._look_at_all, tree, to_packers, to_files)
            for _ in range(_PACKERS):
                stages.start_soon(self._pack_all, tree, run, from_scan.clone(), to_bundle.clone())
            for _ in range(_BIG_FILES_AT_ONCE):
                stages.start_soon(self._big_files.upload_all, tree, run, big_files.clone())
            stages.start_soon(self._bundle_all, tree, run, from_packers)
            for stream in (from_scan, to_bundle, big_files):
                stream.close()

    async def _look_at_all(
        self,
        tree: TreeRecord,
        to_packers: MemoryObjectSendStream[list[Change]],
        to_files: MemoryObjectSendStream[Change],
    ) -> None:
        batch = _Batch()

        def give(change: Change) -> None:
            if self._is_draining:
                raise _Draining
            found = change.found
            if found is not None:
                self._counts.changed += 1
                self._counts.changed_size += found.size
                if found.kind == "file" and found.size > self._options.largest_member:
                    anyio.from_thread.run(to_files.send, change)
                    return
                batch.size += found.size
            if not batch.changes:
                batch.begun = time.monotonic()
            batch.changes.append(change)
            if (
                len(batch.changes) >= batch.limit
                or batch.size >= _BYTES_AT_ONCE
                or time.monotonic() - batch.begun > _PATIENCE_SECONDS
            ):
                send()

        def send() -> None:
            changes, batch.changes, batch.size = batch.changes, [], 0
            batch.limit = min(2 * batch.limit, _CHANGES_AT_ONCE)
            anyio.from_thread.run(to_packers.send, changes)

        def look() -> None:
            with suppress(_Draining):
                self._look(tree, give)
            if batch.changes:
                send()

        async with to_packers, to_files:
            await run_in_thread(look)
            self._is_looking = False

    def _look(self, tree: TreeRecord | None, give: Any) -> None:
        """Scan and compare, in a thread."""
        self._comparison = comparison = Comparison(
            self._scan,
            self._known(tree) if tree is not None else iter(()),
            path_filter=self._filter,
            is_thorough=self._options.is_thorough,
        )
        for change in comparison:
            give(change)

    def _known(self, tree: TreeRecord) -> Iterator[Sequence[Any]]:
        """What is on record, page by page, in a thread."""
        last: bytes | None = None
        while page := anyio.from_thread.run(self._place.catalog.entries.current_page, tree, last):
            if self._is_draining:
                raise _Draining
            yield from page
            last = page[-1][0]

    async def _pack_all(
        self,
        tree: TreeRecord,
        run: RunNumber,
        take: MemoryObjectReceiveStream[list[Change]],
        give: MemoryObjectSendStream[Packed],
    ) -> None:
        coder: Coder | None = ZstdCoder() if self._compression else None
        recipients = self._options.recipients
        if recipients is not None:
            coder = SealingCoder(recipients, coder, self._numbers)
        packer = Packer(
            os.fsencode(self._root),
            tree=tree.number,
            run=run,
            coder=coder,
            compression=self._compression,
            encryption=AGE if recipients is not None else None,
        )
        try:
            async with take, give:
                async for changes in take:
                    packed = await run_in_thread(partial(packer.pack, changes))
                    await self._record(packed, run)
                    if packed.entries:
                        await give.send(packed)
        finally:
            packer.close()

    async def _record(self, packed: Packed, run: RunNumber) -> None:
        """Record what needs nothing sent."""
        for failed in packed.failed:
            self._failures.add(*failed)
        entries = self._place.catalog.entries
        moved = await touch(entries, packed.touched)
        await entries.replace(
            [*packed.gone, *(touched.known.number for touched in packed.touched)], moved, run
        )
        self._counts.removed += len(packed.gone)
        self._counts.recorded += len(packed.touched)

    async def _bundle_all(
        self, tree: TreeRecord, run: RunNumber, take: MemoryObjectReceiveStream[Packed]
    ) -> None:
        async with take, AsyncExitStack() as stack:
            stack.callback(self._forget_bundle)
            packed = await _next(take)
            while packed is not None:
                async with open_bundle(
                    self._place,
                    tree,
                    run,
                    compression=self._compression,
                    recipients=self._options.recipients,
                    patience=self._patience,
                ) as bundle:
                    self._bundle = bundle
                    while packed is not None and bundle.position < self._options.bundle_size:
                        await bundle.add(packed)
                        self._counts.archived += len(packed.entries)
                        self._counts.archived_size += packed.size
                        packed = await _next(take)
                    await bundle.finish()
                    self._counts.archives += 1
                    self._forget_bundle()

    def _forget_bundle(self) -> None:
        if self._bundle is not None:
            if self._bundle.archive is None:
                self.given_up += self._bundle.members
            self._counts.requests += self._bundle.requests
            self._counts.sent += self._bundle.snapshot().moved
            self._bundle = None

    def _spent(self) -> Expense:
        now, prices = self.snapshot(), self._prices
        return Expense(
            "UploadMultipartPart",
            now.requests,
            sent=now.sent,
            price=prices.uploads(now.requests) if prices else None,
            currency=prices.currency if prices else None,
        )

    def _told(self) -> dict[str, Any]:
        snapshot = self.snapshot()
        return {
            name: getattr(snapshot, name)
            for name in SyncSnapshot.__dataclass_fields__
            if name not in {"current", "is_looking"}
        }


class _Draining(Exception):  # noqa: N818  # it ends the looking, and is no error
    """Nothing more is to be looked at."""


async def _next(take: MemoryObjectReceiveStream[Packed]) -> Packed | None:
    try:
        return await take.receive()
    except anyio.EndOfStream:
        return None


def _settings(options: SyncOptions) -> dict[str, Any]:
    return {
        "exclude": list(options.exclude),
        "include": list(options.include),
        "compress": options.compress,
        "recipients": list(options.recipients.names) if options.recipients is not None else [],
    }


async def _check_still_sealed(
    entries: Entries, tree: TreeRecord, recipients: Recipients | None, allows_plain: bool
) -> None:
    """See that a folder which was encrypted does not go in plain for want of an option.

    Raises:
        ConfigurationError: It would.
    """
    if recipients is not None or allows_plain:
        return
    before = await entries.recipients(tree, is_last=True)
    if before:
        raise ConfigurationError(
            f"the last sync of {tree.root!r} was encrypted to {', '.join(before)}, and this one would not "
            "be; name a recipient, or use --no-encryption"
        )
