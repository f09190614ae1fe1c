"""``aioglacier upload``: files or standard input become archives; an interrupted file goes on by itself.

Without any record kept here, an unfinished upload of the same file is recognised by its description and
proven by its parts: each is hashed again from the file before anything is sent. One that fails that proof is
somebody else's, or the file has changed: whoever called decides.
"""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.command import command as make_command
from aioglacier.cli.exits import is_about_one_item
from aioglacier.cli.failures import failure_of, tell
from aioglacier.cli.locking import UploadLocks
from aioglacier.cli.parameters import PART_SIZE, SIZE
from aioglacier.cli.progress import showing
from aioglacier.cli.records import archive_record, archive_text, as_text
from aioglacier.cli.session import worst_exit
from aioglacier.cli.sizes import show_count, show_size
from aioglacier.core.checks import check_description, check_vault_name
from aioglacier.core.descriptions import decode
from aioglacier.core.errors import (
    AccessDeniedError,
    EmptyArchiveError,
    GlacierError,
    MemoryLimitError,
    OutcomeUnknownError,
    ResumeMismatchError,
    SourceChangedError,
    SourceUnreadableError,
    UploadExpiredError,
    UploadNotFoundError,
)
from aioglacier.core.planning import choose_part_size, count_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.cli.output import Record
    from aioglacier.cli.session import Session
    from aioglacier.client import Glacier
    from aioglacier.core.models import Archive
    from aioglacier.transfer.upload import SourceUpload
    from aioglacier.upload import Upload
    from aioglacier.vault import Vault

STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class _Options:
    vault: str
    description: str | None
    part_size: int | None
    expected_size: int | None
    resume: bool
    restart: bool


@make_command("upload", short_help="Archive files, or standard input.")
@click.argument("vault")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--description",
    metavar="TEXT",
    help="Up to 1,024 printable ASCII characters. Default: the file's name; standard input has none.",
)
@click.option("--part-size", type=PART_SIZE, help="1MiB x 2**k up to 4GiB. Default: 16MiB, or what fits.")
@click.option(
    "--expected-size",
    type=SIZE,
    help="Bytes that must come; otherwise no archive is made. For a pipe whose writer may fail.",
)
@click.option("--no-resume", is_flag=True, help="Do not look for an unfinished upload of the same file.")
@click.option("--restart", is_flag=True, help="Abort the unfinished upload of the same file, and begin anew.")
@click.option("--dry-run", is_flag=True, help="Print the plan; connect to nothing, read nothing.")
@click.pass_obj
def command(
    session: Session,
    vault: str,
    sources: tuple[str, ...],
    description: str | None,
    part_size: int | None,
    expected_size: int | None,
    no_resume: bool,
    restart: bool,
    dry_run: bool,
) -> int:
    """Archive each SOURCE in VAULT: a file, or - for standard input.

    Prints each archive once the service has proven it by its size and tree hash. Keep the archive's id: it is
    the only name it has.

    A file whose upload was interrupted goes on where it stopped when the same command is run again: every
    part that the service has is first hashed again and compared. Without activity the service forgets an
    unfinished upload after 24 hours. An unfinished upload of standard input is aborted.

    If the file is no longer what its unfinished upload began with, nothing is sent: --restart aborts that
    upload and begins anew, --no-resume leaves it alone.

    With standard input, end of file is all that is seen of the program that writes: if it dies, what came
    until then becomes an archive, unless --expected-size says otherwise.
    """
    check_vault_name(vault)
    check_description(description)
    if sources.count(STDIN) > 1:
        raise click.UsageError("standard input can be archived once only")
    if expected_size is not None:
        choose_part_size(expected_size, part_size)
    if restart and no_resume:
        raise click.UsageError("--restart aborts what --no-resume leaves alone; give one")
    options = _Options(vault, description, part_size, expected_size, not no_resume, restart)
    if dry_run:
        return _plan_all(session, sources, options)
    return session.run(lambda glacier: _upload_all(session, glacier, sources, options))


# --- what would be done


def _plan_all(session: Session, sources: tuple[str, ...], options: _Options) -> int:
    codes = []
    for source in sources:
        try:
            session.output.record(_plan(source, options), _plan_text)
        except (GlacierError, OSError) as error:
            codes.append(tell(session.output, failure_of(error, item=source)))
    return worst_exit(len(codes), len(sources), codes)


def _plan(source: str, options: _Options) -> Record:
    size = options.expected_size
    if source != STDIN:
        try:
            status = os.stat(source)  # noqa: PTH116  # a name of any bytes
        except OSError as error:
            raise _unreadable(source, error) from error
        if not stat.S_ISREG(status.st_mode):
            raise SourceUnreadableError(f"{source!r} is not a regular file", path=source)
        if status.st_size == 0:
            raise EmptyArchiveError(f"{source!r} has no bytes")
        size = status.st_size
    part_size = choose_part_size(size, options.part_size)
    parts = count_parts(size, part_size) if size is not None else None
    return {
        "source": source,
        "vault": options.vault,
        "description": _description_for(source, options) or "",
        "size": size,
        "part_size": part_size,
        "parts": parts,
        "requests": None if parts is None else 1 if parts == 1 else parts + 2,
        "at_most": 10_000 * part_size if size is None else None,
    }


def _plan_text(record: Mapping[str, Any]) -> str:
    if record["parts"] is None:
        return as_text(f"{record['source']}: a stream of unknown length", record, without={"source"})
    how = "in one request" if record["parts"] == 1 else f"in {record['parts']:,} parts"
    return as_text(f"{record['source']}: would be uploaded {how}", record, without={"source"})


# --- doing it


async def _upload_all(session: Session, glacier: Glacier, sources: tuple[str, ...], options: _Options) -> int:
    vault = glacier.vault(options.vault)
    locks = UploadLocks(session, glacier, options.vault)
    codes = []
    for done, source in enumerate(sources):
        session.resume = _resume_command(session, sources[done:], options)
        try:
            archive = await _upload(session, vault, source, options, locks)
        except GlacierError as error:
            point_to_abort(session, error, options.vault)
            if len(sources) == 1 or not is_about_one_item(error):
                _point_to_upload(session, error, source, options)
                raise
            codes.append(tell(session.output, failure_of(error, item=source)))
        else:
            session.output.record({**archive_record(archive), "source": source}, _archive_text)
    return worst_exit(len(codes), len(sources), codes)


def _archive_text(record: Mapping[str, Any]) -> str:
    is_told = record["source"] in {STDIN, decode(record["description"]).name}
    return archive_text({key: value for key, value in record.items() if key != "source" or not is_told})


async def _upload(
    session: Session, vault: Vault, source: str, options: _Options, locks: UploadLocks
) -> Archive:
    description = _description_for(source, options)
    if source == STDIN:
        async with locks.running(description):
            return await _upload_stdin(session, vault, options)
    async with locks.source(source), locks.running(description) as is_another_running:
        if options.resume:
            archive = await _go_on(session, vault, source, options, locks, is_another_running)
            if archive is not None:
                return archive
        upload = await vault.open_upload(
            source,
            description=description,
            part_size=options.part_size,
            expected_size=options.expected_size,
            keep_unfinished=options.resume,
        )
        return await run_upload(session, source, upload)


async def _go_on(
    session: Session,
    vault: Vault,
    source: str,
    options: _Options,
    locks: UploadLocks,
    is_another_running: Callable[[], bool],
) -> Archive | None:
    """Finish an unfinished upload of the same file, if there is one.

    Raises:
        ResumeMismatchError: There is one, and it was begun with other bytes.
    """
    found = await _unfinished(session, vault, source, options)
    if found and is_another_running():
        session.output.warn(
            f"another process uploads something with the description {found[0].description!r} now, so no "
            "unfinished upload of that description is touched"
        )
        return None
    if options.restart:
        for upload in found:
            await upload.abort()
            session.output.note(f"aborted upload {upload.id}, begun {_started(upload)}")
        return None
    mismatch: ResumeMismatchError | None = None
    for candidate in found:
        if not _may_go_on(candidate, source, options) or not await _has_parts(candidate):
            continue
        async with locks.upload(candidate.id):
            try:
                going_on = await vault.open_resume(candidate.id, source)
                session.output.note(f"going on with the upload begun {_started(candidate)}")
                return await run_upload(session, source, going_on, is_resume=True)
            except ResumeMismatchError as error:
                mismatch = mismatch or _offer_restart(session, error, candidate)
            except (MemoryLimitError, UploadNotFoundError, UploadExpiredError) as error:
                session.output.warn(f"upload {candidate.id} cannot be continued: {error}")
    if mismatch is not None:
        raise mismatch
    _tell_of_other_part_size(session, found, options)
    return None


def _may_go_on(upload: Upload, source: str, options: _Options) -> bool:
    return options.part_size in {None, upload.part_size} and (
        count_parts(_size_of(source) or 0, upload.part_size) <= 10_000
    )


def _offer_restart(session: Session, error: ResumeMismatchError, upload: Upload) -> ResumeMismatchError:
    """Say how to get on where the file is not what its unfinished upload was begun with."""
    offer = ResumeMismatchError(
        f"{error.message.partition(';')[0]}; nothing was sent. --restart aborts that upload and begins anew, "
        f"--no-resume leaves it alone; to abort it only: {_abort_command(session, upload.vault, upload.id)}",
        byte_range=error.byte_range,
    )
    offer.vault, offer.upload_id = upload.vault, upload.id
    return offer


def _tell_of_other_part_size(session: Session, found: list[Upload], options: _Options) -> None:
    if options.part_size is None:
        return
    for upload in found:
        if upload.part_size != options.part_size:
            session.output.warn(
                f"the unfinished upload begun {_started(upload)} has parts of {show_size(upload.part_size)}, "
                f"and {show_size(options.part_size)} were asked for, so the file is uploaded anew; to abort "
                f"the other upload: {_abort_command(session, upload.vault, upload.id)}"
            )
            return


def _started(upload: Upload) -> str:
    return f"{upload.started:%Y-%m-%d %H:%M} UTC"


def _abort_command(session: Session, vault: str, upload_id: str) -> str:
    return session.command("uploads", "abort", vault, f"--upload-id={upload_id}")


def point_to_abort(session: Session, error: GlacierError, vault: str) -> None:
    """Where nothing can go on with an upload, since its file is another one now, name what ends it."""
    if not isinstance(error, SourceChangedError | ResumeMismatchError) or error.upload_id is None:
        return
    session.resume = None
    command = _abort_command(session, vault, error.upload_id)
    if command not in error.message:
        error.add_note(f"nothing can go on with upload {error.upload_id}; to abort it: {command}")


async def _upload_stdin(session: Session, vault: Vault, options: _Options) -> Archive:
    session.resume = None
    file = open_stdin()
    status = os.fstat(0)
    part_size = options.part_size
    if part_size is None and options.expected_size is None and stat.S_ISREG(status.st_mode):
        # A redirected file may still change, so its size is a hint, and not a promise.
        left = status.st_size - os.lseek(0, 0, os.SEEK_CUR)
        part_size = choose_part_size(left) if left > 0 else None
    upload = await vault.open_upload(
        file,
        description=options.description,
        part_size=part_size,
        expected_size=options.expected_size,
    )
    return await run_upload(session, "standard input", upload)


def open_stdin() -> io.FileIO:
    """Standard input without a buffer, so that a pipe is waited for and not read ahead.

    Raises:
        SourceUnreadableError: It is closed.
    """
    if sys.stdin is None:
        raise SourceUnreadableError("standard input is closed", path=STDIN)
    file = io.FileIO(0, closefd=False)
    file.name = "standard input"  # for messages
    return file


async def run_upload(
    session: Session, label: str, upload: SourceUpload, *, is_resume: bool = False
) -> Archive:
    """Run an upload, with progress, and with something to say if it is stopped."""

    def safe() -> str:
        counters = upload.snapshot()
        if is_resume and not counters.taken:
            return "what was sent before is still at the service"
        return (
            f"{show_count(counters.done, 'byte')} of it kept by the service"
            if session.resume
            else "no archive was made"
        )

    session.safe = safe
    async with showing(session, label, upload, is_resume=is_resume):
        archive = await upload.run()
    session.safe = lambda: ""
    return archive


async def _unfinished(session: Session, vault: Vault, source: str, options: _Options) -> list[Upload]:
    """Unfinished uploads that this file may have begun, the newest first."""
    description = _description_for(source, options) or ""
    size = _size_of(source)
    if not size or options.expected_size not in {None, size}:
        return []  # opening it will say what is wrong
    is_asked_for = options.restart or options.part_size is not None
    if not is_asked_for and size <= choose_part_size(size, None):
        return []  # it goes in one request
    try:
        found = [upload async for upload in vault.uploads() if upload.description == description]
    except AccessDeniedError as error:
        session.output.warn(f"unfinished uploads cannot be looked for: {error}")
        return []
    return sorted(found, key=lambda upload: upload.started, reverse=True)


async def _has_parts(upload: Upload) -> bool:
    """Whether there is anything to prove that it is ours, and anything to gain."""
    async for _ in upload.parts():
        return True
    return False


# --- what a file is called, and what goes on


def _size_of(source: str) -> int | None:
    try:
        return os.stat(source).st_size  # noqa: PTH116
    except OSError:
        return None  # opening it will say what is wrong


def _description_for(source: str, options: _Options) -> str | None:
    if options.description is not None or source == STDIN:
        return options.description
    return describe_name(os.path.basename(source))  # noqa: PTH119  # a name of any bytes


def describe_name(name: str) -> str:
    """The description that a file gets: its name, or JSON where that could not be read back as it is."""
    if name.isascii() and name.isprintable() and decode(name).name == name:
        return name
    return json.dumps({"path": name})


def _resume_command(session: Session, sources: tuple[str, ...], options: _Options) -> str:
    words = ["upload"]
    if options.description is not None:
        words.append(f"--description={options.description}")
    if options.part_size is not None:
        words.append(f"--part-size={options.part_size}")
    if options.expected_size is not None:
        words.append(f"--expected-size={options.expected_size}")
    return session.command(*words, "--", options.vault, *sources)


def _point_to_upload(session: Session, error: GlacierError, source: str, options: _Options) -> None:
    """Where the same command would not go on with just this upload, name one that does."""
    is_unclear = isinstance(error, OutcomeUnknownError)
    if error.upload_id is not None and (source == STDIN or is_unclear or not options.resume):
        session.resume = session.command(
            "uploads", "resume", f"--upload-id={error.upload_id}", "--", options.vault, source
        )
    elif is_unclear or not options.resume:
        session.resume = None


def _unreadable(path: str, error: OSError) -> SourceUnreadableError:
    return SourceUnreadableError(f"{path!r} cannot be read: {error.strerror}", path=path, errno=error.errno)
