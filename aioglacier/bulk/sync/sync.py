"""A folder to a vault: look, pack, and upload as one stream.

Stages are tasks, joined by streams without room, so that the slowest sets the pace and memory is bounded by
what each stage holds. The look runs in a thread; packers read files in threads; one task writes the bundle;
big files go by themselves, several at once.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.from_thread

from aioglacier.bulk.path_failures import PathFailure, PathFailures
from aioglacier.bulk.settling import outcome_of, settle_folder
from aioglacier.bulk.sync.big_files import BigFiles
from aioglacier.bulk.sync.bundling import Bundling
from aioglacier.bulk.sync.compare import Change
from aioglacier.bulk.sync.look import FolderLook
from aioglacier.bulk.sync.packing import Packer, Removal, find_content, touch
from aioglacier.bulk.sync.plan import Planning, SyncOptions, SyncPlan
from aioglacier.bulk.sync.scan import open_top
from aioglacier.bulk.sync.sync_progress import SyncCounters, SyncSnapshot
from aioglacier.catalog.folders.entries import Expense
from aioglacier.core.errors import ConfigurationError, VaultNotFoundError
from aioglacier.files.host import machine_name, user_name
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.see_through import GRACE_SECONDS
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.pricing import Prices
    from aioglacier.bulk.sync.packing import Packed
    from aioglacier.catalog import Catalog
    from aioglacier.catalog.folders.entries import RunNumber, StoredContent, TreeRecord
    from aioglacier.client.vault import Vault
    from aioglacier.core.errors import OutcomeUnknownError

_PACKERS: Final = 2
_BIG_FILES_AT_ONCE: Final = 3


class FolderSync:
    """One ``sync`` of one folder, to be run once; ``snapshot`` shows its progress.

    Attributes:
        unknown: Archives of former runs of which it is not known yet whether they were made.
        notices: Sentences for the user, once the run has ended.
    """

    def __init__(
        self,
        vault: Vault,
        directory: str | os.PathLike[str],
        options: SyncOptions | None = None,
        prices: Prices | None = None,
    ) -> None:
        self.unknown: list[OutcomeUnknownError] = []
        self.notices: list[str] = []
        self._options = options or SyncOptions()
        self._prices = prices
        self._context = vault.context.recorded()
        self._root = os.path.realpath(os.fsdecode(directory))
        self._host = self._options.host or machine_name()
        self._failures = PathFailures()
        self._counters = SyncCounters()
        self._look = FolderLook(self._root, self._options, self._context.catalog.entries)
        self._bundling = Bundling(self._context, self._options, self._counters)
        self._big_files = BigFiles(
            self._context,
            self._root,
            self._failures.add,
            self._options.recipients,
            least=self._options.largest_member,
        )
        self._gone: list[Removal] = []
        self._held_back: list[Removal] = []
        self._ended: tuple[TreeRecord, RunNumber] | None = None
        self._is_draining = self._is_first = False
        self._stoppable = anyio.CancelScope()

    @property
    def failures(self) -> list[PathFailure]:
        """Paths that could not be archived, each with its error; the first thousand."""
        return self._failures.kept

    @property
    def held_back(self) -> int:
        """Paths that are gone from the folder and were not recorded as removed, because they are most of it.

        The disk of the folder may not be mounted; see ``accept_removals`` and ``SyncOptions``.
        """
        return len(self._held_back)

    @property
    def given_up(self) -> int:
        """Paths on their way to an archive that was aborted in the end; they go again next time."""
        return self._bundling.given_up

    def snapshot(self) -> SyncSnapshot:
        """Return the counters now."""
        counts, comparison, bundling, big = (
            self._counters,
            self._look.comparison,
            self._bundling,
            self._big_files,
        )
        return SyncSnapshot(
            looked_at=comparison.looked_at if comparison else 0,
            looked_at_size=comparison.size if comparison else 0,
            is_looking=self._look.is_looking,
            unchanged=comparison.unchanged if comparison else 0,
            changed=counts.changed,
            changed_size=counts.changed_size,
            archived=counts.archived + big.archived,
            archived_size=counts.archived_size + big.archived_size,
            recorded=counts.recorded + big.recorded,
            removed=counts.removed,
            failed=self._failures.count,
            archives=counts.archives + big.archived,
            requests=counts.requests + big.requests + bundling.requests,
            sent=counts.sent + big.moved() + bundling.moved,
            current=big.current(),
        )

    async def run(self) -> SyncSnapshot:
        """Archive what is new or has changed, and record what is gone.

        It may be stopped or killed at any moment and run again: nothing is archived twice, and no more than
        one bundle is sent again. If cancelled, the bundle that is under way is aborted; ``drain`` stops it
        without that loss.

        Raises:
            VaultNotFoundError: The vault does not exist; nothing is recorded then.
            UploadLockedError: Another process does the same.
            SourceUnreadableError: The folder itself cannot be read.
            GlacierError: The rest cannot be archived. Single files that cannot be are in ``failures``
                instead.
        """
        context = self._context
        catalog = context.catalog
        await run_in_thread(self._check_top)
        async with context.catalog.lock_source(context.key, self._root):
            await self._note_other_machines()
            tree = await catalog.trees.open(context.key, self._root, host=self._host, owner=user_name())
            await _check_still_sealed(catalog, tree, self._options.recipients, self._options.allows_plain)
            self.unknown = await settle_folder(context, tree)
            self._is_first = not (await catalog.archives.totals(context.key)).archives
            run = await catalog.runs.begin(tree, "sync", _settings(self._options))
            try:
                with first_cause(), self._stoppable:
                    await self._run(tree, run)
            except BaseException as error:
                with anyio.move_on_after(5, shield=True):
                    await self._end(tree, run, outcome_of(error))
                    if isinstance(error, VaultNotFoundError):
                        await catalog.trees.forget(tree)
                raise
            if not self._is_draining:
                self._look.list_failures(self._failures)
                await self._note_state(tree)
            await self._end(tree, run, "stopped" if self._is_draining else "")
        return self.snapshot()

    async def accept_removals(self) -> None:
        """Record the removals that ``run`` held back, once someone has confirmed them."""
        assert self._ended is not None  # noqa: S101  # nothing was held back
        tree, run = self._ended
        context = self._context
        async with context.catalog.lock_source(context.key, self._root):
            gone = [each.number for each in self._held_back]
            await context.catalog.runs.end(tree, run, counters=self._counted(), gone=gone)
        self._counters.removed += len(self._held_back)
        self._held_back = []

    async def _note_other_machines(self) -> None:
        """Note that a folder of another machine has this path, if this one is new.

        It may be the same folder: a container has another name at each start. Only the user knows.
        """
        trees, key = self._context.catalog.trees, self._context.key
        if await trees.find(key, self._root, self._host) is not None:
            return
        others = [tree.host for tree in await trees.list(key) if tree.root == self._root]
        if others:
            self.notices.append(
                f"{self._root!r} is on record for machine {', '.join(others)}. It is recorded as another "
                f"folder, of machine {self._host}; if it is the same one, use --host {others[-1]}"
            )

    async def _note_state(self, tree: TreeRecord) -> None:
        """Decide which removals are recorded, and note what the user should know."""
        comparison, counters = self._look.comparison, self._counters
        assert comparison is not None  # noqa: S101  # the look is over
        files = sum(each.kind != "directory" for each in self._gone)
        kept = comparison.unchanged - comparison.unchanged_folders + counters.kept_files
        if files - counters.linked - self._big_files.linked > kept and not self._options.accepts_removals:
            self._gone, self._held_back = [], self._gone
        counters.removed = len(self._gone)
        if self._options.recipients is not None and await self._context.catalog.entries.has_plain(tree):
            self.notices.append(
                "older copies of files in this folder are not encrypted and stay readable in the vault; "
                "'aioglacier delete' removes their archives"
            )

    async def _end(self, tree: TreeRecord, run: RunNumber, outcome: str) -> None:
        snapshot, prices = self.snapshot(), self._prices
        spent = Expense(
            "UploadMultipartPart",
            snapshot.requests,
            sent=snapshot.sent,
            price=prices.uploads(snapshot.requests) if prices else None,
            currency=prices.currency if prices else None,
        )
        gone = [each.number for each in self._gone]
        self._ended = tree, run
        await self._context.catalog.runs.end(
            tree, run, counters=self._counted(), outcome=outcome, spent=spent, gone=gone
        )

    def _counted(self) -> dict[str, Any]:
        snapshot = self.snapshot()
        names = {*SyncSnapshot.__dataclass_fields__} - {"current", "is_looking"}
        return {name: getattr(snapshot, name) for name in sorted(names)}

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Look at nothing more, and finish within so many seconds the archives that are being made.

        ``run`` then returns, and the next one goes on. An archive that could not be finished in time is
        aborted; a big file is kept at the service. Call it on the event loop; calling it again can only
        shorten the time.
        """
        self._is_draining = True
        self._look.stop()
        self._stoppable.deadline = min(self._stoppable.deadline, anyio.current_time() + seconds)
        self._big_files.drain(seconds)

    def _check_top(self) -> None:
        """Refuse a folder that cannot be opened before anything is recorded of it."""
        os.close(open_top(os.fsencode(self._root)))

    async def plan(self) -> SyncPlan:
        """Return what ``run`` would do, from looking at everything; nothing is sent or recorded."""
        context = self._context
        tree = await context.catalog.trees.find(context.key, self._root, self._host)
        planning = Planning(self._options, context)
        await run_in_thread(partial(self._look.compare, tree, planning.add))
        comparison = self._look.comparison
        return planning.result(comparison.unchanged if comparison else 0, len(self._look.scan.failures))

    # --- the stages

    async def _run(self, tree: TreeRecord, run: RunNumber) -> None:
        to_packers, from_look = anyio.create_memory_object_stream[list[Change]](0)
        to_bundle, from_packers = anyio.create_memory_object_stream["Packed"](0)
        to_files, big_files = anyio.create_memory_object_stream[Change](0)
        async with anyio.create_task_group() as stages:
            stages.start_soon(self._look.run, tree, self._counters, to_packers, to_files)
            for _ in range(_PACKERS):
                stages.start_soon(self._pack_all, tree, run, from_look.clone(), to_bundle.clone())
            for _ in range(_BIG_FILES_AT_ONCE):
                stages.start_soon(self._big_files.upload_all, tree, run, big_files.clone())
            stages.start_soon(self._bundling.run, tree, run, from_packers)
            for stream in (from_look, to_bundle, big_files):
                stream.close()

    async def _pack_all(
        self,
        tree: TreeRecord,
        run: RunNumber,
        take: MemoryObjectReceiveStream[list[Change]],
        give: MemoryObjectSendStream[Packed],
    ) -> None:
        packer = Packer(
            os.fsencode(self._root),
            tree=tree.number,
            run=run,
            coder=self._bundling.make_coder(),
            compression=self._bundling.compression,
            encryption=self._bundling.encryption,
            find_content=lambda wanted: anyio.from_thread.run(self._find_content, wanted),
        )
        try:
            async with take, give:
                async for changes in take:
                    packed = await run_in_thread(partial(packer.pack, changes))
                    await self._record(packed)
                    if packed.entries:
                        await give.send(packed)
        finally:
            packer.close()

    async def _record(self, packed: Packed) -> None:
        """Record what needs nothing sent."""
        for failed in packed.failed:
            self._failures.add(*failed)
        entries = self._context.catalog.entries
        await entries.add([*await touch(entries, packed.touched), *packed.linked])
        self._gone += packed.gone
        self._counters.removed += len(packed.gone)
        self._counters.recorded += len(packed.touched) + len(packed.linked)
        self._counters.linked += len(packed.linked)

    async def _find_content(
        self, wanted: Sequence[tuple[int, bytes]]
    ) -> Mapping[tuple[int, bytes], StoredContent]:
        """Return where contents lie in the vault, encrypted as this run encrypts."""
        if self._is_first:  # nothing is stored that a first sync could point to
            return {}
        return await find_content(self._context, wanted, self._options.recipients)


def _settings(options: SyncOptions) -> dict[str, Any]:
    return {
        "exclude": list(options.exclude),
        "include": list(options.include),
        "compress": options.compress,
        "recipients": list(options.recipients.names) if options.recipients is not None else [],
    }


async def _check_still_sealed(
    catalog: Catalog, tree: TreeRecord, recipients: Recipients | None, allows_plain: bool
) -> None:
    """See that a folder which was encrypted does not go in plain for want of an option.

    Raises:
        ConfigurationError: It would.
    """
    if recipients is not None or allows_plain:
        return
    last = await catalog.runs.last_settings(tree)
    names = ", ".join(last.get("recipients", ()))
    if names or last.get("is_encrypted"):
        raise ConfigurationError(
            f"the last sync of {tree.root!r} was encrypted{names and f' to {names}'}, and this one would not "
            "be; name a recipient, or use --no-encryption"
        )
