"""``aioglacier catalog recover``: fill a new catalog from the bundles of a vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import PLACE
from aioglacier.cli.render.sizes import show_count, show_size
from aioglacier.cli.shared.consent import DRY_RUN, tell_plan
from aioglacier.cli.shared.encrypting import IDENTITY
from aioglacier.cli.shared.money import RETRIEVING, confirm_expedited, cost_record, cost_text
from aioglacier.cli.shared.places import class_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.bulk.recover import FolderRecovery, RecoveryPlan
    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.prices import Prices


@make_command(
    "recover", short_help="Fill a new catalog from the bundles of a vault or a bucket.", resumes=True
)
@PLACE
@click.option(
    "--folder",
    metavar="PATH",
    help="Only bundles of the folder of this name, and record them under this path. Default: all, each under "
    "the path that it had.",
)
@RETRIEVING
@IDENTITY
@DRY_RUN
def recover(
    session: Session,
    place: str,
    folder: str | None,
    spending: Spending,
    identities: Identities | None,
    dry_run: bool,
) -> Ending:
    """Fill a new catalog with what 'sync' took to PLACE, so that 'restore' works again.

    Run 'inventory VAULT' first; a bucket lists its objects at once, and their sidecars cost no restore. The
    index of each bundle that is not on record is read from its last MiBs:
    these are paid jobs of some hours. You can stop the command; run it again to go on.

    Files that were removed from the folder before the catalog was lost are there again: only the catalog
    knew. Large files, which are archives by themselves, come back, too. Encrypted ones do not, since their
    names are unknown: they are listed, and the exit code is 3.
    """
    from aioglacier.bulk.recover import RecoveryOptions  # noqa: PLC0415  # not needed for help

    session.begins_catalog = not dry_run  # to fill a new catalog is its purpose
    options = RecoveryOptions(folder, spending.tier, identities)

    async def run(glacier: Glacier) -> int:
        from aioglacier.bulk.recover import FolderRecovery  # noqa: PLC0415

        opened = glacier.place(place)
        budget = spending.budget(glacier, await class_of(opened))
        prices = budget.prices
        recovery = FolderRecovery(opened, budget, options)
        if dry_run:
            return _tell(session, place, await recovery.plan(), prices)
        plan = await recovery.plan()
        if not plan.bundles and not plan.files:
            session.output.note(
                f"the catalog has no archive of {place} that 'sync' made and that is on no record. "
                f"'aioglacier inventory {place}' reads a vault's list into it"
            )
        if plan.jobs:  # the ends of bundles may be there from an earlier run
            what = f"start {show_count(plan.jobs, 'job')} for {show_size(plan.retrieved)} or more"
            confirm_expedited(session, spending, plan.cost, prices, what)
        await recovery.run()
        return _report(session, place, recovery, plan, prices)

    return run


def _tell(session: Session, vault: str, plan: RecoveryPlan, prices: Prices) -> int:
    facts = {
        "vault": vault,
        "bundles": len(plan.bundles),
        "files": len(plan.files),
        "unnamed": len(plan.unnamed),
        "jobs": plan.jobs,
        "retrieved": plan.retrieved,
        **cost_record(prices, plan.cost),
    }
    what = (
        f"read the ends of {show_count(len(plan.bundles), 'bundle')}: {show_count(plan.jobs, 'job')} for "
        f"{show_size(plan.retrieved)} or more, {cost_text(facts)}"
    )
    return tell_plan(session, "InitiateJob", what, **facts)


def _report(
    session: Session, vault: str, recovery: FolderRecovery, plan: RecoveryPlan, prices: Prices
) -> int:
    done = recovery.done
    for archive_id, error in done.damaged:
        session.output.warn(f"bundle {archive_id} cannot be read: {error}")
    for archive_id in done.homeless:
        session.output.warn(f"the folder of archive {archive_id} is unknown; name one with --folder")
    if done.outdated:
        session.output.warn(
            f"left out {show_count(len(done.outdated), 'archive')} made before a sync that is on record, as "
            "they would hide its versions; a new catalog (--catalog FILE, and 'inventory' first) takes all "
            "in their order, and no job is paid for again within a day"
        )
    for archive in plan.unnamed:
        session.output.warn(f"archive {archive.id} is a file whose name only the lost catalog had")
    record = {
        "event": "summary",
        "vault": vault,
        "folders": sorted(done.roots),
        "bundles": done.bundles,
        "members": done.members,
        "files": done.files,
        "damaged": len(done.damaged),
        "homeless": len(done.homeless),
        "outdated": len(done.outdated),
        "unnamed": len(plan.unnamed),
        "jobs_started": done.jobs_started,
        **cost_record(prices, done.cost),
    }
    session.output.record(record, _text)
    if done.damaged:  # before all else: bytes were lost
        return Exit.INTEGRITY
    return Exit.SOME_FAILED if done.homeless or done.outdated or plan.unnamed else Exit.DONE


def _text(record: Mapping[str, Any]) -> str:
    found = f"{show_count(record['members'], 'path')} in {show_count(record['bundles'], 'bundle')}"
    if record["files"]:
        found += f" and {show_count(record['files'], 'large file')}"
    lines = [f"{found} recorded; {show_count(record['jobs_started'], 'job')} started, {cost_text(record)}"]
    lines += [f"  {folder}" for folder in record["folders"]]
    return "\n".join(lines)
