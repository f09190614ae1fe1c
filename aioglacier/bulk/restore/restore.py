"""A folder back from a vault.

First what has no content of its own is made: folders, links, empty files. Then the contents come, archive by
archive: ranges are planned, jobs started ahead of those that fetch, and files put into their places. Hard
links follow, and at last folders get their times.

Nothing of it is kept in a record of its own: what is in its place tells what is still to be done, and the
service's list of jobs tells what was asked for. So it may be stopped at any moment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from aioglacier.bulk.formats.age import no_identity
from aioglacier.bulk.path_failures import PathFailure, PathFailures
from aioglacier.bulk.restore.existing_jobs import ExistingJobs
from aioglacier.bulk.restore.fetcher import Fetcher
from aioglacier.bulk.restore.outline import Outline
from aioglacier.bulk.restore.placer import Placer, open_up
from aioglacier.bulk.restore.restore_options import RestoreOptions
from aioglacier.bulk.restore.restore_plan import RestorePlan, RestorePlanner
from aioglacier.bulk.settling import drop_fruitless_versions, outcome_of
from aioglacier.core.errors import ConfigurationError, NotStoredError, TargetError
from aioglacier.files.host import machine_name
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread

#: Older versions that are named one by one.
_NAMED: Final = 20

if TYPE_CHECKING:
    from aioglacier.catalog.folders.entry_records import RunNumber, TreeRecord
    from aioglacier.client.vault import Vault
    from aioglacier.core.spending import Budget


@dataclass(frozen=True, slots=True)
class RestoreSnapshot:
    """The progress of a restore.

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
        cost: What it cost so far, by the price list.
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
        budget: Budget,
        options: RestoreOptions | None = None,
    ) -> None:
        self._failures = PathFailures()
        self._options = options or RestoreOptions()
        self._vault = vault
        self._context = vault.context.recorded()
        self._root = os.path.abspath(os.fsdecode(directory))  # noqa: PTH100  # of any bytes
        self._budget = budget
        self._plan: RestorePlan | None = None
        self._restored = self._restored_size = 0
        self._outline: Outline | None = None
        self._refused: dict[str, str] = {}
        self._older: list[bytes] = []
        self._fetcher: Fetcher | None = None

    @property
    def failures(self) -> list[PathFailure]:
        """Paths that are not in their places, each with its error; the first thousand."""
        return self._failures.kept

    @property
    def notices(self) -> list[str]:
        """Sentences about what was restored otherwise than it was archived."""
        found = [f"the {kind} of some paths could not be set: {why}" for kind, why in self._refused.items()]
        for path in self._older[:_NAMED]:
            shown = os.fsdecode(path)
            found.append(f"{shown!r} is an older version: the archive of the newest one is not proven")
        if len(self._older) > _NAMED:
            found.append(f"so are {len(self._older) - _NAMED} more")
        return found

    def snapshot(self) -> RestoreSnapshot:
        """The counters now."""
        plan, fetcher, outline = self._plan, self._fetcher, self._outline
        return RestoreSnapshot(
            files=plan.files if plan else 0,
            size=plan.size if plan else 0,
            there=(plan.there if plan else 0) + (outline.there if outline else 0),
            restored=self._restored,
            restored_size=self._restored_size,
            failed=self._failures.count,
            jobs=len(plan.retrievals) if plan else 0,
            jobs_started=fetcher.started if fetcher else 0,
            jobs_waited_for=fetcher.waiting if fetcher else 0,
            jobs_left=fetcher.left if fetcher else 0,
            fetched=fetcher.fetched if fetcher else 0,
            cost=self._budget.cost,
        )

    async def plan(self) -> RestorePlan:
        """Return what ``run`` would ask for without any job; nothing is asked for or written."""
        tree, run = await self._find()
        is_there = await anyio.Path(self._root).is_dir()
        placer = await run_in_thread(partial(self._open_placer, is_made=False)) if is_there else None
        try:
            return await self._planner(tree, run).plan(placer)
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
        catalog = self._context.catalog
        number = await catalog.runs.begin(
            tree, "restore", {"patterns": list(self._options.selection.patterns)}, target=self._root
        )
        try:
            with first_cause():
                async with self._context.spending(self._budget):
                    await self._run(tree, run, placer)
        except BaseException as error:
            with anyio.move_on_after(5, shield=True):
                outcome = outcome_of(error)
                await catalog.runs.end(tree, number, counters=self._told(), outcome=outcome)
            raise
        finally:
            placer.close()
        await catalog.runs.end(tree, number, counters=self._told())
        return self.snapshot()

    # --- what is asked for

    async def _find(self) -> tuple[TreeRecord, RunNumber | None]:
        catalog = self._context.catalog
        trees = await catalog.trees.list(self._context.key)
        wanted = self._options.folder
        if wanted is not None:
            root = await run_in_thread(partial(os.path.realpath, wanted))
            trees = [tree for tree in trees if tree.root in {wanted, root}]
        if len(trees) > 1:
            trees = [tree for tree in trees if tree.host in {machine_name(), ""}] or trees
        if len(trees) != 1:
            names = ", ".join(f"{tree.root!r} of {tree.host or 'an unknown machine'}" for tree in trees)
            vault = self._context.name
            raise ConfigurationError(
                f"the catalog knows several folders in vault {vault!r}: {names}; say which with --folder"
                if trees
                else f"the catalog knows no such folder in vault {vault!r}; 'sync' takes one there"
            )
        await drop_fruitless_versions(self._context, trees[0])
        at = self._options.selection.at
        if at is None:
            return trees[0], None
        run = await catalog.runs.find(trees[0], at)
        if run is None:
            raise ConfigurationError(f"{trees[0].root!r} was not in the vault yet at {at}")
        return trees[0], run

    def _planner(self, tree: TreeRecord, run: RunNumber | None) -> RestorePlanner:
        return RestorePlanner(self._context, tree, run, self._options, self._budget.prices)

    def _open_placer(self, *, is_made: bool) -> Placer:
        root = os.fsencode(self._root)
        try:
            if is_made:
                os.makedirs(root, 0o700, exist_ok=True)  # noqa: PTH103
                try:
                    return self._new_placer()
                except PermissionError:
                    open_up(root)
            return self._new_placer()
        except OSError as error:
            raise TargetError(
                f"the folder {self._root!r} cannot be used: {error.strerror}", path=self._root
            ) from error

    def _new_placer(self) -> Placer:
        return Placer(os.fsencode(self._root), overwrite=self._options.overwrite, notices=self._refused)

    # --- doing it

    async def _run(self, tree: TreeRecord, run: RunNumber | None, placer: Placer) -> None:
        existing = ExistingJobs()
        planner = self._planner(tree, run)
        outline = self._outline = Outline(
            self._context.catalog.entries,
            tree,
            run,
            placer,
            planner,
            done=self._done,
            failures=self._failures,
        )
        plan = await planner.plan(placer)
        if planner.is_barred:
            await outline.open_folders()
            plan = await planner.plan(placer)
        if plan.retrievals:
            existing = await ExistingJobs.look(self._vault)
        if any(retrieval.archive_id in existing.ranges for retrieval in plan.retrievals):
            plan = await planner.plan(placer, existing.ranges)
        self._budget.check(plan.cost, "this restore")
        await self._check_room(plan, placer)
        self._plan = plan
        self._check_identities(planner, plan)
        self._older = planner.older
        for path, reason in planner.lost.items():
            shown = os.fsdecode(path)
            error = NotStoredError(f"{shown!r} cannot be restored: {reason}")
            error.file = shown
            self._failures.add(path, error)
        await outline.make_first()
        self._fetcher = Fetcher(
            self._vault,
            tree,
            run,
            root=os.fsencode(self._root),
            open_placer=self._new_placer,
            existing=existing,
            options=self._options,
            prices=self._budget.prices,
            detached=planner.detached,
            paths_of=planner.paths_of,
            done=self._done,
            fail=self._failures.add,
        )
        await self._fetcher.refuse(planner.unreadable)
        await self._fetcher.run(plan.retrievals)
        await outline.make_links(are_files_left=bool(self._fetcher.left))
        await outline.finish_folders()

    async def _check_room(self, plan: RestorePlan, placer: Placer) -> None:
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

    def _check_identities(self, planner: RestorePlanner, plan: RestorePlan) -> None:
        """Refuse to pay for files that could not be decrypted then.

        Raises:
            ConfigurationError: They are encrypted, and no identity can fit.
        """
        if not plan.is_encrypted:
            return
        if self._options.identities is None:
            raise no_identity()
        if planner.unreadable and not plan.retrievals:
            raise ConfigurationError(
                f"what is to be restored was encrypted to {', '.join(sorted(planner.others))}, and no "
                "identity given is one of theirs; nothing was asked for"
            )

    def _done(self, count: int, size: int) -> None:
        self._restored += count
        self._restored_size += size

    def _told(self) -> dict[str, Any]:
        snapshot = self.snapshot()
        return {name: getattr(snapshot, name) for name in RestoreSnapshot.__dataclass_fields__}
