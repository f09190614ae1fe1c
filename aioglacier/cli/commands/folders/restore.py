"""``aioglacier restore``: a folder back from a vault."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import command as make_command, folding, take_options
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import AT_ONCE, PLACE, SIZE, flag
from aioglacier.cli.render.progress import Speed, State
from aioglacier.cli.render.sizes import show_count, show_seconds, show_size
from aioglacier.cli.shared.archive_moves import ARCHIVES, run_move
from aioglacier.cli.shared.encrypting import IDENTITY
from aioglacier.cli.shared.folder_events import HOST, moving, summarize, tell_failures, telling
from aioglacier.cli.shared.folder_listing import AT, EXCLUDE, FOLDER, of_files
from aioglacier.cli.shared.money import RETRIEVING, confirm_expedited, cost_record, cost_text
from aioglacier.cli.shared.places import class_of
from aioglacier.core.models import Tier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.bulk import FolderRestore, RestoreOptions
    from aioglacier.bulk.archives.archive_choice import ArchiveOptions
    from aioglacier.bulk.archives.move_run import PaceOptions
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault


def _fold(given: dict[str, Any]) -> None:
    from aioglacier.bulk.restore.restore_options import RestoreOptions  # noqa: PLC0415  # not needed for help
    from aioglacier.bulk.restore.selection import SelectionOptions  # noqa: PLC0415

    directory = given["directory"]
    if os.path.exists(directory) and not os.path.isdir(directory):  # noqa: PTH110, PTH112  # of any bytes
        raise click.UsageError(f"{directory!r} is a file; DIR is the folder to restore into")
    given |= {"tier": given["spending"].tier, "selection": take_options(SelectionOptions, given)}
    given["options"] = take_options(RestoreOptions, given)


def _fold_waiting(given: dict[str, Any]) -> None:
    given["waits"] = not given.pop("no_wait")


@make_command(
    "restore", short_help="Bring a folder back from a vault or a bucket, or some of it.", resumes=True
)
@PLACE
@click.argument("directory", metavar="DIR")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@FOLDER
@EXCLUDE
@AT
@of_files
@HOST
@RETRIEVING
@IDENTITY
@flag("--overwrite", "Replace files that are there and differ.")
@click.option(
    "--days", type=AT_ONCE, metavar="N", help="How long restored copies live in a bucket. Default: 3."
)
@click.option("--ahead", type=SIZE, help="Bytes to request ahead of those fetched. Default: 64GiB.")
@folding(_fold_waiting, flag("--no-wait", "Start jobs, fetch what is ready, and leave the rest for later."))
@flag(
    "--archives",
    "Restore archives that no 'sync' made. Default where PLACE has no folder on record.",
    "is_archives",
)
@ARCHIVES
@flag("--dry-run", "Print what would be asked for and cost at most; ask for nothing.")
@folding(_fold)
async def command(
    session: Session,
    glacier: Glacier,
    place: str,
    directory: str,
    options: RestoreOptions,
    archives: ArchiveOptions,
    pace: PaceOptions,
    spending: Spending,
    is_archives: bool,
    dry_run: bool,
) -> int:
    """Restore to DIR what 'sync' archived in PLACE, or archives that other programs made.

    PLACE is a vault, or s3://BUCKET[/PREFIX]. Objects in GLACIER and DEEP_ARCHIVE are restored whole, and
    their copies live for --days.

    PATTERN selects paths as a .gitignore does: '*.jpg' anywhere, /2024/ at the top. Without a pattern
    everything is restored. Only the needed ranges of bundles are retrieved. Existing jobs are used.

    A restore takes hours, a large one days: you can stop it, and the same command goes on. A file appears
    once it is verified, on disk, and has its times and permissions. A file that exists already and differs
    is kept and listed, and a path that leads out of DIR is listed; the others are restored, and the exit
    code is 3.

    With --archives, PATTERN selects archives by the names in their descriptions, whichever program wrote
    them, and the files get those names. Of a vault, read the inventory first; in a bucket, those that
    'migrate' moved are found by themselves.
    """
    from aioglacier.files.host import return_freed_memory  # noqa: PLC0415  # not needed for help

    return_freed_memory()
    opened = glacier.place(place)
    if is_archives or await _has_no_folder(opened, options, archives):
        return await _restore_archives(
            session, glacier, opened, place, directory, options, archives, pace, spending, is_dry_run=dry_run
        )
    if archives.shard.count > 1:
        raise click.UsageError("--shard is for archives that no 'sync' made; a folder is restored whole")
    from aioglacier.bulk.restore.restore import FolderRestore  # noqa: PLC0415  # not needed for help

    budget = spending.budget(glacier, await class_of(opened))
    prices = budget.prices
    restore = FolderRestore(opened, directory, budget, options)
    if dry_run:
        plan = await restore.plan()
        record = {
            "event": "plan",
            "vault": place,
            "target": directory,
            "files": plan.files,
            "size": plan.size,
            "there": plan.there,
            "jobs": len(plan.retrievals),
            "retrieved": plan.retrieved,
            "tier": options.tier.value,
            **cost_record(prices, plan.cost),
        }
        session.output.record(record, _plan_text)
        return _tell_exceptions(session, restore)
    if options.tier is Tier.EXPEDITED and not spending.yes:  # the question names jobs and cost
        plan = await restore.plan()
        what = f"start {show_count(len(plan.retrievals), 'job')} for {show_size(plan.retrieved)}"
        if plan.retrievals:
            confirm_expedited(session, spending, plan.cost, prices, what)
    session.safe = lambda: "what was restored is in its place"
    speed = Speed(is_resume=False)
    started = time.monotonic()
    async with telling(session, restore.snapshot, lambda: _state(restore, speed)):
        done = await restore.run()
    session.safe = lambda: ""
    ending = _tell_exceptions(session, restore)
    cost = cost_record(prices, done.cost)
    summarize(session, done, cost, started, _text, vault=place, target=directory)
    return Exit.NOT_YET if done.jobs_left and ending is Exit.DONE else ending


def _tell_exceptions(session: Session, restore: FolderRestore) -> Exit:
    """List the paths that do not come back, or not as the newest version; return the exit code for them."""
    failed = restore.snapshot().failed
    tell_failures(session, restore.failures, failed)
    for sentence in restore.notices:
        session.output.warn(sentence)
    return Exit.SOME_FAILED if failed else Exit.DONE


async def _has_no_folder(place: Vault | Bucket, options: RestoreOptions, archives: ArchiveOptions) -> bool:
    """Return whether a place has archives on record and no folder, or archives are chosen."""
    if archives.ids is not None or archives.created_after or archives.created_before:  # folders have none
        return True
    if (options.folder, options.host, options.selection.at) != (None, None, None):  # archives have none
        return False
    context = place.context.recorded()
    if await context.catalog.trees.list(context.key):
        return False
    if place.context.key.vault.startswith("s3://"):  # a list of the objects tells
        return True
    return (await context.catalog.archives.totals(context.key)).archives > 0


async def _restore_archives(
    session: Session,
    glacier: Glacier,
    opened: Vault | Bucket,
    place: str,
    directory: str,
    options: RestoreOptions,
    archives: ArchiveOptions,
    pace: PaceOptions,
    spending: Spending,
    *,
    is_dry_run: bool,
) -> int:
    from aioglacier.bulk.archives.archive_restore import ArchiveRestore  # noqa: PLC0415  # not needed for help

    budget = spending.budget(glacier)
    restore = ArchiveRestore(
        opened,
        directory,
        budget,
        archives,
        pace,
        overwrite=options.overwrite,
        days=options.days,
        prices=partial(spending.prices_of, glacier.region),
    )
    return await run_move(
        session,
        restore,
        spending,
        budget,
        pace,
        {"vault": place, "target": directory},
        safe="what was restored is in its place",
        is_dry_run=is_dry_run,
    )


def _state(restore: FolderRestore, speed: Speed) -> State:
    now = restore.snapshot()
    amount, rate, left = moving(speed, now.restored_size, now.size)
    facts = (
        show_count(now.restored, "path"),
        amount,
        rate,
        left,
        f"{now.failed:,} failed" if now.failed else "",
    )
    awaited = f"waiting for {show_count(now.jobs_waited_for, 'job')}"
    label = awaited if now.jobs_waited_for and not rate else "restoring"
    return State(label, now.restored_size, now.size or None, facts)


def _plan_text(record: Mapping[str, Any]) -> str:
    return (
        f"{show_count(record['files'], 'file')} to restore, {show_size(record['size'])}; {record['there']:,} "
        f"in place already\n{show_count(record['jobs'], 'job')} of tier {record['tier']} for "
        f"{show_size(record['retrieved'])}, {cost_text(record)}"
    )


def _text(record: Mapping[str, Any]) -> str:
    parts = [f"{show_count(record['restored'], 'path')} restored, {show_size(record['restored_size'])}"]
    parts += [
        f"{record[name]:,} {text}"
        for name, text in (("there", "there before"), ("failed", "failed"))
        if record[name]
    ]
    if record["jobs_left"]:
        parts.append(f"{show_count(record['jobs_left'], 'job')} not done yet")
    jobs = f"; {show_count(record['jobs_started'], 'job')} started, {cost_text(record)}"
    return f"{', '.join(parts)} in {show_seconds(record['seconds'])}{jobs if record['jobs_started'] else ''}"
