"""Errors as one record, one short text and one exit code, never a traceback."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from aioglacier.cli.program.exits import Exit, exit_of
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.program.stopping import StoppedError
from aioglacier.cli.render.escaping import escape
from aioglacier.cli.render.printed_records import plain
from aioglacier.core.errors import (
    ArchiveNotFoundError,
    BucketNotFoundError,
    GlacierError,
    JobNotFoundError,
    ResourceNotFoundError,
    VaultNotFoundError,
)

if TYPE_CHECKING:
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Output, Record

_log: Final = logging.getLogger("aioglacier.cli")

#: Endings after which the same work can go on.
_RESUMABLE: Final = frozenset(
    {Exit.TEMPORARY, Exit.NOT_YET, Exit.IDENTITY, Exit.HANGUP, Exit.INTERRUPTED, Exit.TERMINATED}
)


class Failure(NamedTuple):
    """An error, ready to print."""

    record: Record  # for ``--json``
    text: str  # for people
    code: Exit  # the exit code


def failure_of(
    error: BaseException, *, resume: str | None = None, safe: str = "", item: str | None = None
) -> Failure:
    """Return the record, the text and the exit code of an error.

    ``resume`` is the command that goes on, ``safe`` what a stop by signal leaves safe, ``item`` the one of
    several things that the error is about.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # the first failure ended the others
    code, message = _judge(error)
    if isinstance(error, StoppedError) and safe:
        message += f"; {safe}"
    if code not in _RESUMABLE and not (isinstance(error, GlacierError) and error.upload_id):
        resume = None
    record: Record = {"error": _name(error), "message": message, "resume": resume, **_attributes(error)}
    text = f"aioglacier: {escape(message)}"
    if item is not None:
        record["item"] = item
        if item not in message:  # many messages name it themselves
            text = f"aioglacier: {escape(item)}: {escape(message)}"
    if notes := [str(note) for note in getattr(error, "__notes__", ())]:
        record["notes"] = notes
        text += "".join(f"\n  {escape(note)}" for note in notes)
    if resume is not None:
        text += f"\nto go on: {resume}"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        text = message  # the help itself
    elif isinstance(error, click.UsageError) and error.ctx is not None:
        text += f"\nTry '{error.ctx.command_path} --help'."
    return Failure(record, text, code)


def add_next_step(session: Session, error: BaseException) -> None:
    """Add the command that helps to an error about something that the service does not have."""
    if isinstance(error, BucketNotFoundError) and error.bucket is not None:
        here, new = session.command("bucket", "list"), session.command("bucket", "create", error.bucket)
        error.add_note(f"your buckets: {here}; a new one: {new}")
    if not isinstance(error, ResourceNotFoundError) or error.vault is None:
        return
    match error:
        case VaultNotFoundError():
            here, new = session.command("vault", "list"), session.command("vault", "create", error.vault)
            error.add_note(f"the vaults that are there: {here}; a new one: {new}")
        case ArchiveNotFoundError():
            error.add_note(f"the archives that are there: {session.command('inventory', error.vault)}")
        case JobNotFoundError():
            jobs = session.command("jobs", "list", error.vault)
            error.add_note(
                f"a job is gone about a day after its end, and 'download' starts another; all: {jobs}"
            )


def tell(output: Output, failure: Failure) -> Exit:
    """Print a failure, and return its exit code."""
    output.error(failure.record, failure.text)
    return failure.code


def _name(error: BaseException) -> str:
    if isinstance(error, StoppedError):
        return "Stopped"
    return type(error).__name__


def _judge(error: BaseException) -> tuple[Exit, str]:
    match error:
        case StoppedError():
            return Exit(128 + error.signal), str(error)  # as shells count
        case KeyboardInterrupt():
            return Exit.INTERRUPTED, "stopped by SIGINT"
        case GlacierError():
            return exit_of(type(error)), str(error)
        case CommandError():
            return error.code, str(error)
        case click.UsageError():
            return Exit.USAGE, error.format_message()
        case click.ClickException():
            return Exit.OTHER, error.format_message()
        case click.Abort():
            return Exit.OTHER, "not confirmed; nothing was done"
        case OSError() if error.strerror:
            return Exit.OTHER, f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        case MemoryError():
            return Exit.OTHER, "memory ran out; a smaller --memory-limit needs less"
        case ImportError():
            return Exit.OTHER, str(error)
        case _:
            _log.debug("%s", _name(error), exc_info=error)  # the one place that shows a traceback
            return (
                Exit.OTHER,
                f"unexpected {type(error).__name__}: {error} (-vv shows where; please report it)",
            )


def _attributes(error: BaseException) -> dict[str, Any]:
    if isinstance(error, StoppedError):
        return {"signal": error.signal.name}
    if not isinstance(error, GlacierError):
        return {}
    known = {"vault", "upload_id", "sent", "attempts", "elapsed_seconds"}
    names = sorted(known) + sorted(name for name in vars(error) if name not in known)
    return {
        name: plain(getattr(error, name))
        for name in names
        if not name.startswith("_") and name not in {"message", "args", "error", "resume"}
    }
