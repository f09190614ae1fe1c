"""``aioglacier jobs``: retrievals by their ids, from this program or another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aioglacier.cli.commands.archives.download import STDOUT, fetch
from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.listing import closing
from aioglacier.cli.render.printed_records import as_text, job_record, job_text, plain
from aioglacier.cli.render.sizes import show_size
from aioglacier.cli.shared.dry_run import DRY_RUN, tell_plan
from aioglacier.cli.shared.id_arguments import take_id
from aioglacier.cli.shared.job_waiting import wait
from aioglacier.core.checks import check_vault_name
from aioglacier.core.models import JobStatus
from aioglacier.files import landing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault

_ID = click.option("--job-id", metavar="ID", help="In place of the argument.")


@click.group("jobs", cls=CommandGroup)
def command() -> None:
    """Retrievals: list, show, wait, fetch the output. The service keeps them about a day after they end."""


@command.command("list")
@click.argument("vault")
@click.option(
    "--status",
    type=click.Choice([status.value for status in JobStatus], case_sensitive=False),
    help="Only jobs in this state.",
)
@click.pass_obj
def _list(session: Session, vault: str, status: str | None) -> int:
    """List the jobs of VAULT, those running and those done within about a day.

    "Intent" is a job that was about to be started when the program was stopped: it may be among the others,
    and the command that was stopped will find it.
    """
    check_vault_name(vault)

    async def list_(glacier: Glacier) -> int:
        is_empty = True
        async with closing(glacier.vault(vault).jobs(status=status)) as jobs:
            async for job in jobs:
                is_empty = False
                session.output.record(job_record(vault, job), job_text, is_last=False)
                if session.output.is_closed:
                    break
        if status is None:
            async for record in _intents(glacier.vault(vault)):
                is_empty = False
                session.output.record(record, job_text)
        if is_empty:
            session.output.note(f"no jobs in vault {vault}{f' are {status}' if status else ''}")
        return Exit.DONE

    return session.run(list_)


async def _intents(vault: Vault) -> AsyncIterator[Record]:
    assert vault.records is not None  # noqa: S101  # the command line always keeps a catalog
    async for job in vault.records.catalog.jobs.list_useful(vault.records.key):
        if job.job_id is None:
            yield {
                "job_id": None,
                "vault": vault.name,
                "action": job.action.value,
                "status": "Intent",
                "status_message": None,
                "tier": plain(job.tier),
                "created": plain(job.created),
                "archive_id": job.archive_id,
                "byte_range": plain(job.byte_range),
            }


@command.command("show")
@click.argument("vault")
@click.argument("arguments", metavar="JOB_ID", nargs=-1)
@_ID
@click.pass_obj
def _show(session: Session, vault: str, arguments: tuple[str, ...], job_id: str | None) -> int:
    """Show the job JOB_ID of VAULT."""
    check_vault_name(vault)
    (job_id,) = take_id("job", arguments, job_id, others=[])

    async def show(glacier: Glacier) -> int:
        job = await glacier.vault(vault).job(job_id).describe()
        session.output.record(job_record(vault, job), job_text)
        return Exit.DONE

    return session.run(show)


@command.command("wait", resumes=True)
@click.argument("vault")
@click.argument("arguments", metavar="JOB_ID", nargs=-1)
@_ID
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Default: 36 hours.")
@click.pass_obj
def _wait(
    session: Session, vault: str, arguments: tuple[str, ...], job_id: str | None, timeout: float | None
) -> int:
    """Wait until the job JOB_ID of VAULT is done."""
    check_vault_name(vault)
    (job_id,) = take_id("job", arguments, job_id, others=[])

    async def wait_(glacier: Glacier) -> int:
        job = glacier.vault(vault).job(job_id)
        description = await wait(session, job, await job.describe(), timeout_seconds=timeout)
        session.output.record(job_record(vault, description), job_text)
        return Exit.DONE

    return session.run(wait_)


@command.command("output", resumes=True)
@click.argument("vault")
@click.argument("arguments", metavar="JOB_ID TARGET", nargs=-1)
@_ID
@click.option("--overwrite", is_flag=True, help="Replace TARGET if it exists.")
@DRY_RUN
@click.pass_obj
def _output(
    session: Session,
    vault: str,
    arguments: tuple[str, ...],
    job_id: str | None,
    overwrite: bool,
    dry_run: bool,
) -> int:
    """Fetch the output of the finished job JOB_ID of VAULT to TARGET, a file, or - for standard output.

    The output of an inventory job is the document as the service wrote it.
    """
    check_vault_name(vault)
    job_id, target = take_id("job", arguments, job_id, others=["TARGET"])
    if target != STDOUT:
        landing.check_target(target, overwrite=overwrite)
    session.output.to_stderr = target == STDOUT

    async def output(glacier: Glacier) -> int:
        job = glacier.vault(vault).job(job_id)
        if dry_run:
            size = (await job.describe()).output_size
            what = f"fetch the output of job {job_id} to {target}, {show_size(size or 0)}"
            facts = {"vault": vault, "job_id": job_id, "target": target, "size": size}
            return tell_plan(session, "GetJobOutput", what, **facts)
        await fetch(session, job, target, overwrite=overwrite)
        description = await job.describe()
        record = {
            "target": target,
            "vault": vault,
            "job_id": job_id,
            "size": description.output_size,
            "tree_hash": plain(description.tree_hash),
        }
        name = Path(target).name or target
        session.output.record(record, lambda record: as_text(f"{name}: complete", record, without={"target"}))
        return Exit.DONE

    return session.run(output)
