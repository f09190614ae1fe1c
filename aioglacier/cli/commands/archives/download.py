"""``aioglacier download``: find or start a retrieval job, wait for it, and fetch its output, verified.

A job costs money and hours, so one that retrieves the same bytes, running or done, is used again. No job is
started before the target is known to be writable.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import command as make_command, folding, gathering
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import AT_ONCE, PLACE_NAME, RANGE, flag
from aioglacier.cli.render.printed_records import plain
from aioglacier.cli.render.progress import showing
from aioglacier.cli.render.sizes import show_count, show_size
from aioglacier.cli.render.stdout import open_stdout
from aioglacier.cli.shared.archive_names import find_named, target_of
from aioglacier.cli.shared.consent import DRY_RUN, tell_plan
from aioglacier.cli.shared.encrypting import IDENTITY, keep, save_unsealed, unsealed
from aioglacier.cli.shared.id_arguments import take_id
from aioglacier.cli.shared.job_waiting import not_yet, wait
from aioglacier.cli.shared.money import RETRIEVING, confirm_expedited, cost_record, cost_text, priced_text
from aioglacier.cli.shared.stream_options import (
    IS_FETCHED,
    IS_THERE,
    STDOUT,
    DownloadOptions,
    check_download_target,
    download_rolling,
    plan_rolling,
    refuse_with_manifest,
    vault_source,
)
from aioglacier.core.checks import check_id, check_retrieval_range
from aioglacier.core.errors import JobFailedError
from aioglacier.core.models import ArchiveId, JobDescription, JobStatus, Tier
from aioglacier.files import landing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive
    from aioglacier.core.prices import Prices
    from aioglacier.core.spending import Budget

#: What the tiers take (Guide, "Archive Retrieval Options").
_TAKES: Final = {Tier.EXPEDITED: "1 to 5 minutes", Tier.STANDARD: "3 to 5 hours", Tier.BULK: "5 to 12 hours"}


def _take_ids(given: dict[str, Any]) -> None:
    """Put the ids of the archive and the job, and the target, where they belong."""
    arguments, job_id = list(given.pop("arguments")), given["job_id"]
    if given["vault"].startswith("s3://"):
        _take_key(given, arguments)
        return
    if job_id is not None:
        check_id("job", job_id)
    ids = [each for each in (given["name"], given["archive_id"], job_id) if each is not None]
    if given["name"] is not None and len(ids) > 1:
        raise click.UsageError("--name, --archive-id and --job-id all say which archive; give one")
    if given["name"] is None and given["archive_id"] is None and (job_id is None or len(arguments) > 1):
        given["archive_id"] = take_id("archive", arguments[:1], None, others=[])[0]
        del arguments[0]
    elif given["archive_id"] is not None:
        check_id("archive", given["archive_id"])
    if len(arguments) > 1:
        raise click.UsageError(f"one argument too many: {arguments[1]!r}")
    if not arguments and (given["is_manifest"] or not (given["archive_id"] or given["name"])):
        raise click.UsageError("missing argument: TARGET")
    given |= {"archive_id": given["archive_id"] or "", "target": arguments[0] if arguments else ""}


def _take_key(given: dict[str, Any], arguments: list[str]) -> None:
    """Put the key of an object, by whichever option, and the target where they belong."""
    named = given["archive_id"] or given["name"]
    keys = [named, *arguments] if named else arguments
    if not 1 <= len(keys) <= 2:
        raise click.UsageError("missing argument: KEY" if not keys else f"one argument too many: {keys[2]!r}")
    given |= {"archive_id": keys[0], "name": None, "target": keys[1] if len(keys) > 1 else ""}


#: For commands that fetch the output of any job.
UNVERIFIED: Final = flag(
    "--unverified", "Also give bytes without a known hash: a range that is no node of the tree hash."
)


@make_command("download", resumes=True)
@click.argument("vault", metavar="PLACE", type=PLACE_NAME)
@folding(
    _take_ids,
    click.argument("arguments", metavar="ARCHIVE_ID [TARGET]", nargs=-1),
    click.option("--archive-id", metavar="ID", help="In place of the argument."),
    click.option("--name", metavar="NAME", help="In place of the id: the newest archive of this name."),
    click.option("--job-id", metavar="ID", help="The job to use. Default: find one, or start one."),
)
@RETRIEVING
@click.option(
    "--byte-range",
    type=RANGE,
    metavar="START-END",
    help="Only these bytes, both included, as 0-1048575: START a multiple of 1 MiB, END + 1 one too, or the "
    "archive's end.",
)
@IDENTITY
@UNVERIFIED
@flag("--overwrite", "Replace TARGET if it exists.")
@flag("--new", "Pay for another job if the one before failed or is gone.", "is_new")
@flag(
    "--manifest",
    "ARCHIVE_ID is the manifest of a stream of several archives: retrieve all of them as one.",
    "is_manifest",
)
@click.option(
    "--days", type=AT_ONCE, default=1, show_default=True, help="Of a bucket: the life of a restored copy."
)
@flag("--no-wait", "Start the job if there is none, and fetch only if it is done.")
@DRY_RUN
@gathering(DownloadOptions)
def command(session: Session, options: DownloadOptions) -> Ending:
    """Retrieve the archive ARCHIVE_ID of PLACE to TARGET: a file, or - for standard output.

    PLACE is a vault, or s3://BUCKET[/PREFIX] with a KEY below it in place of the id: an object is restored
    first where its class needs that, for --days days.

    Without TARGET, the file gets the name that "list" shows, in the current folder.

    If a job for the same bytes is there, running or done, it is used; otherwise one is started, which costs
    money. The command waits for the job, which takes hours: you can stop it and run it again. The bytes
    fetched so far stay in a hidden file beside TARGET, and TARGET appears once it is complete and verified.
    If a job for this download failed or is gone, another one is started only with --new.

    With --no-wait, a job that is not done is printed and the exit code is 75; run the same command later.
    With --job-id you can leave ARCHIVE_ID out. With --identity an encrypted archive is decrypted.
    """
    is_bucket = options.vault.startswith("s3://")
    if not is_bucket:
        check_retrieval_range(options.byte_range)
    if options.identities is not None and options.byte_range is not None:
        raise click.UsageError(
            "a range of an encrypted archive cannot be read; give --identity or --byte-range"
        )
    if is_bucket:
        from aioglacier.cli.commands.buckets.download_object import download_object  # noqa: PLC0415

        return download_object(session, options)
    if options.target and options.name is None:
        return _work(session, options)

    if options.target not in {"", STDOUT}:  # whether it may be there, the record of the archive tells
        landing.check_target(options.target, overwrite=True)

    async def named(glacier: Glacier) -> int:
        vault = glacier.vault(options.vault)
        if options.name is None:
            id_, target = (
                options.archive_id,
                target_of(await vault.retrievals.find_record(options.archive_id)),
            )
        else:
            record = await find_named(session, vault, options.name)
            id_, target = record.archive.id, options.target or target_of(record)
        return await _work(session, replace(options, archive_id=id_, target=target))(glacier)

    return named


def _work(session: Session, options: DownloadOptions) -> Callable[[Glacier], Awaitable[int]]:
    """Check the target, and return what is to be done with a connection."""
    if options.target != STDOUT:
        check_download_target(options)
    session.output.to_stderr = options.target == STDOUT  # standard output carries the bytes
    if not options.is_manifest:
        return partial(_plan if options.dry_run else _download, session, options)
    refuse_with_manifest(options)
    work = plan_rolling if options.dry_run else download_rolling
    return lambda glacier: work(session, options, vault_source(options, glacier))


async def _find(
    vault: Vault, options: DownloadOptions, prices: Prices
) -> tuple[int | None, Job | None, float]:
    """Return the size of the output, the job that is there, and the cost: none or ``nan`` if unknown."""
    known = await vault.retrievals.find_record(options.archive_id) if options.archive_id else None
    sizes = [known.archive.size] if known is not None else []
    sizes += [options.byte_range.size] if options.byte_range is not None else []
    size = min(sizes, default=None)
    if options.job_id is not None:
        named = vault.job(options.job_id)
        job: Job | None = named
        size = (await named.describe()).output_size if size is None else size
    else:
        job = await vault.retrievals.find(options.archive_id, byte_range=options.byte_range)
    if size is None:
        return None, job, math.nan
    cost = prices.retrieval(options.spending.tier, size, 1) if job is None else prices.transfer_out(size)
    return size, job, cost


async def _plan(session: Session, options: DownloadOptions, glacier: Glacier) -> int:
    """Print whether a job is there, and what is to be paid if the size of the archive is on record."""
    vault, prices = glacier.vault(options.vault), options.spending.prices(glacier)
    size, job, cost = await _find(vault, options, prices)
    if job is None and not options.unverified:
        await vault.retrievals.check_verifiable(ArchiveId(options.archive_id), options.byte_range)
    if job is None and not options.is_new and options.target != STDOUT:
        await vault.retrievals.check_not_paid(options.archive_id, options.byte_range, options.target)
    facts = {
        "vault": options.vault,
        "archive_id": options.archive_id or None,
        "target": options.target,
        "job_id": job.id if job is not None else None,
        "byte_range": plain(options.byte_range),
        "size": size,
        "tier": options.spending.tier.value,
        **cost_record(prices, cost),
    }
    price = f"{show_size(size)}, {cost_text(facts)}" if size is not None else "an archive of unknown size"
    if job is not None:
        what = f"fetch the output of job {job.id}, which is paid for: {price}"
        return tell_plan(session, "GetJobOutput", what, **facts)
    return tell_plan(
        session, "InitiateJob", f"start a job of tier {options.spending.tier} for {price}", **facts
    )


async def _download(session: Session, options: DownloadOptions, glacier: Glacier) -> int:
    vault, budget = glacier.vault(options.vault), options.spending.budget(glacier)
    async with vault.spending(budget):
        if _may_be_done(options) and Path(options.target).is_file():  # noqa: ASYNC240  # one look
            done = await vault.retrievals.find_delivered(
                options.archive_id, options.target, byte_range=options.byte_range
            )
            if done is not None:
                session.output.note(IS_THERE)
                return _tell(session, options, done, budget)
            if options.job_id is None:  # nothing is paid for a file that is there
                landing.check_target(options.target, overwrite=False)
        if (kept := await _find_kept(vault, options)) is not None:
            await save_unsealed(options.target, options.identities, keep, overwrite=options.overwrite)
            session.output.note(IS_FETCHED)
            return _tell(session, options, kept, budget)
        size, found, cost = await _find(vault, options, budget.prices)
        if size is not None and options.target != STDOUT:
            is_encrypted = options.identities is not None
            landing.check_download_room(options.target, size, is_encrypted=is_encrypted)
        budget.check(cost, "this download")  # of a job that is named, the transfer is still to be paid
        if found is None:
            what = "retrieve " + (show_size(size) if size is not None else "an archive of unknown size")
            confirm_expedited(session, options.spending, cost, budget.prices, what)
        job = await _job(session, vault, options)
        description = await job.describe()
        await vault.retrievals.check_job(description, options.archive_id)
        if vault.records is not None and options.target != STDOUT:
            # Or a job that fails is paid again.
            await vault.records.begin_download(description, options.target)
        if options.no_wait and (job.is_new or description.status is JobStatus.IN_PROGRESS):
            return not_yet(session, options.vault, description)
        description = await wait(session, job, description)
        await _fetch(session, job, options)
    return _tell(session, options, description, budget)


def _may_be_done(options: DownloadOptions) -> bool:
    """Return whether the target may be the file of an earlier run; a decrypted file is known later."""
    is_plain = options.identities is None and options.target != STDOUT
    return is_plain and bool(options.archive_id) and not options.overwrite


async def _find_kept(vault: Vault, options: DownloadOptions) -> Archive | None:
    """Return the archive if its encrypted file is there, whole: a killed run has left only the decryption."""
    if options.identities is None or options.target == STDOUT or not options.archive_id:
        return None
    return await vault.retrievals.find_kept(
        options.archive_id, landing.hidden_name(options.target, landing.ENCRYPTED)
    )


def _tell(session: Session, options: DownloadOptions, done: JobDescription | Archive, budget: Budget) -> int:
    """Print the record of a finished download."""
    if isinstance(done, JobDescription):
        job_id, archive_id, size = done.id, done.archive_id, done.output_size
    else:
        job_id, archive_id, size = None, done.id, done.size
    record = {
        "target": options.target,
        "vault": options.vault,
        "archive_id": archive_id,
        "job_id": job_id,
        "size": size,
        "byte_range": plain(options.byte_range),
        "tree_hash": plain(done.tree_hash),
        "verified": done.tree_hash is not None or not options.unverified,
        **cost_record(budget.prices, budget.cost),
    }
    session.output.record(record, _text)
    return Exit.DONE


async def _job(session: Session, vault: Vault, options: DownloadOptions) -> Job:
    """Return the job to use."""
    if options.job_id is not None:
        return vault.job(options.job_id)
    try:
        job = await vault.retrievals.find_or_start(
            options.archive_id,
            tier=options.spending.tier,
            byte_range=options.byte_range,
            target=None if options.target == STDOUT else options.target,
            again=options.is_new,
            unverified=options.unverified,
        )
    except JobFailedError as error:
        error.add_note("--new pays for another job")
        raise
    if job.is_new:
        tier = options.spending.tier
        takes = "" if session.settings.local is not None else f"; {tier} takes {_TAKES[tier]}"
        session.output.note(f"started job {job.id}{takes}")
    return job


async def _fetch(session: Session, job: Job, options: DownloadOptions) -> None:
    if options.identities is None or options.target == STDOUT:
        await fetch(
            session,
            job,
            options.target,
            overwrite=options.overwrite,
            unverified=options.unverified,
            identities=options.identities,
        )
        return

    async def save(target: str, *, overwrite: bool) -> None:
        await fetch(session, job, target, overwrite=overwrite)

    await save_unsealed(
        options.target,
        options.identities,
        save,
        overwrite=options.overwrite,
        recording=job.recording_download(options.target),
    )


# --- fetching, for the output of any job


async def fetch(
    session: Session,
    job: Job,
    target: str,
    *,
    overwrite: bool,
    unverified: bool = False,
    identities: Identities | None = None,
) -> None:
    """Fetch the output of a finished job to a file, or to standard output, verified and with progress.

    With ``identities``, standard output gets the decrypted bytes.
    """
    if target == STDOUT:
        await _fetch_to_stdout(session, job, identities, unverified=unverified)
        return
    async with job.recording_download(target):
        download = await job.prepare_download(target, overwrite=overwrite, unverified=unverified)
        session.safe = lambda: f"{show_count(download.snapshot().done, 'byte')} fetched and verified"
        async with showing(session.output, Path(target).name, download):
            await download.run()
    session.safe = lambda: ""


async def _fetch_to_stdout(
    session: Session, job: Job, identities: Identities | None, *, unverified: bool
) -> None:
    with open_stdout() as stdout:
        async with (
            unsealed(stdout.write, identities) as write,
            job.open_reader(unverified=unverified) as reader,
            showing(session.output, "standard output", reader),
        ):
            async for block in reader:
                await write(block)


# --- the record


def _text(record: Mapping[str, Any]) -> str:
    proof = "its hashes are right" if record["verified"] else "but not verified: nothing has its hashes"
    target = "standard output" if record["target"] == STDOUT else record["target"]
    return priced_text(f"{target}: complete, {proof}", record, without=("target", "verified"))
