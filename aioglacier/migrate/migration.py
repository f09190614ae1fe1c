"""Moves a vault's archives to a bucket.

Each archive passes through the states of ``MoveState``. The catalog records a state before its step is taken,
so a run may be killed at any moment and the next run continues: it pays for no job twice, and sends no
recorded part again. Each proven archive has a line in the manifest. Nothing is deleted here.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.archive_source import VaultSource
from aioglacier.bulk.archives.aws_names import counted_aws_names
from aioglacier.bulk.archives.move_plan import foresee, make_plan, opened_move
from aioglacier.bulk.archives.move_run import CARRIERS, MoveRun, PaceOptions
from aioglacier.bulk.archives.output_run import OutputSpreader
from aioglacier.bulk.archives.planned_move import ArchivesSnapshot, PlannedMove
from aioglacier.bulk.archives.safe_names import names_of
from aioglacier.bulk.pricing import load_prices
from aioglacier.core.checks import check_choice
from aioglacier.core.errors import GlacierError, InvalidPlanError
from aioglacier.core.limits import MIB
from aioglacier.core.s3.object_checks import check_owner, check_settings
from aioglacier.core.s3.objects import ObjectSettings, StorageClass
from aioglacier.migrate.bucket_carrier import BucketCarrier
from aioglacier.migrate.bucket_checks import check_bucket, look_at_bucket, rehearse
from aioglacier.migrate.bucket_target import BucketMove, BucketTarget
from aioglacier.migrate.bundling import Bundling
from aioglacier.migrate.move_costs import Classes, CostMeter, bundle_capacity
from aioglacier.migrate.move_manifest import BucketManifest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from aioglacier.bulk.archives.move_plan import ArchivePlan
    from aioglacier.bulk.archives.size_rules import SizeRule
    from aioglacier.catalog.records import MoveRecord
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive
    from aioglacier.core.spending import Budget
    from aioglacier.migrate.move_costs import ClassPrices, TargetCosts

#: During a run, new lines are written once there are a full segment of them; the seconds between two checks.
_LINES = 1000
_LOOK_SECONDS = 60.0

#: Archives that other processes move at once; each may be one short task.
_SPREAD_CARRIERS: Final = 32


@dataclass(frozen=True, slots=True)
class MigrationOptions:
    """The options of a migration.

    Attributes:
        archives: The archives to move; by default all, including those of folders and streams.
        pace: The pace of the requests to the vault.
        rules: Rules for the storage class of an archive; the first that fits its size applies.
        names: "description" names objects as ``restore`` names files, "id" by the archives' ids, "aws" as
            AWS's own tool does. With "aws", an object that this tool made is compared with its archive, and
            taken over.
        takes_tags: Give each object the tags of the vault.
        bundle_up_to: Store archives of at most so many bytes together, in bundles of the size of a part; 0
            makes each archive an object.
        scratch: A folder for parts larger than a sixteenth of the memory; it holds at most two at once.
    """

    archives: ArchiveOptions = field(default_factory=lambda: ArchiveOptions(with_folders=True))
    pace: PaceOptions = field(default_factory=PaceOptions)
    rules: Sequence[SizeRule[StorageClass]] = ()
    names: str = "description"
    takes_tags: bool = False
    bundle_up_to: int = 0
    scratch: str | os.PathLike[str] | None = None


class Migration(PlannedMove):
    """One migration of a vault to a bucket, to be run once; ``snapshot`` shows how far it is.

    ``bucket`` may belong to another connection, with credentials and a region of its own. It needs a storage
    class and an owner. ``prices`` returns the prices of a storage class in the bucket's region; the default
    returns those of the vault's region, from the list in the package.

    Attributes:
        costs: The costs at the bucket, once there is a plan.
    """

    def __init__(
        self,
        vault: Vault,
        bucket: Bucket,
        budget: Budget,
        options: MigrationOptions | None = None,
        prices: ClassPrices | None = None,
    ) -> None:
        super().__init__(budget)
        self._vault = vault
        self._context = vault.context.recorded()
        self._bucket = bucket
        self._options = options or MigrationOptions()
        self.costs: TargetCosts | None = None
        if self._options.names not in _NAMES:
            raise InvalidPlanError(f"names are by description, id or aws, not {self._options.names!r}")
        if bucket.storage_class is None:
            raise InvalidPlanError("name a storage class for the bucket, such as DEEP_ARCHIVE")
        storage_class = check_choice("storage class", StorageClass, bucket.storage_class)
        # Every archive asks for its prices, so each list is read only once.
        read = cache(prices or (lambda chosen: load_prices(budget.prices.region, storage_class=chosen)))
        self._classes = Classes(storage_class, self._options.rules, read)
        self._check_bundles()

    def _check_bundles(self) -> None:
        up_to, capacity = self._options.bundle_up_to, bundle_capacity(self._memory)
        if up_to and self._options.names == "aws":
            raise InvalidPlanError("AWS's own tool makes no bundles; bundle archives under other names")
        if up_to and self._memory < 4 * capacity:
            raise InvalidPlanError(f"bundles need a memory limit of {4 * capacity // MIB} MiB at least")
        if up_to * 4 > capacity:
            raise InvalidPlanError(
                f"bundles have {capacity // MIB} MiB with this memory limit, and take archives of at most a "
                f"fourth of that, not of {up_to} bytes; bundle up to {capacity // 4 // MIB} MiB, or allow "
                "more memory"
            )

    @property
    def _memory(self) -> int:
        return self._bucket.context.resources.buffers.limit

    async def look_at_bucket(self) -> list[str]:
        """Return sentences about what the bucket's owner should know or change before archives move.

        Raises:
            BucketNotFoundError: There is no such bucket.
            AccessDeniedError: Another account owns it, or it may not be used.
        """
        return await look_at_bucket(self._bucket, await BucketTarget.of(self._bucket))

    async def plan(self) -> ArchivePlan:
        """Return the plan of ``run`` without requesting, writing or recording anything."""
        target, options, meter = await BucketTarget.of(self._bucket), self._options, self._meter()
        plan = await foresee(
            self._context,
            target.url,
            options.archives,
            self._budget.prices,
            options.pace,
            meter=meter.count_record,
        )
        self.costs = meter.total(plan, options.pace.per_day)
        return plan

    def _meter(self) -> CostMeter:
        options = self._options
        return CostMeter(
            self._budget.prices,
            self._classes,
            self._memory,
            has_scratch=options.scratch is not None,
            bundle_up_to=options.bundle_up_to,
        )

    async def run(self) -> ArchivesSnapshot:
        """Move the archives that the bucket lacks. It may be stopped or killed at any moment, and run again.

        Raises:
            InvalidPlanError: The bucket has no owner. Nothing was requested.
            ConfigurationError: No archive is selected, or a pattern or an id matches none.
            AccessDeniedError: The bucket may not be used. Nothing was requested.
            CostLimitError: It would cost more than is allowed. Nothing more was requested.
            GlacierError: The rest cannot be moved. Errors of single archives are in ``failures`` instead.
        """
        target = await BucketTarget.of(self._bucket)
        if check_owner(target.ref.owner) is None:
            raise InvalidPlanError(
                "name the account that owns the bucket, or another one might get the archives"
            )
        await self._context.look()
        manifest, options = BucketManifest(target, self._vault.name), self._options
        tags = await self._vault.tags.get() if options.takes_tags else {}
        settings = check_settings(ObjectSettings(storage_class=self._classes.default, tags=tags))
        await check_bucket(target)
        if self._budget.limit is not None:  # the rehearsal costs something, too
            self._budget.check((await self.plan()).cost, "this migration")
        # Before any job is paid for: otherwise a missing right shows hours later, when outputs arrive.
        await rehearse(target, manifest.folder, tags)
        async with opened_move(self._context, target.url, options.archives, naming=options.names) as move:
            meter = self._meter()
            with _NAMES[options.names]() as name:
                plan = await make_plan(
                    self._context,
                    move,
                    options.archives,
                    self._budget.prices,
                    options.pace,
                    meter=meter.count_record,
                    name=name,
                    has_folders=options.names != "aws",  # its keys stay, even if one is the folder of another
                )
            self.costs = meter.total(plan, options.pace.per_day)
            self._plan = plan
            plan.check()  # nothing is paid for yet, so a refusal costs nothing
            self._budget.check(plan.cost, "this migration")
            work = BucketMove(self._context, move, target, settings, self._classes, self._progress)
            bundling = Bundling(work, options.bundle_up_to)
            carrier = BucketCarrier(work, bundling)
            carrier.takes_over, carrier.scratch = options.names == "aws", options.scratch
            carriers = CARRIERS
            runner = target.resources.runner
            # Workers have one chain of credentials, so both places must be of one connection.
            if (
                runner is not None
                and runner is self._context.resources.runner
                and plan.size >= runner.smallest
            ):
                carrier.spreader, carriers = OutputSpreader(runner), _SPREAD_CARRIERS
            run = MoveRun(
                VaultSource(self._vault),
                move,
                options.pace,
                carrier,
                self._progress,
                options.archives.shard,
                carriers,
            )
            await self._run(run, bundling, move, manifest)
        return self.snapshot()

    async def _run(
        self, run: MoveRun, bundling: Bundling, move: MoveRecord, manifest: BucketManifest
    ) -> None:
        """Run, and write the manifest during the run and after it, even if the run fails."""
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:

            async def write_meanwhile() -> None:
                while True:
                    await anyio.sleep(_LOOK_SECONDS)
                    await self._write_lines(manifest, move, least=_LINES)

            tasks.start_soon(write_meanwhile)
            try:
                # The manifest is written whatever it costs, so only the run spends from the budget.
                async with self._context.spending(self._budget), bundling.under_way():
                    await run.run()
            except GlacierError as error:  # archives proven until then still get their lines
                failure = error
            tasks.cancel_scope.cancel()
        # After the group: two writers would choose the same name for a segment.
        await self._write_lines(manifest, move)
        if failure is not None:
            raise failure

    async def _write_lines(self, manifest: BucketManifest, move: MoveRecord, *, least: int = 1) -> None:
        context = self._context
        # Two shards would write segments that overlap.
        async with context.catalog.lock_source(context.key, f"manifest in {move.target}", waits=True):
            await manifest.write_new(context.catalog.manifest_lines, move, least=least)


def _ids(archive: Archive) -> Sequence[str]:
    return (archive.id,)


#: The functions that name an archive, by ``MigrationOptions.names``, each for one plan: that of AWS counts.
_NAMES: Final[Mapping[str, Callable[[], AbstractContextManager[Callable[[Archive], Sequence[str]]]]]] = {
    "description": lambda: nullcontext(names_of),
    "id": lambda: nullcontext(_ids),
    "aws": counted_aws_names,
}
