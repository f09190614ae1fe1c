"""``aioglacier upload``: archive files or standard input, and go on with interrupted files."""

from __future__ import annotations

import math
import os
import stat
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import command as make_command, gathering
from aioglacier.cli.program.exits import Exit, is_about_one_item
from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.program.parameters import PART_SIZE, PLACE_NAME, SHARD, SIZE, STORAGE_CLASS, AnyCase, flag
from aioglacier.cli.program.session import worst_exit
from aioglacier.cli.render.printed_records import archive_record, archive_text
from aioglacier.cli.render.sizes import show_size
from aioglacier.cli.shared.encrypting import RECIPIENTS, upload_sealed
from aioglacier.cli.shared.id_arguments import read_names
from aioglacier.cli.shared.money import SPENDING, cost_record, priced_text
from aioglacier.cli.shared.stream_options import count_parts_of_piece, upload_rolling
from aioglacier.cli.shared.uploading import (
    STDIN,
    RunningUploads,
    UploadOptions,
    holding_shard,
    look_at,
    note_told,
    offer_restart,
    open_stdin,
    point_to_abort,
    resume_with,
    run_side_by_side,
    take_shard,
    tell_what_expired,
    tell_what_was_found,
    warn_of_idle,
)
from aioglacier.cli.shared.vault_lookup import find_region
from aioglacier.core.checks import check_description
from aioglacier.core.errors import (
    EmptyArchiveError,
    GlacierError,
    OutcomeUnknownError,
    ResumeMismatchError,
    SourceUnreadableError,
)
from aioglacier.core.inventory.descriptions import decode, describe_name
from aioglacier.core.limits import S3 as S3_LIMITS, VAULT as LIMITS
from aioglacier.core.planning import choose_part_size, count_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive
    from aioglacier.core.prices import Prices


#: Sources at once. They share one budget of memory and connections; small ones mostly wait for answers.
_AT_ONCE: Final = 8


@make_command("upload", moves=True)
@click.argument("vault", metavar="PLACE", type=PLACE_NAME)
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.option(
    "--files-from",
    metavar="FILE",
    help="Also the files named in FILE: one a line, or ended by NUL as find -print0 does; - is stdin.",
)
@click.option(
    "--description",
    metavar="TEXT",
    help="Up to 1,024 printable ASCII characters. Default: the file's name; standard input has none.",
)
@click.option("--part-size", type=PART_SIZE, help="1MiB x 2**k up to 4GiB. Default: 16MiB, or what fits.")
@click.option(
    "--expected-size",
    type=SIZE,
    help="Make an archive only of so many bytes; for a pipe whose writer may fail.",
)
@flag("--no-resume", "Do not look for an unfinished upload of the same file.")
@flag("--restart", "Abort the unfinished upload of the file, and begin again.")
@flag("--again", "Make another archive of a file that is stored and unchanged.")
@STORAGE_CLASS
@click.option(
    "--metadata", metavar="NAME=VALUE", multiple=True, help="In a bucket: metadata of the object; repeatable."
)
@flag("--overwrite", "In a bucket: replace an object that has the key.")
@click.option(
    "--checksum",
    type=AnyCase(["SHA256", "CRC64NVME", "auto"]),
    help="In a bucket: SHA256 proves each byte, and is the default. CRC64NVME takes less CPU, needs TLS, and "
    "finds damage but no forgery. auto is SHA256, and MD5 at a store that knows no other checksum.",
)
@RECIPIENTS
@flag("--roll-over", "Standard input may be of any length: where one archive is full, the next begins.")
@click.option("--piece-size", type=SIZE, help="With --roll-over: bytes of an archive. Default: 10,000 parts.")
@click.option("--stream", metavar="NAME", help="With --roll-over: go on with this stream, read again.")
@click.option(
    "--position", type=SIZE, help="With --stream: standard input begins at this byte of the stream."
)
@SHARD
@SPENDING
@flag("--dry-run", "Print the plan and its cost; connect to nothing, read nothing.")
@gathering(UploadOptions)
def command(session: Session, options: UploadOptions) -> Ending:
    """Archive each SOURCE in PLACE: a file, or - for standard input.

    PLACE is a vault, or s3://BUCKET/KEY. A key that ends with / or is empty gets the file's name. A bucket
    needs --storage-class. An object that has the key is not replaced, and nothing is sent, unless --overwrite
    asks for it.

    Prints each archive once the service has proven it by its size and tree hash. Keep the archive's id: it is
    the only name it has.

    Several files go up side by side. Run the same command again after an interruption: files that are stored
    and unchanged are skipped (--again sends another copy), and an unfinished upload goes on where it stopped,
    after the parts that the service has are hashed again and compared. The service removes an upload after 24
    idle hours. An interrupted upload of standard input is aborted.

    If a file has changed since its unfinished upload began, nothing is sent: --restart aborts that upload and
    sends the file from the beginning, --no-resume leaves the upload alone.

    If the program that writes to standard input dies, the bytes until then become an archive, unless
    --expected-size says how many must come.

    With --roll-over, standard input becomes as many archives as it needs, and a last one, the manifest, whose
    id brings all of it back with 'download --manifest'. After an interruption, run the command that is
    printed.

    With --recipient the bytes are encrypted before they leave this machine, and the file's name is not sent
    unless --description says it. An encrypted upload differs each time, so it cannot be resumed.
    """
    check_description(options.description)
    is_bucket = options.vault.startswith("s3://")
    _refuse(options, is_bucket=is_bucket)
    of_all = _gather(options)
    sources = take_shard(of_all, options)
    if STDIN in sources:
        session.settings.refuse_streams("standard input")
    if options.recipients is not None:
        session.settings.refuse_streams("an encrypted upload")
    there = sources if options.dry_run else _those_there(session, sources, options.vault)
    if is_bucket:
        from aioglacier.cli.commands.buckets.upload_objects import upload_objects  # noqa: PLC0415

        work = upload_objects(session, of_all, there, options)
    elif options.dry_run:
        work = _plan_all(session, sources, options)
    elif options.roll_over:
        work = partial(upload_rolling, session, options)
    else:
        work = partial(_upload_all, session, there, of_all, options)
    return work if len(there) == len(sources) else _after_failures(work, there)


def _those_there(session: Session, sources: tuple[str, ...], vault: str) -> tuple[str, ...]:
    """Return the sources that can be read; report the others before anything is connected.

    Raises:
        SourceUnreadableError: The only one cannot be read.
    """
    there = []
    for source in sources:
        try:
            _check_there(session, source, vault)
            there.append(source)
        except SourceUnreadableError as error:
            if len(sources) == 1:
                raise
            tell(session.output, failure_of(error, item=source))
    return tuple(there)


def _after_failures(work: Ending, there: tuple[str, ...]) -> Ending:
    """Return the work on the sources that are there, with the exit code that tells of the others."""
    if not there or not callable(work):
        return Exit.SOME_FAILED

    async def others(glacier: Glacier) -> int:
        return await work(glacier) or Exit.SOME_FAILED

    return others


def _gather(options: UploadOptions) -> tuple[str, ...]:
    """Return all sources. One that is named twice, also by two names, counts once, in its first place."""
    listed = read_names(options.files_from) if options.files_from is not None else []
    # In a list, "-" is a file of this name.
    given = [*options.sources, *(f"./{STDIN}" if each == STDIN else each for each in listed)]
    if not given:
        raise click.UsageError("missing argument: SOURCE... (or --files-from FILE)")
    return tuple({os.path.abspath(each): each for each in reversed(given)}.values())[::-1]  # noqa: PTH100


def _refuse(options: UploadOptions, *, is_bucket: bool) -> None:
    """Refuse options that do not go together."""

    def first_given(*names: str) -> str | None:
        for name in names:
            value = getattr(options, name)
            if value is not None and value is not False and value != ():  # 0 bytes are given, too
                return f"--{name.replace('_', '-')}"
        return None

    option = first_given("expected_size", "restart", "no_resume", "stream")
    if options.recipients is not None and option is not None:
        raise click.UsageError(
            f"{option} does not go with --recipient: an encrypted upload differs each time"
        )
    if not is_bucket and (named := first_given("metadata", "overwrite", "checksum")):
        raise click.UsageError(f"{named} is for buckets; an archive in a vault has a --description")
    if options.roll_over:
        if named := first_given("metadata", "overwrite", "checksum"):
            raise click.UsageError(f"{named} does not go with --roll-over")
        if options.sources != (STDIN,) or first_given("expected_size", "no_resume", "restart"):
            raise click.UsageError("--roll-over is for standard input alone: one SOURCE, which is -")
        if options.position is not None and options.stream is None:
            raise click.UsageError("--position is one in a stream that goes on; name it with --stream")
        return
    if first_given("piece_size", "stream", "position"):
        raise click.UsageError("--piece-size, --stream and --position go with --roll-over")
    if (*options.sources, options.files_from).count(STDIN) > 1:
        raise click.UsageError("standard input can be read once only")
    if options.expected_size is not None:
        choose_part_size(options.expected_size, options.part_size, S3_LIMITS if is_bucket else LIMITS)
    if options.restart and options.no_resume:
        raise click.UsageError("--restart aborts what --no-resume leaves alone; give one")


# --- the plan


def _plan_all(session: Session, sources: tuple[str, ...], options: UploadOptions) -> int:
    codes = []
    for source in sources:
        try:
            session.output.record(_plan(session, source, options), _plan_text)
        except (GlacierError, OSError) as error:
            codes.append(tell(session.output, failure_of(error, item=source)))
    return worst_exit(len(codes), len(sources), codes)


def _check_there(session: Session, source: str, vault: str) -> os.stat_result | None:
    """Look at a file before credentials and vaults are looked for."""
    if source == STDIN:
        return None
    status = look_at(source)
    if stat.S_ISDIR(status.st_mode):
        sync = session.command("sync", "--", source, vault)
        raise SourceUnreadableError(f"{source!r} is a folder; to archive it: {sync}", path=source)
    return status


def _plan(session: Session, source: str, options: UploadOptions) -> Record:
    size = options.expected_size
    if (status := _check_there(session, source, options.vault)) is not None:
        if not stat.S_ISREG(status.st_mode):
            raise SourceUnreadableError(f"{source!r} is not a regular file", path=source)
        if status.st_size == 0:
            raise EmptyArchiveError(f"{source!r} has no bytes")
        size = status.st_size
    part_size = choose_part_size(size, options.part_size)
    parts = count_parts(size, part_size) if size is not None else None
    prices = options.spending.prices_of(find_region(session.settings))
    cost = math.nan if size is None else _cost(prices, size, options.part_size)
    record = {
        "source": source,
        "vault": options.vault,
        "description": _description_for(source, options) or "",
        "size": size,
        "part_size": part_size,
        "parts": parts,
        "requests": None if parts is None else 1 if parts == 1 else parts + 2,
        "at_most": LIMITS.max_parts * part_size if size is None and not options.roll_over else None,
        **cost_record(prices, cost),
    }
    return record | ({"piece_size": count_parts_of_piece(options) * part_size} if options.roll_over else {})


def _cost(prices: Prices, size: int, part_size: int | None) -> float:
    """Return the cost of a new archive: its requests, and its storage for the minimum time."""
    part_size = choose_part_size(size, part_size)
    return prices.archive(size, None if size <= part_size else part_size)


def _plan_text(record: Mapping[str, Any]) -> str:
    if record["parts"] is None:
        headline = f"{record['source']}: a stream of unknown length"
        return priced_text(headline, record, without=("source", "cost"))
    how = "in one request" if record["parts"] == 1 else f"in {record['parts']:,} parts"
    return priced_text(f"{record['source']}: would be uploaded {how}", record, without=("source",))


# --- the uploads


async def _upload_all(
    session: Session,
    sources: tuple[str, ...],
    of_all: tuple[str, ...],
    options: UploadOptions,
    glacier: Glacier,
) -> int:
    """Upload the sources side by side, and print each archive as soon as there is one.

    ``of_all`` are the sources of all shards.
    """
    vault = glacier.vault(options.vault)
    await warn_of_idle(session, vault)
    codes: list[Exit] = []
    left = list(sources)
    waiting = iter(sources)
    budget = options.spending.budget(glacier)
    running = RunningUploads(session, len(sources), budget)

    async def upload_waiting() -> None:
        for source in waiting:
            try:
                archive = await _upload(session, running, vault, source, options)
            except GlacierError as error:
                if isinstance(error, ResumeMismatchError) and source != STDIN:
                    offer_restart(error)
                point_to_abort(session, error, options.vault)
                # The other sources would fail in the same way.
                if len(sources) == 1 or not is_about_one_item(error):
                    _point_to_upload(session, error, source, options)
                    raise
                codes.append(tell(session.output, failure_of(error, item=source)))
            else:
                session.output.record(
                    {**archive_record(archive), "source": source, "skipped": source in running.stored},
                    _archive_text,
                )
                await note_told(vault, archive)
            left.remove(source)  # one that failed would fail again
            session.resume = resume_with(session, options, left)

    session.resume = resume_with(session, options, left)
    async with (
        holding_shard(session, vault.context.recorded(), of_all, options),
        vault.spending(budget),
        running.showing(),
    ):
        await run_side_by_side(upload_waiting, min(_AT_ONCE, len(sources)))
    return worst_exit(len(codes), len(sources), codes)


def _archive_text(record: Mapping[str, Any]) -> str:
    is_told = record["source"] in {STDIN, decode(record["description"]).name}
    without = {"skipped", *(["source"] if is_told else [])}
    return archive_text({key: value for key, value in record.items() if key not in without})


async def _upload(
    session: Session, running: RunningUploads, vault: Vault, source: str, options: UploadOptions
) -> Archive:
    if options.recipients is not None:
        return await upload_sealed(running, vault, source, options.recipients, options)
    if source == STDIN:
        return await _upload_stdin(session, running, vault, options)
    _check_there(session, source, options.vault)
    async with vault.open_or_resume(
        source,
        description=_description_for(source, options),
        part_size=options.part_size,
        expected_size=options.expected_size,
        resume=not options.no_resume,
        restart=options.restart,
        again=options.again,
    ) as upload:
        tell_what_was_found(session, source, upload)
        if upload.is_stored:
            running.skip(source)
            return await upload.run()
        if upload.is_new and upload.archive is None:
            running.check_cost(source, _cost(running.budget.prices, upload.file.size, options.part_size))
        try:
            return await running.run(source, upload, is_resume=not upload.is_new)
        finally:  # an upload can also expire while it goes on
            tell_what_expired(session, upload)


async def _upload_stdin(
    session: Session, running: RunningUploads, vault: Vault, options: UploadOptions
) -> Archive:
    file = open_stdin()
    await vault.sweep_uploads()  # no later run finds an upload of a stream by its file
    status = os.fstat(0)
    part_size = options.part_size
    if part_size is None and options.expected_size is None and stat.S_ISREG(status.st_mode):
        # A redirected file may still change, so its size is a hint, and not a promise.
        left = status.st_size - os.lseek(0, 0, os.SEEK_CUR)
        part_size = choose_part_size(left) if left > 0 else None
    elif options.expected_size is None:
        most = LIMITS.max_parts * choose_part_size(None, part_size)
        session.output.note(
            f"standard input may have up to {show_size(most)}; larger parts make it more, and "
            "--roll-over any length"
        )
    upload = await vault.prepare_upload(
        file, description=options.description, part_size=part_size, expected_size=options.expected_size
    )
    return await running.run("standard input", upload, can_go_on=False)


# --- names and sizes


def _description_for(source: str, options: UploadOptions) -> str | None:
    if options.description is not None or source == STDIN or options.recipients is not None:
        return options.description
    return describe_name(os.path.basename(source))  # noqa: PTH119  # a name of any bytes


def _point_to_upload(session: Session, error: GlacierError, source: str, options: UploadOptions) -> None:
    """Name the command that goes on with this upload, where the same command would not."""
    if isinstance(error, OutcomeUnknownError):
        session.resume = session.command("inventory", "--", options.vault)  # which settles it
    elif error.upload_id is not None and (source == STDIN or options.no_resume):
        session.resume = session.command(
            "uploads", "resume", f"--upload-id={error.upload_id}", "--", options.vault, source
        )
    elif options.no_resume:
        session.resume = None
