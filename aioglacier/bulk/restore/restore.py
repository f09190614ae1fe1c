"""A folder back from a vault.

First what has no content of its own is made: folders, links, empty files. Then the contents come, archive by
archive: ranges are planned, jobs started ahead of those that fetch, and files put into their places. Hard
links follow, and at last folders get their times.

Nothing of it is kept in a record of its own: what is in its place tells what is still to be done, and the
service's list of jobs tells what was asked for. So it may be stopped at any moment.
"""

from __future__ import annotations

import heapq
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread

from aioglacier.bulk.formats.age import no_identity
from aioglacier.bulk.path_failures import PathFailure, PathFailures
from aioglacier.bulk.place import FolderPlace, outcome_of
from aioglacier.bulk.pricing import check_cost
from aioglacier.bulk.restore.existing_jobs import ExistingJobs
from aioglacier.bulk.restore.fetcher import FETCHERS, Fetcher, needed_of
from aioglacier.bulk.restore.placer import Placer, as_target_error
from aioglacier.bulk.restore.restore_options import RestoreOptions
from aioglacier.bulk.restore.retrieval_plan import Needed, Retrieval, plan_retrievals
from aioglacier.bulk.restore.selection import Selection
from aioglacier.bulk.settling import mend_folder
from aioglacier.catalog.folders.entries import Expense
from aioglacier.core.errors import ConfigurationError, GlacierError, TargetError
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aioglacier.bulk.pricing import Prices
    from aioglacier.catalog.folders.entries import Entry, RunNumber, StoredEntry, TreeRecord
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import ArchiveId
    from aioglacier.core.ranges import ByteRange


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore asks for.

    Attributes:
        files: Files to bring back.
        size: Their bytes.
        room: Bytes that are needed besides while it goes on: a big file that is encrypted is fetched whole,
            and then decrypted.
        there: Paths that are in their places already.
        retrievals: Jobs, in the order in which they are started or used.
        retrieved: Bytes that those retrieve which have not been asked for.
        cost: By the price list.
    """

    files: int
    size: int
    room: int
    there: int
    retrievals: tuple[Retrieval, ...]
    retrieved: int
    cost: float


@dataclass(frozen=True, slots=True)
class RestoreSnapshot:
    """How far a restore is.

    Attributes:
        files: Files to bring back, 0 until the plan is made.
        size: Their bytes.
        there: Paths that were in their places already.
        restored: Paths put into their places.
        restored_size: Their bytes.
        failed: Paths that could not be.
        jobs: Jobs to use in all.
        jobs_started: Jobs started by this run.
        jobs_waited_for: Jobs not done yet.
        jobs_left: Jobs that were not done, and not waited for.
        fetched: Bytes fetched.
        cost: Of the jobs that were started, by the price list.
    """

    files: int
    size: int
    there: int
    restored: int
    restored_size: int
    failed: int
    jobs: int
    jobs_started: int
    jobs_waited_for: int
    jobs_left: int
    fetched: int
    cost: float


class FolderRestore:
    """One restore of one folder, to be run once; ``snapshot`` shows how far it is."""

    def __init__(
        self,
        vault: Vault,
        directory: str | os.PathLike[str],
        prices: Prices,
        options: RestoreOptions | None = None,
    ) -> None:
        self._failures = PathFailures()
        self._options = options or RestoreOptions()
        self._place = FolderPlace(vault)
        self._root = os.path.abspath(os.fsdecode(directory))  # noqa: PTH100  # of any bytes
        self._prices = prices
        self._selection = Selection(self._options.selection)
        self._plan: RestorePlan | None = None
        self._restored = self._restored_size = self._there = 0
        self._aliases: dict[bytes, list[bytes]] = {}
        self._parents: set[bytes] = set()
        self._fetcher: Fetcher | None = None
        self._is_sealed = self._is_any_meant = False

    @property
    def failures(self) -> list[PathFailure]:
        """Paths that are not in their places, each with its error; the first thousand."""
        return self._failures.kept

    def snapshot(self) -> RestoreSnapshot:
        """The counters now."""
        plan, fetcher = self._plan, self._fetcher
        return RestoreSnapshot(
            files=plan.files if plan else 0,
            size=plan.size if plan else 0,
            there=self._there,
            restored=self._restored,
            restored_size=self._restored_size,
            failed=self._failures.count,
            jobs=len(plan.retrievals) if plan else 0,
            jobs_started=fetcher.started if fetcher else 0,
            jobs_waited_for=fetcher.waiting if fetcher else 0,
            jobs_left=fetcher.left if fetcher else 0,
            fetched=fetcher.fetched if fetcher else 0,
            cost=fetcher.cost if fetcher else 0.0,
        )

    async def plan(self) -> RestorePlan:
        """What ``run`` would ask for if no job were there yet; nothing is asked for or written."""
        tree, run = await self._find()
        is_there = await anyio.Path(self._root).is_dir()
        placer = await run_in_thread(partial(self._open_placer, is_made=False)) if is_there else None
        try:
            return await self._make_plan(tree, run, placer)
        finally:
            if placer is not None:
                placer.close()

    async def run(self) -> RestoreSnapshot:
        """Bring back what is not there. It may be stopped or killed at any moment, and run again.

        Raises:
            TargetError: The folder cannot be made or has no room. Nothing was asked for.
            CostLimitError: It would cost more than is allowed. Nothing was asked for.
            GlacierError: What keeps the rest from being brought back. Single files that cannot be are in
                ``failures`` instead.
        """
        tree, run = await self._find()
        placer = await run_in_thread(partial(self._open_placer, is_made=True))
        entries = self._place.catalog.entries
        number = await entries.begin_run(
            tree, "restore", {"patterns": list(self._options.selection.patterns)}, target=self._root
        )
        try:
            with first_cause():
                await self._run(tree, run, placer)
        except BaseException as error:
            with anyio.move_on_after(5, shield=True):
                outcome = outcome_of(error)
                await entries.end_run(
                    tree, number, counters=self._told(), outcome=outcome, spent=self._spent()
                )
            raise
        finally:
            placer.close()
        await entries.end_run(tree, number, counters=self._told(), spent=self._spent())
        return self.snapshot()

    # --- what is asked for

    async def _find(self) -> tuple[TreeRecord, RunNumber | None]:
        entries = self._place.catalog.entries
        trees = await entries.list_trees(self._place.place)
        wanted = self._options.folder
        if wanted is not None:
            root = await run_in_thread(partial(os.path.realpath, wanted))
            trees = [tree for tree in trees if tree.root in {wanted, root}]
        if len(trees) != 1:
            names = ", ".join(repr(tree.root) for tree in trees)
            vault = self._place.vault.name
            raise ConfigurationError(
                f"the catalog knows several folders in vault {vault!r}: {names}; say which with --folder"
                if trees
                else f"the catalog knows no such folder in vault {vault!r}; 'sync' takes one there"
            )
        await mend_folder(self._place, trees[0])
        at = self._options.selection.at
        if at is None:
            return trees[0], None
        run = await entries.find_run(trees[0], at)
        if run is None:
            raise ConfigurationError(f"{trees[0].root!r} was not in the vault yet at {at}")
        return trees[0], run

    def _open_placer(self, *, is_made: bool) -> Placer:
        root = os.fsencode(self._root)
        try:
            if is_made:
                os.makedirs(root, 0o700, exist_ok=True)  # noqa: PTH103
            return Placer(root, overwrite=self._options.overwrite)
        except OSError as error:
            raise TargetError(
                f"the folder {self._root!r} cannot be used: {error.strerror}", path=self._root
            ) from error

    async def _make_plan(
        self,
        tree: TreeRecord,
        run: RunNumber | None,
        placer: Placer | None,
        asked: Mapping[ArchiveId, Sequence[ByteRange]] | None = None,
    ) -> RestorePlan:
        await self._note_aliases(tree, run)
        files = size = self._there = 0
        sealed: list[int] = []
        needed: list[Needed] = []
        retrievals: list[Retrieval] = []
        gap = self._prices.worthwhile_gap(self._options.tier)
        for upload in await self._place.catalog.entries.uploads_of(tree):
            needed.clear()
            async for page in self._place.catalog.entries.stored_in(tree, upload, run):
                wanted = await run_in_thread(partial(self._wanted, page, placer))
                for stored in wanted:
                    files += 1
                    size += stored.entry.size
                    needed.append(needed_of(stored))
                    if stored.entry.encryption is not None and needed[-1].is_whole:
                        sealed = heapq.nlargest(FETCHERS, (*sealed, stored.archive_size))
                if len(needed) > 100_000:
                    retrievals += plan_retrievals(needed, gap, asked=asked)
                    needed.clear()
            retrievals += plan_retrievals(needed, gap, asked=asked)
        # What is there already may be gone before what is not.
        retrievals.sort(key=lambda each: not each.is_asked)
        to_ask = [each.size for each in retrievals if not each.is_asked]
        retrieved = sum(to_ask)
        cost = self._prices.retrieval(self._options.tier, retrieved, len(to_ask))
        return RestorePlan(files, size, sum(sealed), self._there, tuple(retrievals), retrieved, cost)

    async def _note_aliases(self, tree: TreeRecord, run: RunNumber | None) -> None:
        """Hard links that are meant while the file that they are other names of is not."""
        self._aliases.clear()
        if self._selection.is_everything:
            return
        entries = self._place.catalog.entries
        async for page in entries.stored(tree, run):
            for stored in page:
                entry = stored.entry
                if entry.kind != "hardlink" or not self._selection.selects(entry) or entry.target is None:
                    continue
                target = await entries.stored_at(tree, entry.target, run)
                if target is not None and not self._selection.selects(target.entry):
                    self._aliases.setdefault(entry.target, []).append(entry.path)

    def paths_of(self, entry: Entry) -> list[bytes]:
        """Where the content of a file is to go: the first is written, others are further names of it."""
        own = [entry.path] if self._selection.selects(entry) else []
        return own or self._aliases.get(entry.path, [])

    def _wanted(self, page: list[StoredEntry], placer: Placer | None) -> list[StoredEntry]:
        """Those with content to be fetched, in a thread."""
        wanted = []
        for stored in page:
            entry = stored.entry
            if entry.kind != "file" or not entry.size or stored.archive_id is None:
                continue
            paths = self.paths_of(entry)
            if not paths:
                continue
            self._is_sealed = self._is_sealed or entry.encryption is not None
            try:
                if placer is not None and placer.is_there(entry, paths[0]):
                    self._there += 1
                    continue
            except (GlacierError, OSError):
                continue  # told of when it is to be written
            wanted.append(stored)
        return wanted

    # --- doing it

    async def _run(self, tree: TreeRecord, run: RunNumber | None, placer: Placer) -> None:
        asked = ExistingJobs()
        plan = await self._make_plan(tree, run, placer)
        if plan.retrievals:
            asked = await ExistingJobs.look(self._place.vault)
        if any(retrieval.archive_id in asked.ranges for retrieval in plan.retrievals):
            plan = await self._make_plan(tree, run, placer, asked.ranges)
        check_cost(plan.cost, self._options.max_cost, self._prices, "this restore")
        free = await run_in_thread(placer.free_space)
        if plan.size + plan.room > free:
            more = f", for which {plan.room} more are needed meanwhile" if plan.room else ""
            raise TargetError(
                f"{self._root!r} has {free} bytes free, and {plan.size} are to be restored{more}; nothing "
                "was asked for",
                path=self._root,
                needed=plan.size + plan.room,
                free=free,
            )
        self._plan = plan
        await self._check_identities(tree)
        await self._walk(tree, run, partial(self._make_first, placer))
        if self._options.selection.patterns and not self._is_any_meant:
            raise ConfigurationError(
                f"of {tree.root!r} in vault {self._place.vault.name!r} nothing was selected; a pattern is as "
                "in a .gitignore: '*.jpg' anywhere, /2024/ at the top"
            )
        self._fetcher = Fetcher(
            self._place,
            tree,
            run,
            root=os.fsencode(self._root),
            asked=asked,
            options=self._options,
            prices=self._prices,
            paths_of=self.paths_of,
            done=self._done,
            fail=self._failures.add,
        )
        await self._fetcher.run(plan.retrievals)
        await self._walk(tree, run, partial(self._make_links, placer, tree, run))
        await self._walk(tree, run, partial(self._finish_folders, placer), is_descending=True)

    async def _check_identities(self, tree: TreeRecord) -> None:
        """Refuse to pay for what could not be read then.

        Raises:
            ConfigurationError: It is encrypted, and no identity can fit.
        """
        if not self._is_sealed:
            return
        identities = self._options.identities
        if identities is None:
            raise no_identity()
        recipients = await self._place.catalog.entries.recipients(tree)
        if recipients and not identities.fit(recipients):
            raise ConfigurationError(
                f"what is to be restored was encrypted to {', '.join(recipients)}, and no identity given "
                "is one of theirs; nothing was asked for"
            )

    async def _walk(
        self,
        tree: TreeRecord,
        run: RunNumber | None,
        step: Callable[[Entry], None],
        *,
        is_descending: bool = False,
    ) -> None:
        """Take a step for each path that is meant, in a thread."""

        def take(page: list[StoredEntry]) -> None:
            for stored in page:
                entry = stored.entry
                try:
                    step(entry)
                except (GlacierError, OSError) as error:
                    self._failures.add(entry.path, as_target_error(entry.path, error))

        pages = self._place.catalog.entries.stored(tree, run, is_descending=is_descending)
        async for page in pages:
            await run_in_thread(partial(take, page))

    def _make_first(self, placer: Placer, entry: Entry) -> None:
        """Folders, links and empty files; and say what files cannot be written."""
        if not self._selection.selects(entry):
            return
        self._is_any_meant = True
        if entry.kind == "directory":
            if not self._selection.is_query:
                placer.make_folder(entry.path)
            return
        if entry.kind == "hardlink":
            return
        if placer.is_there(entry):
            if not entry.size:
                self._there += 1
            return
        if entry.kind == "symlink":
            placer.make_symlink(entry)
            self._done(1, 0)
        elif entry.kind == "file" and not entry.size:
            for path, _, error in placer.place_files([(entry, entry.path, b"")]):
                if error is not None:
                    self._failures.add(path, error)
                else:
                    self._done(1, 0)

    def _make_links(self, placer: Placer, tree: TreeRecord, run: RunNumber | None, entry: Entry) -> None:
        if entry.kind != "hardlink" or entry.target is None or not self._selection.selects(entry):
            return
        names = self._aliases.get(entry.target, [])
        first = names[0] if names else entry.target
        if first == entry.path:
            return  # written as a file
        if not self._is_restored(placer, tree, run, entry.target, first):
            if self._fetcher is not None and self._fetcher.left:
                return  # its job was not waited for
            shown = os.fsdecode(entry.path)
            raise TargetError(
                f"{shown!r} is another name of {os.fsdecode(first)!r}, which is not in its place; bring "
                "that back first, and run the same command again",
                path=shown,
            )
        if placer.is_there(entry):
            self._there += 1
            return
        placer.make_hardlink(first, entry.path)
        self._done(1, 0)

    def _is_restored(
        self, placer: Placer, tree: TreeRecord, run: RunNumber | None, path: bytes, place: bytes
    ) -> bool:
        """Whether the file of a path is in its place: something else may have that name."""
        stored = anyio.from_thread.run(self._place.catalog.entries.stored_at, tree, path, run)
        try:
            return stored is not None and placer.is_there(stored.entry, place)
        except (GlacierError, OSError):
            return False

    def _finish_folders(self, placer: Placer, entry: Entry) -> None:
        if entry.kind == "directory" and not self._selection.is_query and self._selection.selects(entry):
            placer.dress_folder(entry)

    def _done(self, count: int, size: int) -> None:
        self._restored += count
        self._restored_size += size

    def _spent(self) -> Expense:
        now = self.snapshot()
        return Expense(
            "InitiateJob",
            now.jobs_started,
            received=now.fetched,
            price=now.cost,
            currency=self._prices.currency,
        )

    def _told(self) -> dict[str, Any]:
        snapshot = self.snapshot()
        return {name: getattr(snapshot, name) for name in RestoreSnapshot.__dataclass_fields__}
