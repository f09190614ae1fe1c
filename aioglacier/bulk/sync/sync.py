"""One run of a ``sync``, from the check of the catalog to the record of the outcome."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from aioglacier.bulk.places.any_place import as_folder_place
from aioglacier.bulk.settling import outcome_of, settle_folder
from aioglacier.bulk.sync.bundle import keep_missing_sidecars
from aioglacier.bulk.sync.compare import find_unmounted
from aioglacier.bulk.sync.plan import Planning, SyncOptions, SyncPlan
from aioglacier.bulk.sync.scan import open_top
from aioglacier.bulk.sync.stages import Stages
from aioglacier.core.errors import ConfigurationError
from aioglacier.files.host import machine_name, user_name
from aioglacier.recorded.place_context import RECORDING_SECONDS
from aioglacier.recorded.shard_locks import hold_shard, shard_lock
from aioglacier.tasks.see_through import GRACE_SECONDS
from aioglacier.tasks.shard import WHOLE
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from aioglacier.bulk.path_failures import PathFailure
    from aioglacier.bulk.sync.compare import Known
    from aioglacier.bulk.sync.plan import SyncSnapshot
    from aioglacier.catalog.folders.entry_records import RunNumber, TreeRecord
    from aioglacier.catalog.moves.shards import ShardedWork
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.errors import OutcomeUnknownError
    from aioglacier.recorded.place_context import RecordedPlace


class FolderSync:
    """One ``sync`` of one folder, to be run once; ``snapshot`` shows its progress.

    Attributes:
        unknown: Errors for archives of former runs whose outcome is not known yet.
        notices: Sentences for the user, from ``prepare`` and from the end of the run.
        unmounted: Folders that were on another disk, and are empty now.
    """

    def __init__(
        self, place: Vault | Bucket, directory: str | os.PathLike[str], options: SyncOptions | None = None
    ) -> None:
        self.unknown: list[OutcomeUnknownError] = []
        self.notices: list[str] = []
        self.unmounted: list[bytes] = []
        self._options = options or SyncOptions()
        self._place = as_folder_place(place)
        self._root = os.path.realpath(os.fsdecode(directory))
        self._stages = Stages(self._place, self._root, self._options)
        self._held_back: list[Known] = []
        self._run: tuple[TreeRecord, RunNumber] | None = None
        self._is_prepared = False

    @property
    def _context(self) -> RecordedPlace:
        return self._place.context

    @property
    def failures(self) -> list[PathFailure]:
        """Paths that could not be archived, each with its error; the first thousand."""
        return self._stages.failures.kept

    @property
    def held_back(self) -> int:
        """The number of paths that are gone from the folder but not recorded as removed.

        They are most of the folder, or lie in ``unmounted``: a disk may not be mounted. See
        ``accept_removals`` and ``SyncOptions``.
        """
        return len(self._held_back)

    @property
    def given_up(self) -> int:
        """The number of paths in an aborted archive; the next run sends them again."""
        return self._stages.bundling.given_up

    def snapshot(self) -> SyncSnapshot:
        """Return the counters now."""
        return self._stages.snapshot()

    async def prepare(self) -> None:
        """Compare the vault with the record, and note what the user should know before anything is sent.

        ``run`` calls it, unless you did. Call it first to show ``notices`` before ``run``.

        Raises:
            VaultNotFoundError: The vault does not exist.
            SourceUnreadableError: The folder itself cannot be read.
            InvalidPlanError: No class is named for the bucket. Nothing was sent.
        """
        if self._is_prepared:
            return
        self._context.upload_options(name="bundle")  # refuses a bucket without a class
        await run_in_thread(lambda: os.close(open_top(os.fsencode(self._root))))
        await self._place.look()  # records of archives that are gone no longer count
        await self._note_unknown_archives()
        await self._note_other_machines()
        if strays := await self._place.count_strays():
            self.notices.append(
                f"{self._context.name!r} has {strays:,} unfinished uploads on no record, which are kept and "
                f"billed until they are aborted; 'aioglacier uploads list {self._context.name}' lists them"
            )
        self._is_prepared = True

    async def run(self) -> SyncSnapshot:
        """Archive what is new or has changed, and record what is gone.

        It may be stopped or killed at any moment and run again: nothing is archived twice, and no more than
        one bundle is sent again. Cancelling aborts the bundle under way; ``drain`` stops without that loss.

        Raises:
            VaultNotFoundError: The vault does not exist; nothing is recorded then.
            UploadLockedError: Another process syncs the folder, or its shard.
            ShardMismatchError: Shards of another number are at work.
            ConfigurationError: A shard needs a catalog that all of them share.
            SourceUnreadableError: The folder itself cannot be read.
            GlacierError: The rest cannot be archived. Errors of single files are in ``failures`` instead.
        """
        context, catalog, shard = self._context, self._context.catalog, self._options.shard
        await self.prepare()
        # Two runs of the same shard would send the same files.
        async with hold_shard(catalog, context.key, self._root, shard, self._begin) as tree:
            await self._place.sweep()
            run = await catalog.runs.begin(tree, "sync", self._settings())
            try:
                await self._stages.run(tree, run)
            except BaseException as error:
                # A run that is stopped does not wait longer for a catalog.
                with anyio.move_on_after(RECORDING_SECONDS, shield=True):
                    await self._end(tree, run, outcome_of(error))
                raise
            if self._stages.is_draining:  # a scan that was cut short proves nothing gone
                await self._end(tree, run, "stopped")
            else:
                self._stages.look.list_failures(self._stages.failures)
                await self._note_plain_copies(tree)
                await keep_missing_sidecars(self._place, tree, self._options.recipients, shard)
                await self._hold_back(tree)
                await self._end(tree, run, "")
        return self.snapshot()

    async def _begin(self, former: ShardedWork | None) -> TreeRecord:
        """Return the record of the folder, once leftovers of killed runs are settled."""
        await self._check_encryption()
        context, catalog, shard = self._context, self._context.catalog, self._options.shard
        if former is not None:
            if former.shards > 1:
                self.notices.append(f"{self._root!r} was divided into {former.shards} shards before")
            shard = WHOLE  # no other shard is at work
        tree = await catalog.trees.open(context.key, self._root, host=self._host(), owner=user_name())
        is_settling = bool(await catalog.bundles.unfinished(tree, shard))
        # Before the run, which would take leftovers of a killed one for stored content.
        self.unknown = await settle_folder(context, tree, shard)
        if is_settling:
            await self._place.look()  # what was settled now may lack its sidecar
        return tree

    async def accept_removals(self) -> None:
        """Record the removals that ``run`` held back, once someone has confirmed them."""
        assert self._run is not None  # noqa: S101  # nothing was held back
        context, root = self._context, os.fsencode(self._root)

        def find() -> list[Known]:
            # The disk may have been mounted since ``run`` looked.
            return [each for each in self._held_back if not os.path.lexists(root + b"/" + each.path)]

        gone = await run_in_thread(find)
        mine = shard_lock(self._root, self._options.shard.number)
        async with context.catalog.lock_source(context.key, mine):
            self._stages.counters.removed += len(gone)
            await context.catalog.runs.end(
                *self._run, counters=self._counted(), gone=[known.number for known in gone]
            )
        self._held_back = []

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Scan nothing more, and finish the archives under way within so many seconds.

        ``run`` then returns, and the next one goes on. An archive that is not finished in time is aborted; a
        big file is kept at the service. Call it on the event loop; a second call can only shorten the time.
        """
        self._stages.drain(seconds)

    async def plan(self) -> SyncPlan:
        """Scan everything, and return what ``run`` would do; nothing is sent or recorded."""
        tree = await self._context.catalog.trees.find(self._context.key, self._root, self._host())
        planning, look = Planning(self._options, self._place), self._stages.look
        await run_in_thread(partial(look.compare, tree, planning.add))
        unchanged = look.comparison.unchanged if look.comparison else 0
        return planning.result(unchanged, len(look.scan.failures), await self._place.count_lists())

    def _host(self) -> str:
        return self._options.host or machine_name()

    def _settings(self) -> dict[str, Any]:
        options = self._options
        return {
            "exclude": list(options.exclude),
            "include": list(options.include),
            **asdict(options.rules),
            "compress": options.compress,
            "recipients": list(options.recipients.names) if options.recipients is not None else [],
            **({"shard": str(options.shard)} if options.shard.count > 1 else {}),
        }

    async def _check_encryption(self) -> None:
        """Refuse to sync a folder without encryption if the last sync encrypted it."""
        if self._options.recipients is not None or self._options.allows_plain:
            return
        trees, runs, host = self._context.catalog.trees, self._context.catalog.runs, self._host()
        found = [tree for tree in await trees.list(self._context.key) if tree.root == self._root]
        # Without a record of its own the folder may be that of another machine, whose name has changed.
        for tree in sorted(found, key=lambda tree: tree.host not in {host, ""}):
            if last := await runs.last_settings(tree):
                names = ", ".join(last.get("recipients", ()))
                if names or last.get("is_encrypted"):
                    raise ConfigurationError(
                        f"the last sync of {self._root!r} was encrypted{names and f' to {names}'}, and this "
                        "one would not be; name a recipient, or use --no-encryption"
                    )
                return

    async def _note_unknown_archives(self) -> None:
        """Note that the catalog has no archive of a vault with archives: it may replace a lost catalog."""
        context, name = self._context, self._context.name
        if (await context.catalog.archives.totals(context.key)).archives:
            return
        if count := await self._place.count_archives():
            self.notices.append(
                f"{name!r} has {count:,} archives, and the catalog has none of them on record. If the "
                "catalog was lost, stop now, or stored files are sent and billed again: use "
                f"{self._place.recovery}"
            )

    async def _note_other_machines(self) -> None:
        """Note that another machine has a folder of this path on record, if this one is new.

        It may be the same folder, because a container has another name at each start. Only the user knows.
        """
        trees, key, host = self._context.catalog.trees, self._context.key, self._host()
        if await trees.find(key, self._root, host) is not None:
            return
        others = [tree.host for tree in await trees.list(key) if tree.root == self._root]
        if others:
            self.notices.append(
                f"{self._root!r} is on record for machine {', '.join(others)}. It is recorded as another "
                f"folder, of machine {host}; if it is the same one, use --host {others[-1]}"
            )

    async def _note_plain_copies(self, tree: TreeRecord) -> None:
        if self._options.recipients is not None and await self._context.catalog.entries.has_plain(tree):
            self.notices.append(
                "older copies of files in this folder are not encrypted and stay readable in the vault; "
                "'aioglacier delete' removes their archives"
            )

    async def _hold_back(self, tree: TreeRecord) -> None:
        """Keep removals for the user to confirm if they are most of the folder, or a disk is not mounted."""
        stages, entries = self._stages, self._context.catalog.entries
        if self._options.accepts_removals:
            pass
        elif stages.are_most_gone():
            stages.gone, self._held_back = [], stages.gone
        else:
            found = await find_unmounted(entries, tree, self._root, stages.gone)
            self.unmounted = sorted(found)
            self._held_back = [known for paths in found.values() for known in paths]
            held = {known.number for known in self._held_back}
            stages.gone = [known for known in stages.gone if known.number not in held]
        stages.counters.removed = len(stages.gone)

    async def _end(self, tree: TreeRecord, run: RunNumber, outcome: str) -> None:
        gone = [known.number for known in self._stages.gone]
        self._run = tree, run
        await self._context.catalog.runs.end(tree, run, counters=self._counted(), outcome=outcome, gone=gone)

    def _counted(self) -> dict[str, Any]:
        counters = asdict(self.snapshot())
        del counters["current"], counters["is_looking"], counters["workers"]
        return counters
