"""Options and progress of the commands that bring archives out of a vault."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import folding, take_options
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import DAYS, SHARD, SIZE, TIME
from aioglacier.cli.render.progress import Speed, State
from aioglacier.cli.render.sizes import show_count, show_seconds, show_size
from aioglacier.cli.shared.folder_events import moving, summarize, tell_failures, telling
from aioglacier.cli.shared.money import confirm_expedited, cost_record, cost_text
from aioglacier.core.checks import check_id
from aioglacier.core.models import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.bulk.archives.move_plan import ArchivePlan
    from aioglacier.bulk.archives.move_run import PaceOptions
    from aioglacier.bulk.archives.planned_move import ArchivesSnapshot, PlannedMove
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.shared.money import Spending
    from aioglacier.core.prices import Prices
    from aioglacier.core.spending import Budget


def fold_archives(given: dict[str, Any]) -> None:
    """Make ``archives`` and ``pace`` of the options below; ``waits`` and ``spending`` are in ``given``."""
    from aioglacier.bulk.archives.archive_choice import ArchiveOptions  # noqa: PLC0415  # not needed for help
    from aioglacier.bulk.archives.move_run import PaceOptions  # noqa: PLC0415
    from aioglacier.bulk.archives.size_rules import parse_tier_rule  # noqa: PLC0415

    file, days = given.pop("archive_ids"), given.pop("older_than")
    if file is not None:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        given["ids"] = [check_id("archive", line.strip()) for line in lines if line.strip()]
    if days is not None and given["shard"] is not None:
        raise click.UsageError("--older-than is another date in each shard; give all one --created-before")
    if days is not None:
        given["created_before"] = given["created_before"] or datetime.now(UTC) - timedelta(days=days)
    pace = {"per_day": given.pop("per_day"), "tier": given["spending"].tier, "waits": given["waits"]}
    pace["tier_rules"] = tuple(map(parse_tier_rule, given.pop("tier_rules")))
    shared = {name: given[name] for name in ("patterns", "exclude", "larger", "smaller") if name in given}
    given["pace"] = take_options(PaceOptions, pace)
    given["archives"] = take_options(ArchiveOptions, shared | given)
    for name in ("ids", "created_after", "created_before", "with_folders", "shard"):
        given.pop(name, None)


#: Options that choose archives by the inventory, beside patterns and sizes; and how fast to ask for them.
ARCHIVES: Final = folding(
    fold_archives,
    click.option(
        "--archive-ids", metavar="FILE", help="Only the archives whose ids the file has, one a line."
    ),
    click.option("--created-after", type=TIME, metavar="TIME", help="Only archives made at TIME or later."),
    click.option("--created-before", type=TIME, metavar="TIME", help="Only archives made before TIME."),
    click.option("--older-than", type=DAYS, metavar="DAYS", help="Only archives of at least this age."),
    click.option(
        "--tier-rule",
        "tier_rules",
        multiple=True,
        metavar="RULE",
        help="Another tier by size, as size>1GiB:Bulk; the first rule that applies counts.",
    ),
    click.option("--per-day", type=SIZE, help="Bytes of archives to ask for in 24 hours. Default: 1TiB."),
    SHARD,
)


async def run_move(
    session: Session,
    move: PlannedMove,
    spending: Spending,
    budget: Budget,
    pace: PaceOptions,
    facts: Mapping[str, str],
    *,
    safe: str,
    is_dry_run: bool,
    more: Callable[[], Record] = dict,
) -> Exit:
    """Print the plan of a move, or run it; ``facts`` are in each record, ``more`` is in the plan's."""
    if is_dry_run or (Tier.EXPEDITED in pace.tiers and not spending.yes):
        plan = await move.plan()
        move.check(plan)  # as the run would
        if is_dry_run:
            record = {**_plan_record(plan, pace, budget.prices, facts), **more()}
            session.output.record(record, _plan_text)
            failed = move.snapshot().failed
            tell_failures(session, move.failures, failed)  # what the run cannot bring is known before it
            return Exit.SOME_FAILED if failed else Exit.DONE
        what = f"start {show_count(plan.to_ask, 'job')} for {show_size(plan.size)}"
        confirm_expedited(session, spending, plan.cost, budget.prices, what)
    session.safe = lambda: safe
    speed, started = Speed(is_resume=False), time.monotonic()
    async with telling(session, move.snapshot, lambda: _state_of(move.snapshot(), speed)):
        done = await move.run()
    session.safe = lambda: ""
    tell_failures(session, move.failures, done.failed)
    for sentence in move.notices:
        session.output.warn(sentence)
    summarize(session, done, cost_record(budget.prices, done.cost), started, _done_text, **facts)
    if done.failed:
        return Exit.SOME_FAILED
    if done.left:
        session.output.note(f"jobs are not done yet; to go on later: {session.resume}")
        return Exit.NOT_YET
    return Exit.DONE


def _plan_record(plan: ArchivePlan, pace: PaceOptions, prices: Prices, facts: Mapping[str, str]) -> Record:
    return {
        "event": "plan",
        **facts,
        "archives": plan.archives,
        "size": plan.size,
        "jobs": plan.to_ask,
        "done": plan.done,
        "of_folders": plan.of_folders,
        "suspect": plan.suspect,
        "tier": pace.tier.value,
        "tiers": {tier.value: {"jobs": sums.archives, "size": sums.size} for tier, sums in plan.jobs.items()},
        **cost_record(prices, plan.cost),
    }


def _plan_text(record: Mapping[str, Any]) -> str:
    by_tier = ", ".join(
        f"{show_count(sums['jobs'], 'job')} of tier {tier}" for tier, sums in record["tiers"].items()
    )
    text = (
        f"{show_count(record['archives'], 'archive')} to bring to {record['target']}, "
        f"{show_size(record['size'])}; {record['done']:,} there already\n"
        f"{by_tier or 'no job'} to ask for, {cost_text(record)}"
    )
    return text + (_bucket_text(record["bucket"], record["currency"]) if "bucket" in record else "")


def _bucket_text(costs: Mapping[str, Any], currency: str) -> str:
    from aioglacier.core.prices import show_amount  # noqa: PLC0415  # not needed for help

    def show(name: str) -> str:
        return "unknown" if costs[name] is None else show_amount(costs[name], currency)

    bundles = f" for {show_count(costs['bundles'], 'bundle')} and the rest" if costs["bundles"] else ""
    return (
        f"\nof that {show_count(costs['requests'], 'request')} to S3{bundles}, {show('request_cost')}, and "
        f"storage there for the minimum time, {show('storing')}"
        f"\nstorage a month: {show('month')} in the bucket, {show('vault_month')} in the vault until you "
        f"delete there; today that would charge {show('early')} for archives younger than 90 days"
        f"\nat this pace {show_count(max(1, math.ceil(costs['days'])), 'day')} to ask for all"
    )


def _state_of(now: ArchivesSnapshot, speed: Speed) -> State:
    amount, rate, left = moving(speed, now.restored_size, now.size)
    facts = (
        f"{now.restored:,} of {show_count(now.archives, 'archive')}",
        amount,
        rate,
        left,
        f"{now.failed:,} failed" if now.failed else "",
        f"{show_count(now.jobs_started, 'job')} started" if now.jobs_started else "",
        f"by {show_count(now.workers, 'worker')}" if now.workers else "",
    )
    awaited = f"waiting for {show_count(now.jobs_waited_for, 'job')}"
    label = awaited if now.jobs_waited_for and not rate else "moving"
    return State(label, now.restored_size, now.size or None, facts)


def _done_text(record: Mapping[str, Any]) -> str:
    parts = [f"{show_count(record['restored'], 'archive')} brought, {show_size(record['restored_size'])}"]
    parts += [
        f"{record[name]:,} {text}"
        for name, text in (("there", "there before"), ("failed", "failed"), ("left", "left for the next run"))
        if record[name]
    ]
    jobs = f"; {show_count(record['jobs_started'], 'job')} started, {cost_text(record)}"
    return f"{', '.join(parts)} in {show_seconds(record['seconds'])}{jobs if record['jobs_started'] else ''}"
