"""Restore a folder from a vault or a bucket.

``FolderRestore`` first makes the paths without content of their own: folders, links, empty files. Then it
restores the contents, archive by archive: it plans ranges, starts jobs ahead, and puts files into their
places. It makes hard links next. Folders get their times last, because each file that comes into one changes
them.

If the service does not have an archive, the catalog marks it as suspect, and the restore plans its paths
again: each comes back as the newest version that is left, or is reported by name.

A restore has no record of its own. The files in their places show what is left to do, and the service's list
of jobs shows what was requested. So it may be stopped at any moment.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from aioglacier.bulk.formats.age import no_identity
from aioglacier.bulk.places.any_place import as_folder_place
from aioglacier.bulk.restore.fetcher import Fetcher
from aioglacier.bulk.restore.folder_version import FolderVersion
from aioglacier.bulk.restore.outline import Outline
from aioglacier.bulk.restore.placer import Placer, open_up
from aioglacier.bulk.restore.restore_options import RestoreOptions
from aioglacier.bulk.restore.restore_plan import RestorePlan, plan_restore
from aioglacier.bulk.restore.restore_progress import RestoreProgress
from aioglacier.bulk.settling import recording_run
from aioglacier.core.errors import ConfigurationError, GlacierError, NotStoredError, TargetError
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from aioglacier.bulk.path_failures import PathFailure
    from aioglacier.catalog.folders.entry_records import StoredEntry
    from aioglacier.client.buckets.bucket import Bucket
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
        place: Vault | Bucket,
        directory: str | os.PathLike[str],
        budget: Budget,
        options: RestoreOptions | None = None,
    ) -> None:
        self._options = options or RestoreOptions()
        self._place = as_folder_place(place)
        self._context = self._place.context
        self._root = os.path.abspath(os.fsdecode(directory))  # noqa: PTH100  # of any bytes
        self._budget = budget
        self._plan: RestorePlan | None = None
        self._progress = RestoreProgress()
        self._retriever = self._place.retriever(self._options.tier, self._options.days)

    @property
    def failures(self) -> list[PathFailure]:
        """Paths that are not in their places, each with its error; the first thousand."""
        return self._progress.failures.kept

    @property
    def notices(self) -> list[str]:
        """Return sentences about paths that differ from what was archived."""
        return list(self._progress.notices())

    def snapshot(self) -> RestoreSnapshot:
        """Return the counters now."""
        plan, progress = self._plan, self._progress
        return RestoreSnapshot(
            files=plan.files if plan else 0,
            size=plan.size if plan else 0,
            there=(plan.there if plan else 0) + progress.there,
            restored=progress.restored,
            restored_size=progress.restored_size,
            failed=progress.failures.count,
            jobs=len(plan.retrievals) if plan else 0,
            jobs_started=self._retriever.started,
            jobs_waited_for=progress.waiting,
            jobs_left=progress.left,
            fetched=progress.fetched,
            cost=self._budget.cost,
        )

    async def plan(self) -> RestorePlan:
        """Return the plan of ``run``. It requests and writes nothing.

        Paths that the run could not bring back are in ``failures``, older versions of others in ``notices``.
        """
        await self._retriever.learn()
        version = await FolderVersion.find(self._context, self._options)
        is_there = await anyio.Path(self._root).is_dir()
        placer = await run_in_thread(partial(self._open_placer, is_made=False)) if is_there else None
        self._progress = RestoreProgress()
        try:
            plan = await self._make_plan(version, placer)
            await self._note_refused(version, plan, placer)
        finally:
            if placer is not None:
                placer.close()
        self._note_older_and_lost(version)
        return plan

    async def run(self) -> RestoreSnapshot:
        """Bring back what is not there. It may be stopped or killed at any moment, and run again.

        Raises:
            TargetError: The folder cannot be made or has no room. Nothing was asked for.
            CostLimitError: It would cost more than is allowed. Nothing more was asked for.
            GlacierError: What keeps the rest from being brought back. Single files that cannot be are in
                ``failures`` instead.
        """
        self._progress = RestoreProgress()  # a plan before may have noted the same failures
        await self._place.look()
        version = await FolderVersion.find(self._context, self._options)
        placer = await run_in_thread(partial(self._open_placer, is_made=True))
        settings = {"patterns": list(self._options.selection.patterns)}
        run = recording_run(
            self._context,
            version.tree,
            "restore",
            settings,
            lambda: asdict(self.snapshot()),
            target=self._root,
        )
        with closing(placer):
            async with run, self._context.spending(self._budget):
                with first_cause():
                    await self._run(version, placer)
        return self.snapshot()

    async def _run(self, version: FolderVersion, placer: Placer) -> None:
        outline = Outline(version, placer, self._progress)
        before = self._budget.cost
        await self._retriever.learn()
        plan = await self._make_plan(version, placer)
        if plan.is_barred:  # a former run has given folders permissions that keep even their owner out
            await outline.open_folders()
            plan = await self._make_plan(version, placer)
        if plan.retrievals:
            await self._retriever.look()
        # The ranges of jobs that exist are cheaper than ours.
        if any(retrieval.archive_id in self._retriever.ranges for retrieval in plan.retrievals):
            plan = await self._make_plan(version, placer, looks_through=False)
        looked = self._budget.cost - before  # the plan counts the look, too
        self._budget.check(plan.cost - looked, "this restore")
        await self._check_room(plan, placer)  # before anything is paid for
        self._check_identities(plan)  # nor is anything that could not be decrypted
        self._plan = plan
        await self._note_refused(version, plan, placer)
        await outline.make_first()  # folders must be there before files come
        fetcher = Fetcher(
            self._context,
            version,
            self._retriever,
            self._new_placer,
            self._options,
            self._progress,
            gap=self._budget.prices.worthwhile_gap(self._options.tier),
        )
        await fetcher.run(plan.retrievals, is_fresh=plan.is_fresh)
        while fetcher.has_lost:  # older versions of the same paths may be stored
            await fetcher.run((await self._make_plan(version, placer)).retrievals)
        self._note_older_and_lost(version)
        await outline.make_links(are_files_left=bool(self._progress.left))  # their files are in place now
        await outline.finish_folders()  # last: each file that comes into a folder changes its times
        await run_in_thread(placer.sync)  # links, and all of folders

    async def _make_plan(
        self, version: FolderVersion, placer: Placer | None, *, looks_through: bool = True
    ) -> RestorePlan:
        if placer is not None and await run_in_thread(placer.is_empty):
            placer = None  # no path need be looked for in its place
        return await plan_restore(
            version, placer, self._options, self._budget.prices, self._retriever, looks_through=looks_through
        )

    async def _note_refused(self, version: FolderVersion, plan: RestorePlan, placer: Placer | None) -> None:
        """Report the paths whose places are taken, and those that no identity decrypts."""
        for failure in plan.taken:
            self._progress.failures.add(*failure)
        error = ConfigurationError("it was encrypted to others: none of the identities opens it")
        for retrieval in plan.unreadable:
            async for page in version.members(retrieval):
                for path in await run_in_thread(partial(_missing_paths, version, page, placer)):
                    self._progress.failures.add(path, error)

    def _note_older_and_lost(self, version: FolderVersion) -> None:
        """Report the paths of which no version, or not the newest one, is stored."""
        self._progress.older = version.older
        for path, reason in version.lost.items():
            shown = os.fsdecode(path) or "."
            error = NotStoredError(f"{shown!r} cannot be restored: {reason}")
            error.file = shown
            self._progress.failures.add(path, error)

    # --- the target

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
        return Placer(
            os.fsencode(self._root), overwrite=self._options.overwrite, notices=self._progress.refused
        )

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

    def _check_identities(self, plan: RestorePlan) -> None:
        """Refuse to pay for files that could not be decrypted then."""
        if not plan.is_encrypted:
            return
        if self._options.identities is None:
            raise no_identity()
        if plan.unreadable and not plan.retrievals:
            raise ConfigurationError(
                f"what is to be restored was encrypted to {', '.join(sorted(plan.others))}, and no "
                "identity given is one of theirs; nothing was asked for"
            )


def _missing_paths(version: FolderVersion, page: list[StoredEntry], placer: Placer | None) -> list[bytes]:
    """Return the paths of files that are not in their places; a plan has those whose places are taken."""
    missing = []
    for stored in page:
        path = version.paths_of(stored.entry)[0]
        with suppress(GlacierError, OSError):
            if placer is None or not placer.is_there(stored.entry, path):
                missing.append(path)
    return missing
