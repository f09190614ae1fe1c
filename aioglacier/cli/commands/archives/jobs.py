"""``aioglacier jobs``: retrievals by their ids, from this program or another one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from aioglacier.cli.commands.archives.download import UNVERIFIED, fetch
from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.parameters import LONG, PLACE_NAME, VAULT, AnyCase, flag
from aioglacier.cli.render.listing import in_batches, print_all, show_total
from aioglacier.cli.render.printed_records import as_text, intent_record, job_record, job_text, plain
from aioglacier.cli.render.sizes import show_size
from aioglacier.cli.render.table import DATE, STATUS, Column, Table, show_date
from aioglacier.cli.shared.consent import DRY_RUN, tell_plan
from aioglacier.cli.shared.id_arguments import one_id
from aioglacier.cli.shared.job_waiting import wait
from aioglacier.cli.shared.money import SPENDING, cost_record, cost_text
from aioglacier.cli.shared.stream_options import STDOUT
from aioglacier.core.inventory.descriptions import decode
from aioglacier.core.models import ArchiveId, JobStatus
from aioglacier.files import landing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aioglacier.catalog import JobRecord
    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import JobDescription

J = TypeVar("J", "JobDescription", "JobRecord")

#: Jobs whose archives are looked up in one query.
_TOGETHER: Final = 250

_COLUMNS: Final = (DATE, STATUS, Column("TIER", 9, 0))


@click.group("jobs", cls=CommandGroup)
def command() -> None:
    """Retrievals: list, show, wait, fetch the output. The service keeps them about a day after they end.

    In s3://BUCKET[/PREFIX] they are restores, each named by the key of its object.
    """


_PLACE = click.argument("vault", metavar="PLACE", type=PLACE_NAME)


@command.command("list")
@_PLACE
@click.option(
    "--status", type=AnyCase([status.value for status in JobStatus]), help="Only jobs in this state."
)
@LONG
async def _list(session: Session, glacier: Glacier, vault: str, status: str | None, is_long: bool) -> None:
    """List the jobs of PLACE, those running and those done within about a day.

    Of a bucket, the restores that go on, and those whose copies are there, of other programs too.

    "Intent" is a job that was about to be started when the program was stopped: it may be among the others,
    and the command that was stopped will find it.
    """
    if vault.startswith("s3://"):
        from aioglacier.cli.commands.buckets.restore_jobs import list_restores  # noqa: PLC0415  # loads more

        await list_restores(session, glacier, vault, status, is_long=is_long)
        return
    of, names = glacier.vault(vault), dict[str, str]()
    text = job_text if is_long else _line_of(Table(session.output, *_COLUMNS, last="ARCHIVE"), names)
    jobs = _naming(of, of.jobs(status=status), names)
    count, size = await print_all(
        session.output, jobs, lambda job: job_record(vault, job), text, size="archive_size"
    )
    if status is None and of.records is not None:
        intents = _naming(of, of.records.list_job_intents(), names)
        count += (await print_all(session.output, intents, intent_record, text))[0]
    if count:
        session.output.note(show_total(count, "job", size, is_long=is_long))
    else:
        session.output.note(f"no jobs in vault {vault}{f' are {status}' if status else ''}")


async def _naming(vault: Vault, jobs: AsyncIterator[J], names: dict[str, str]) -> AsyncIterator[J]:
    """Yield the jobs, and note the names that the catalog has of their archives."""
    async for some in in_batches(jobs, _TOGETHER):
        if vault.records is not None:
            ids = [ArchiveId(job.archive_id) for job in some if job.archive_id is not None]
            known = await vault.records.catalog.archives.descriptions(vault.records.key, ids)
            names |= {id_: decode(description).name for id_, description in known.items()}
        for job in some:
            yield job


def _line_of(table: Table, names: Mapping[str, str]) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        archive_id = record["archive_id"] or "(inventory)"
        name = names.get(archive_id) or archive_id
        return table.row(show_date(record["created"]), record["status"], record["tier"] or "", name)

    return line


@command.command("show")
@_PLACE
@one_id("job")
async def _show(session: Session, glacier: Glacier, vault: str, job_id: str) -> None:
    """Show the job JOB_ID of PLACE; of a bucket, the restore of the object with this key."""
    if vault.startswith("s3://"):
        from aioglacier.cli.commands.buckets.restore_jobs import show_restore  # noqa: PLC0415  # loads more

        await show_restore(session, glacier, vault, job_id)
        return
    job = await glacier.vault(vault).job(job_id).describe()
    session.output.record(job_record(vault, job), job_text)


@command.command("wait", resumes=True)
@_PLACE
@one_id("job")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Default: 36 hours, 96 of a restore.",
)
async def _wait(session: Session, glacier: Glacier, vault: str, job_id: str, seconds: float | None) -> None:
    """Wait until the job JOB_ID of PLACE is done; of a bucket, the restore of the object with this key."""
    if vault.startswith("s3://"):
        from aioglacier.cli.commands.buckets.restore_jobs import wait_for_restore  # noqa: PLC0415  # loads more

        await wait_for_restore(session, glacier, vault, job_id, seconds)
        return
    job = glacier.vault(vault).job(job_id)
    description = await wait(session, job, await job.describe(), timeout_seconds=seconds)
    session.output.record(job_record(vault, description), job_text)


@command.command("output", resumes=True)
@VAULT
@one_id("job", "TARGET")
@flag("--overwrite", "Replace TARGET if it exists.")
@UNVERIFIED
@SPENDING
@DRY_RUN
def _output(
    session: Session,
    vault: str,
    job_id: str,
    target: str,
    overwrite: bool,
    unverified: bool,
    spending: Spending,
    dry_run: bool,
) -> Ending:
    """Fetch the output of the finished job JOB_ID of VAULT to TARGET, a file, or - for standard output.

    The output of an inventory job is the document as the service wrote it.
    """
    if target != STDOUT:  # before the service is asked
        check = landing.check_target if dry_run else landing.check_download
        check(target, overwrite=overwrite)
    session.output.to_stderr = target == STDOUT  # standard output carries the bytes

    async def output(glacier: Glacier) -> int | None:
        of, budget = glacier.vault(vault), spending.budget(glacier)
        job = of.job(job_id)
        description = await job.describe()
        size = description.output_size
        cost = math.nan if size is None else budget.prices.transfer_out(size)
        if dry_run:
            facts = {"vault": vault, "job_id": job_id, "target": target, "size": size}
            facts |= cost_record(budget.prices, cost)
            what = f"fetch the output of job {job_id} to {target}, {show_size(size or 0)}, {cost_text(facts)}"
            return tell_plan(session, "GetJobOutput", what, **facts)
        if size is not None:
            budget.check(cost, "this download")
        async with of.spending(budget):
            await fetch(session, job, target, overwrite=overwrite, unverified=unverified)
        record = {
            "target": target,
            "vault": vault,
            "job_id": job_id,
            "size": description.output_size,
            "tree_hash": plain(description.tree_hash),
        }
        name = Path(target).name or target
        session.output.record(record, lambda record: as_text(f"{name}: complete", record, without={"target"}))
        return None

    return output
