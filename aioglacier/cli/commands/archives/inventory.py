"""``aioglacier inventory``: the service's own list of a vault, read into the catalog, printed or exported.

``--output FILE`` keeps the service's document byte for byte. CSV is always written here, as RFC 4180: other
programs cannot read the service's own CSV if a description holds quotes, and it would need another job. A
description that a spreadsheet would take for a formula gets an apostrophe in front.
"""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.commands.archives.download import fetch
from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.parameters import VAULT, Words, flag
from aioglacier.cli.render.listing import closing, csv_line, csv_row, print_all
from aioglacier.cli.render.printed_records import archive_record, archive_text, as_text
from aioglacier.cli.render.progress import counting
from aioglacier.cli.render.sizes import show_count, show_size
from aioglacier.cli.shared.consent import DRY_RUN, tell_plan
from aioglacier.cli.shared.job_waiting import inventory_job, not_yet, tell_of, wait
from aioglacier.cli.shared.money import SPENDING, cost_record, cost_text
from aioglacier.core.checks import check_id
from aioglacier.core.models import JobStatus, Tier
from aioglacier.files import landing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.inventory import InventoryReading
    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault
    from aioglacier.core.spending import Budget

_COLUMNS: Final = ("archive_id", "vault", "size", "tree_hash", "description", "created")


@make_command("inventory")
@VAULT
@click.option(
    "--format",
    "format_",
    type=Words(["json", "csv"]),
    help="json: one object a line, or with --output the document as the service wrote it. csv: RFC 4180, "
    "with an apostrophe before a description that would be a formula.",
)
@click.option("--output", "target", metavar="FILE", help="Write to FILE, which appears once it is complete.")
@flag("--overwrite", "Replace FILE if it exists.")
@click.option("--job-id", metavar="ID", help="The job to use. Default: find one, or start one.")
@flag("--new", "Start a new job, even if a usable one exists.", "is_new")
@flag("--no-wait", "Start the job if there is none, and print only if it is done.")
@SPENDING
@DRY_RUN
def command(
    session: Session,
    vault: str,
    format_: str | None,
    target: str | None,
    overwrite: bool,
    job_id: str | None,
    is_new: bool,
    no_wait: bool,
    spending: Spending,
    dry_run: bool,
) -> Ending:
    """List the archives of VAULT as of its last inventory, which is about a day old.

    The list comes from a job that takes 3 to 5 hours. A job that is there already is used, running or done,
    unless the service has made another inventory since. You can stop the command; run it again to go on.

    The list is also read into the catalog, where "list VAULT" finds it; nothing is deleted there. It settles
    uploads of unknown outcome: it lists an archive of that size and tree hash, or, three days later, proves
    that there is none.
    """
    if job_id is not None:
        check_id("job", job_id)
    if format_ == "json" and target is None:
        session.output.is_json = True
    # A file that is there may be that of a killed run. Its bytes are compared if that run's job is done.
    is_there = target is not None and not overwrite and _may_be_a_list(target, format_)
    if target is not None:
        overwrites = overwrite or (is_there and not is_new and not dry_run)
        landing.check_target(target, overwrite=overwrites)
    if dry_run:
        return lambda glacier: _plan(session, glacier, vault, job_id, target, spending, is_new=is_new)
    session.resume = session.same_command(is_new=False)
    session.begins_catalog = True  # an inventory fills a new catalog beside a damaged one

    async def run(glacier: Glacier) -> int:
        of, budget = glacier.vault(vault), spending.budget(glacier)
        async with of.spending(budget):
            return await fetch_list(of, budget)

    async def fetch_list(of: Vault, budget: Budget) -> int:
        if is_there and target is not None:
            await _refuse_other(of, job_id, target, format_)
        if job_id is not None:
            job = of.job(job_id)
            description = await job.describe()
        else:
            job, description = await inventory_job(session, of, budget, is_new=is_new)
        if no_wait and description.status is JobStatus.IN_PROGRESS:
            return not_yet(session, vault, description)
        description = await wait(session, job, description)
        reading = job.read_inventory(description)
        if target is None:
            columns = _COLUMNS if format_ == "csv" else ()
            count, size = await print_all(
                session.output, reading.archives(), archive_record, archive_text, columns=columns
            )
            session.output.note(f"{show_count(count, 'archive')}, {show_size(size)}")
        elif format_ == "csv":
            await _export_csv(session, job, reading, Path(target), overwrite=overwrite)
        else:
            await fetch(session, job, target, overwrite=overwrite)
            record = {"target": target, "vault": vault, "job_id": job.id, "format": "json"}
            session.output.record(record, _export_text)
            async with closing(reading.archives()) as archives:
                async for _ in archives:  # reading them records them
                    pass
        return await tell_of(session, reading)

    return run


def _may_be_a_list(path: str, format_: str | None) -> bool:
    """Return whether a file begins as a list does."""
    begins = csv_line(_COLUMNS).encode() if format_ == "csv" else b"{"
    with suppress(OSError), open(path, "rb") as file:  # noqa: PTH123  # as the target is given
        return file.read(len(begins)) == begins
    return False


async def _refuse_other(of: Vault, job_id: str | None, target: str, format_: str | None) -> None:
    """Refuse a file that is there, unless a job is done whose list it may have."""
    job = of.job(job_id) if job_id is not None else await of.retrievals.find_useful_inventory()
    found = await job.describe() if job is not None else None
    may_be_it = found is not None and found.status is JobStatus.SUCCEEDED
    if found is not None and format_ != "csv":  # the document as the service has it
        may_be_it = may_be_it and Path(target).stat().st_size == found.output_size  # noqa: ASYNC240  # one look
    landing.check_target(target, overwrite=may_be_it)


async def _plan(
    session: Session,
    glacier: Glacier,
    vault: str,
    job_id: str | None,
    target: str | None,
    spending: Spending,
    *,
    is_new: bool,
) -> int:
    of = glacier.vault(vault)
    if job_id is None and not is_new:
        found = await of.retrievals.find_useful_inventory()
        job_id = found.id if found is not None else None
    prices = spending.prices(glacier)
    if job_id is None:
        operation, size, cost = "InitiateJob", None, prices.jobs(Tier.STANDARD, 0, 1)
    else:  # it is paid for; a list has a size once its job is done
        operation, size = "GetJobOutput", (await of.job(job_id).describe()).output_size
        cost = math.nan if size is None else prices.transfer_out(size)
    facts = {"vault": vault, "job_id": job_id, "target": target, "size": size, **cost_record(prices, cost)}
    what = (
        f"start an inventory job, {cost_text(facts)} without the transfer of the list"
        if job_id is None
        else f"read job {job_id}, {cost_text(facts)}"
    )
    return tell_plan(session, operation, f"{what}, and read the list into the catalog", **facts)


async def _export_csv(
    session: Session, job: Job, reading: InventoryReading, target: Path, *, overwrite: bool
) -> None:
    """Write the list as CSV; the file gets its name once it is complete and on disk."""
    count = 0
    with (
        landing.writing(str(target), overwrite=overwrite, may_be_there=True) as fd,
        open(  # noqa: ASYNC230
            fd, "w", encoding="utf-8", errors="backslashreplace", newline="", closefd=False
        ) as file,
    ):
        file.write(csv_line(_COLUMNS))
        async with (
            counting(session.output, "archives", None, lambda: count),
            closing(reading.archives()) as found,
        ):
            async for archive in found:
                file.write(csv_row(archive_record(archive), _COLUMNS))
                count += 1  # for the display, which polls it
    record = {"target": str(target), "vault": job.vault, "job_id": job.id, "format": "csv", "archives": count}
    session.output.record(record, _export_text)


def _export_text(record: Mapping[str, Any]) -> str:
    return as_text(
        f"{record['target']}: the inventory of {record['vault']}", record, without={"target", "vault"}
    )
