"""The plan of a move: the archives that go to a target, their names there, and the cost."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.archives.archive_choice import ArchiveChoice
from aioglacier.bulk.archives.move_run import ON_THE_WAY
from aioglacier.bulk.archives.object_origin import told
from aioglacier.bulk.archives.safe_names import is_escaped, names_of
from aioglacier.catalog.moves.moves import MoveTotals, Named
from aioglacier.catalog.records import MoveState
from aioglacier.core.errors import ConfigurationError
from aioglacier.recorded.shard_locks import hold_shard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aioglacier.bulk.archives.archive_choice import ArchiveOptions
    from aioglacier.bulk.archives.archive_source import Meter
    from aioglacier.bulk.archives.move_run import PaceOptions
    from aioglacier.catalog import ArchiveRecord
    from aioglacier.catalog.records import MoveRecord
    from aioglacier.core.models import Archive, Tier
    from aioglacier.core.prices import Prices
    from aioglacier.recorded.buckets.recorded_bucket import RecordedBucket
    from aioglacier.recorded.vault_context import RecordedVault
    from aioglacier.tasks.shard import Shard

#: Names, or patterns without a match, that one message lists.
_TOLD: Final = 20

#: Archives that were deleted in the vault count, too: the target has them.
_DONE: Final = (MoveState.PROVEN, MoveState.DELETING, MoveState.DELETED)


@dataclass(slots=True)
class ArchivePlan:
    """The work and the cost of a restore or a move of archives.

    Attributes:
        place, seen: The vault or the bucket, and how many archives it has on record.
        archives, size: Archives that are selected and not at the target, and their bytes.
        asked, asked_size: Those of them whose job an earlier run requested, and their bytes.
        done: Archives that are at the target.
        elsewhere: Archives that other shards bring; no other field counts them.
        of_folders, suspect: Archives left out, see ``ArchiveChoice``.
        unmatched: Patterns and ids that match no archive.
        jobs: The archives whose job is to be requested, and their bytes, by tier.
        cost: The cost of retrieving and downloading, by the price list; of a migration, also of requests to
            S3 and of the storage there for the minimum time of its class.
        renamed: Archives that get another name than their description says.
        names: The first of those, each with the name that it gets.
    """

    place: str = ""
    seen: int = 0
    archives: int = 0
    size: int = 0
    asked: int = 0
    asked_size: int = 0
    done: int = 0
    elsewhere: int = 0
    of_folders: int = 0
    suspect: int = 0
    unmatched: list[str] = field(default_factory=list)
    jobs: dict[Tier, MoveTotals] = field(default_factory=dict)
    cost: float = 0.0
    renamed: int = 0
    names: list[tuple[str, str]] = field(default_factory=list)

    @property
    def to_ask(self) -> int:
        """The number of jobs to request."""
        return sum(sums.archives for sums in self.jobs.values())

    def check(self) -> None:
        """Refuse a plan that selects nothing, or whose patterns or ids match no archive.

        Raises:
            ConfigurationError: Nothing is selected, or a pattern or an id matches no archive.
        """
        if self.unmatched:
            named = ", ".join(repr(each) for each in self.unmatched[:_TOLD])
            raise ConfigurationError(
                f"no archive on record for {self.place} meets {named}; read the inventory of a vault, or "
                "choose by other patterns: as in a .gitignore, '*.jpg' anywhere, /2024/ at the top"
            )
        if self.archives or self.done or self.elsewhere:
            return
        if not self.seen:
            raise ConfigurationError(
                f"no archive is on record for {self.place}; if it is a vault, read its inventory first"
            )
        left_out = (
            f" ({self.of_folders} of folders left out: see 'catalog recover')" if self.of_folders else ""
        )
        raise ConfigurationError(
            f"none of the {self.seen:,} archives on record for {self.place} is selected{left_out}; choose by "
            "other conditions"
        )

    def notices(self) -> list[str]:
        """Return sentences about archives that were left out or have other names."""
        # A path of Windows is shown as it is written, a control character as an escape.
        found = [f"{said!r} gets the name {name!r}".replace(r"\\", "\\") for said, name in self.names]
        if self.renamed > len(self.names):
            found.append(f"{self.renamed - len(self.names):,} more have other names than their descriptions")
        if self.of_folders:
            found.append(f"archives of folders and streams are left out: {self.of_folders:,}")
        if self.suspect:
            found.append(
                f"archives that the last inventory contradicts are left out as suspect: {self.suspect:,}"
            )
        return found


@asynccontextmanager
async def opened_move(
    context: RecordedVault | RecordedBucket,
    target: str,
    options: ArchiveOptions,
    *,
    naming: str = "description",
) -> AsyncIterator[MoveRecord]:
    """Open the move of a vault to a target for one process at a time, or one for each shard.

    If the selection or the naming has changed since the last run, only the part of the plan that is paid for
    is kept. Otherwise the whole plan is kept, because planning a million archives takes minutes.

    Raises:
        UploadLockedError: Another process has it.
        ShardMismatchError: Other shards are at work, of another number or with another selection.
        ConfigurationError: A shard needs a catalog that all of them share.
    """
    catalog, key, shard = context.catalog, context.key, options.shard
    moves, settings = catalog.moves, options.settings() | {"names": naming}

    async def begin(_former: object) -> MoveRecord:
        before = await moves.find(key, target)  # first, because ``open`` replaces the settings
        move = await moves.open(key, target, settings)
        await moves.plan_failed(move, shard)  # each run tries failed archives once more
        if before is not None and before.settings != settings:
            await moves.forget_planned(move)
        return move

    async with hold_shard(catalog, key, f"move to {target}", shard, begin, settings) as move:
        yield move


async def foresee(
    context: RecordedVault | RecordedBucket,
    target: str,
    options: ArchiveOptions,
    prices: Prices | None,
    pace: PaceOptions,
    *,
    meter: Meter | None = None,
) -> ArchivePlan:
    """Return the plan of a move without recording or requesting anything.

    Without ``prices``, the cost is that of the meter alone.
    """
    move = await context.catalog.moves.find(context.key, target)
    plan, choice = ArchivePlan(context.name), ArchiveChoice(options)
    async for selected in choice.pages(context):
        page = _take_shard(selected, options.shard, plan)
        known = await context.catalog.moves.known(move, page) if move is not None else {}
        for record in page:
            _count(plan, record, known.get(record.number), pace, meter)
    return _finish(plan, choice, prices)


async def make_plan(
    context: RecordedVault | RecordedBucket,
    move: MoveRecord,
    options: ArchiveOptions,
    prices: Prices | None,
    pace: PaceOptions,
    *,
    meter: Meter | None = None,
    name: Callable[[Archive], Sequence[str]] = names_of,
    has_folders: bool = True,
) -> ArchivePlan:
    """Record the archives that are selected and not part of the move yet, with their names."""
    moves = context.catalog.moves
    plan, choice = ArchivePlan(context.name), ArchiveChoice(options)
    async for selected in choice.pages(context):
        # All of them, although other shards bring some: a name may depend on those before.
        names_by_number = {record.number: name(told(record)) for record in selected}
        page = _take_shard(selected, options.shard, plan)
        known = await moves.known(move, page)
        new = [Named(each, names_by_number[each.number]) for each in page if each.number not in known]
        # One transaction for each page: a kill leaves whole pages, which the next run finds as known.
        names = await moves.plan(move, new, has_folders=has_folders)
        for each, given in zip(new, names, strict=True):
            _note_name(plan, told(each.archive), given)
        for record in page:
            _count(plan, record, known.get(record.number), pace, meter)
    return _finish(plan, choice, prices)


def _take_shard(page: list[ArchiveRecord], shard: Shard, plan: ArchivePlan) -> list[ArchiveRecord]:
    """Return the archives of a shard, and count the others."""
    mine = [record for record in page if shard.has(record.archive.id)]
    plan.elsewhere += len(page) - len(mine)
    return mine


def _count(
    plan: ArchivePlan, record: ArchiveRecord, state: MoveState | None, pace: PaceOptions, meter: Meter | None
) -> None:
    size = record.archive.size
    if state in _DONE:
        plan.done += 1
        return
    plan.archives += 1
    plan.size += size
    tier = None if state in ON_THE_WAY else pace.tier_of(size)
    takes_job = meter is None or meter(record, tier)
    if tier is None:
        plan.asked += 1
        plan.asked_size += size
    elif takes_job:
        jobs = plan.jobs.get(tier, MoveTotals(0, 0))
        plan.jobs[tier] = MoveTotals(jobs.archives + 1, jobs.size + size)


def _note_name(plan: ArchivePlan, archive: Archive, name: str) -> None:
    if not is_escaped(archive, name):
        return
    plan.renamed += 1
    if len(plan.names) < _TOLD:
        plan.names.append((archive.description, name))


def _finish(plan: ArchivePlan, choice: ArchiveChoice, prices: Prices | None) -> ArchivePlan:
    plan.of_folders, plan.suspect, plan.unmatched = choice.of_folders, choice.suspect, choice.unmatched
    plan.seen = choice.seen
    if prices is None:
        return plan
    plan.cost = sum(prices.retrieval(tier, sums.size, sums.archives) for tier, sums in plan.jobs.items())
    # Earlier runs paid for the retrieval of these archives, but not for their download.
    plan.cost += prices.transfer_out(plan.asked_size)
    return plan
