"""Restores archives that no ``sync`` made to a folder, under the names in their descriptions.

The catalog keeps the plan: the archives, their names, and the state of each. So a restore may be stopped at
any moment, and the same call continues it, even days later. A file gets its name once every byte is verified
and on disk.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.archive_source import VaultSource
from aioglacier.bulk.archives.move_plan import foresee, make_plan, opened_move
from aioglacier.bulk.archives.move_run import MoveRun, PaceOptions
from aioglacier.bulk.archives.planned_move import PlannedMove
from aioglacier.bulk.path_failures import PathFailures
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.placer import Placer
from aioglacier.catalog.folders.entry_records import Entry, storable_time
from aioglacier.catalog.records import MoveState
from aioglacier.client.vault import Vault
from aioglacier.core.errors import GlacierError, TargetError
from aioglacier.core.inventory.descriptions import decode
from aioglacier.core.spending import Budget
from aioglacier.files.crashpoints import passing
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.bulk.archives.archive_source import ArchiveSource
    from aioglacier.bulk.archives.move_plan import ArchivePlan
    from aioglacier.bulk.archives.planned_move import ArchivesSnapshot
    from aioglacier.bulk.archives.restore_meter import ClassPrices
    from aioglacier.catalog.records import MovedRecord, MoveRecord
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.tasks.shard import Shard

T = TypeVar("T")

#: Permissions of files: descriptions hold none, and the content may be private.
_MODE: Final = 0o600


class ArchiveRestore(PlannedMove):
    """One restore of archives to one folder, to be run once; ``snapshot`` shows how far it is.

    ``days`` is the life of the copies that a bucket restores, and ``prices`` returns the prices of a storage
    class there; by default they are those of the budget's region, from the list in the package.
    """

    def __init__(
        self,
        place: Vault | Bucket,
        directory: str | os.PathLike[str],
        budget: Budget,
        options: ArchiveOptions | None = None,
        pace: PaceOptions | None = None,
        *,
        overwrite: bool = False,
        days: int = 3,
        prices: ClassPrices | None = None,
    ) -> None:
        super().__init__(budget)
        self._source = _source_of(place, prices or partial(load_prices, budget.prices.region), days)
        self._context = self._source.context
        self._root = os.path.abspath(os.fsdecode(directory))  # noqa: PTH100  # of any bytes
        self._options = options or ArchiveOptions()
        self._pace = pace or PaceOptions()
        self._overwrite = overwrite

    async def plan(self) -> ArchivePlan:
        """Return the plan of ``run`` without requesting archives or writing anything."""
        looks = Budget(self._budget.prices)
        async with self._context.spending(looks):
            await self._learn()
        plan = await self._priced(partial(foresee, self._context, self._root))
        plan.cost += looks.cost  # a run without this look before it looks for itself
        return plan

    async def _priced(self, make: Callable[..., Awaitable[ArchivePlan]]) -> ArchivePlan:
        """Return the plan that ``make`` makes, with the costs of the source."""
        meter = self._source.meter()
        if meter is None:
            return await make(self._options, self._budget.prices, self._pace)
        plan = await make(self._options, None, self._pace, meter=meter.count)
        plan.cost = meter.cost
        return plan

    async def run(self) -> ArchivesSnapshot:
        """Restore the files that the folder lacks. It may be stopped or killed at any moment, and run again.

        Raises:
            ConfigurationError: Nothing is selected, or a pattern or an id matches no archive.
            TargetError: The folder cannot be made or has no room. Nothing was requested.
            CostLimitError: It would cost more than is allowed. Nothing more was requested.
            UploadLockedError: Another process restores to the same folder.
            GlacierError: The rest cannot be restored. Errors of single archives are in ``failures`` instead.
        """
        async with self._context.spending(self._budget):
            await self._run()
        return self.snapshot()

    async def _learn(self) -> None:
        await self._context.look()
        self._progress.failures = PathFailures()  # a run after a plan counts them once
        for failure in await self._source.learn():
            self._progress.failures.add(*failure)

    async def _run(self) -> None:
        await self._learn()
        async with opened_move(self._context, self._root, self._options) as move:
            carrier = _FolderCarrier(self._source, move, os.fsencode(self._root), overwrite=self._overwrite)
            # First, because the plan counts every proven file as done.
            await carrier.look_again(self._options.shard)
            plan = await self._priced(partial(make_plan, self._context, move))
            self._plan = plan
            self.check(plan)
            self._budget.check(plan.cost, "this restore")
            await run_in_thread(self._make_root)
            await run_in_thread(partial(self._check_room, plan.size))  # before any job is paid for
            shard = self._options.shard
            await MoveRun(self._source, move, self._pace, carrier, self._progress, shard).run()

    def _make_root(self) -> None:
        try:
            os.makedirs(self._root, 0o700, exist_ok=True)  # noqa: PTH103  # of any bytes
        except OSError as error:
            raise TargetError(
                f"the folder {self._root!r} cannot be used: {error.strerror}", path=self._root
            ) from error

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(os.fsdecode(self._root)).free
        if size > free:
            raise TargetError(
                f"{self._root!r} has {free} bytes free, and {size} are to be restored; nothing was asked for",
                path=self._root,
                needed=size,
                free=free,
            )


def _source_of(place: Vault | Bucket, prices: ClassPrices, days: int) -> ArchiveSource:
    if isinstance(place, Vault):
        return VaultSource(place)
    from aioglacier.bulk.archives.bucket_source import BucketSource  # noqa: PLC0415  # most have no bucket

    return BucketSource(place, prices, days)


class _FolderCarrier:
    """Puts archives into a folder, never outside it."""

    def __init__(self, source: ArchiveSource, move: MoveRecord, root: bytes, *, overwrite: bool) -> None:
        self._source = source
        self._moves = source.context.catalog.moves
        self._move = move
        self._root = root
        self._overwrite = overwrite

    async def look_again(self, shard: Shard) -> None:
        """Plan those archives of a shard again whose files have left the folder."""
        async for moved in self._moves.list_moved(self._move, (MoveState.PROVEN,), shard=shard):
            try:
                is_there = await self._with_placer(partial(Placer.is_there, entry=as_file(moved)))
            except GlacierError:
                is_there = False  # another file is there, which the run reports
            if not is_there:
                await self._moves.record(moved, MoveState.PLANNED)

    async def is_there(self, moved: MovedRecord) -> bool:
        """See ``Carrier``."""
        if not await self._with_placer(lambda placer: placer.is_there(as_file(moved))):
            return False
        await self._moves.record(moved, MoveState.PROVEN)
        return True

    async def carry(self, moved: MovedRecord) -> bool:
        """See ``Carrier``."""
        entry = as_file(moved)
        folder, way, name = await self._with_placer(lambda placer: placer.open_big(entry.path))
        try:
            # It overwrites only its own hidden file; ``place_big`` decides about a file of that name.
            await self._source.download(moved, f"{way}/{os.fsdecode(name)}")
            await self._with_placer(lambda placer: placer.place_big(entry, entry.path, folder))
        finally:
            os.close(folder)
        passing("archive placed")
        await self._moves.record(moved, MoveState.PROVEN)
        return True

    async def _with_placer(self, use: Callable[[Placer], T]) -> T:
        """Call a function with a placer of its own, in a thread."""
        # Kept open, a placer would hold folders for the hours that jobs take.

        def call() -> T:
            with closing(Placer(self._root, overwrite=self._overwrite)) as placer:
                return use(placer)

        try:
            return await run_in_thread(call)
        except OSError as error:
            raise TargetError(
                f"{os.fsdecode(self._root)!r} cannot be written: {error.strerror or error}",
                path=os.fsdecode(self._root),
            ) from error


def as_file(moved: MovedRecord) -> Entry:
    """Return the file that an archive becomes."""
    archive = moved.archive
    modified = decode(archive.description).modified or archive.created
    return Entry(  # 0 for facts that only a scan of a folder has
        tree=0,
        path=os.fsencode(moved.name),
        since=0,
        kind="file",
        size=archive.size,
        mtime_ns=storable_time(int(modified.timestamp()) * 1_000_000_000),  # a description may say any year
        ctime_ns=0,
        inode=0,
        device=0,
        mode=_MODE,
        uid=os.geteuid() if hasattr(os, "geteuid") else 0,
        gid=os.getegid() if hasattr(os, "getegid") else 0,
        content_hash=archive.tree_hash,
    )
