"""Options and progress of the commands that bring archives out of a vault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import folding, take_options
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import COUNT, SIZE, TIME
from aioglacier.cli.render.progress import State
from aioglacier.cli.render.sizes import show_count, show_seconds, show_size
from aioglacier.cli.shared.folder_events import moving
from aioglacier.cli.shared.money import cost_record, cost_text
from aioglacier.core.checks import check_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.bulk.archives.archive_restore import ArchivesSnapshot
    from aioglacier.bulk.archives.move_plan import ArchivePlan
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.render.progress import Speed
    from aioglacier.core.models import Tier
    from aioglacier.core.prices import Prices


def fold_archives(given: dict[str, Any]) -> None:
    """Make ``archives`` and ``pace`` of the options below; ``waits`` and ``spending`` are in ``given``."""
    from aioglacier.bulk.archives.archive_choice import ArchiveOptions  # noqa: PLC0415  # not needed for help
    from aioglacier.bulk.archives.move_run import PaceOptions  # noqa: PLC0415

    file, days = given.pop("archive_ids"), given.pop("older_than")
    if file is not None:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        given["ids"] = [check_id("archive", line.strip()) for line in lines if line.strip()]
    if days is not None:
        given["created_before"] = given["created_before"] or datetime.now(UTC) - timedelta(days=days)
    pace = {"per_day": given.pop("per_day"), "tier": given["spending"].tier, "waits": given["waits"]}
    shared = {name: given[name] for name in ("patterns", "exclude", "larger", "smaller") if name in given}
    given["pace"] = take_options(PaceOptions, pace)
    given["archives"] = take_options(ArchiveOptions, shared | given)
    for name in ("ids", "created_after", "created_before", "with_folders"):
        given.pop(name, None)


#: Options that choose archives by the inventory, beside patterns and sizes; and how fast to ask for them.
ARCHIVES: Final = folding(
    fold_archives,
    click.option(
        "--archive-ids", metavar="FILE", help="Only the archives whose ids the file has, one a line."
    ),
    click.option("--created-after", type=TIME, metavar="TIME", help="Only archives made at TIME or later."),
    click.option("--created-before", type=TIME, metavar="TIME", help="Only archives made before TIME."),
    click.option("--older-than", type=COUNT, metavar="DAYS", help="Only archives of at least this age."),
    click.option("--per-day", type=SIZE, help="Bytes of archives to ask for in 24 hours. Default: 1TiB."),
)


def plan_record(plan: ArchivePlan, tier: Tier, prices: Prices, **facts: Any) -> Record:
    """Return a plan as a record."""
    return {
        "event": "plan",
        **facts,
        "archives": plan.archives,
        "size": plan.size,
        "jobs": plan.archives - plan.asked,
        "done": plan.done,
        "of_folders": plan.of_folders,
        "suspect": plan.suspect,
        "tier": tier.value,
        **cost_record(prices, plan.cost),
    }


def plan_text(record: Mapping[str, Any]) -> str:
    """Return the same as text."""
    return (
        f"{show_count(record['archives'], 'archive')} to bring to {record['target']}, "
        f"{show_size(record['size'])}; {record['done']:,} there already\n"
        f"{show_count(record['jobs'], 'job')} of tier {record['tier']} to ask for, {cost_text(record)}"
    )


def state_of(now: ArchivesSnapshot, speed: Speed) -> State:
    """Return the line of progress."""
    amount, rate, left = moving(speed, now.restored_size, now.size)
    facts = (
        f"{now.restored:,} of {show_count(now.archives, 'archive')}",
        amount,
        rate,
        left,
        f"{now.failed:,} failed" if now.failed else "",
        f"{now.jobs_started:,} jobs started" if now.jobs_started else "",
    )
    label = "waiting for jobs" if now.jobs_waited_for and not rate else "moving"
    return State(label, now.restored_size, now.size or None, facts)


def done_text(record: Mapping[str, Any]) -> str:
    """Return the last record of a run as text."""
    parts = [f"{show_count(record['restored'], 'archive')} brought, {show_size(record['restored_size'])}"]
    parts += [
        f"{record[name]:,} {text}"
        for name, text in (("there", "there before"), ("failed", "failed"), ("left", "left for the next run"))
        if record[name]
    ]
    jobs = f"; {show_count(record['jobs_started'], 'job')} started, {cost_text(record)}"
    return f"{', '.join(parts)} in {show_seconds(record['seconds'])}{jobs if record['jobs_started'] else ''}"


def exit_of(session: Session, done: ArchivesSnapshot) -> Exit:
    """Return the exit code of a run, and say how it goes on."""
    if done.failed:
        return Exit.SOME_FAILED
    if done.left:
        session.output.note(f"jobs are not done yet; to go on later: {session.resume}")
        return Exit.NOT_YET
    return Exit.DONE
