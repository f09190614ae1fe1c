"""Ids as arguments, options or lines of a file: some ways work also for an id that begins with "-"."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import folding
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.program.session import CommandError, worst_exit
from aioglacier.cli.shared.uploading import run_side_by_side
from aioglacier.core.checks import check_id
from aioglacier.core.errors import GlacierError, ServiceError, TemporaryServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aioglacier.cli.program.session import Session

_AT_ONCE: Final = 4


def several_ids(kind: str) -> Callable[..., Any]:
    """Give a command ``ids``: from arguments, from options, and from a file with one a line."""

    def fold(given: dict[str, Any]) -> None:
        check = _check_of(given.get("vault", ""), kind)
        given["ids"] = gather_ids(kind, given.pop("given"), given.pop("more_ids"), given.pop("file"), check)

    name = f"{kind}-id"
    return folding(
        fold,
        click.argument("given", metavar=f"{kind.upper()}_ID...", nargs=-1),
        click.option(f"--{name}", "more_ids", multiple=True, metavar="ID", help="May be repeated."),
        click.option(f"--{name}s", "file", metavar="FILE", help="A file with one id a line; - is stdin."),
    )


def one_id(kind: str, *others: str) -> Callable[..., Any]:
    """Give a command an id, as "job_id", and the arguments behind it, as "target" for ``TARGET``."""

    def fold(given: dict[str, Any]) -> None:
        name = f"{kind}_id"
        check = _check_of(given.get("vault", ""), kind)
        values = take_id(kind, given.pop("arguments"), given[name], others=others, check=check)
        given |= zip((name, *map(str.lower, others)), values, strict=True)

    return folding(
        fold,
        click.argument("arguments", metavar=" ".join((f"{kind.upper()}_ID", *others)), nargs=-1),
        click.option(f"--{kind}-id", metavar="ID", help="In place of the argument."),
    )


def take_id(
    kind: str,
    arguments: Sequence[str],
    option: str | None,
    *,
    others: Sequence[str],
    check: Callable[[str], str] | None = None,
) -> list[str]:
    """Put the id at the front of the arguments, wherever it was given, and check it.

    ``option`` is the value of ``--archive-id=ID`` and the like, ``others`` the arguments behind the id.

    Raises:
        UsageError: There are too few arguments, or too many.
        InvalidIdError: It is not an id.
    """
    names = [*([f"{kind.upper()}_ID"] if option is None else []), *others]
    if len(arguments) < len(names):
        raise click.UsageError(
            f"missing argument: {names[len(arguments)]} (an id may also be given as --{kind}-id=ID)"
        )
    if len(arguments) > len(names):
        raise click.UsageError(f"one argument too many: {arguments[len(names)]!r}")
    given = list(arguments) if option is None else [option, *arguments]
    (check or partial(check_id, kind))(given[0])
    return given


def _check_of(place: str, kind: str) -> Callable[[str], str]:
    """Return the check of ids in a vault, or of keys and upload ids in a bucket."""
    if not place.startswith("s3://"):
        return partial(check_id, kind)
    from aioglacier.core.s3.object_checks import check_key, check_upload_id  # noqa: PLC0415

    return check_upload_id if kind == "upload" else check_key


def gather_ids(
    kind: str,
    arguments: Sequence[str],
    options: Sequence[str],
    file: str | None,
    check: Callable[[str], str] | None = None,
) -> list[str]:
    """Return all ids, from arguments, options and a file with one a line, each once and checked.

    Raises:
        UsageError: No id was given.
        InvalidIdError: One is not an id.
    """
    given = [*arguments, *options]
    if file is not None:
        given += filter(None, map(str.strip, read_names(file)))
    if not given:
        raise click.UsageError(f"missing argument: {kind.upper()}_ID... (or --{kind}-id=ID)")
    return list(dict.fromkeys((check or partial(check_id, kind))(each) for each in given))


def read_names(file: str) -> list[str]:
    """Return the names in a file, or in standard input for "-": one a line, or each ended by NUL."""
    try:
        with open(0 if file == "-" else file, "rb", closefd=file != "-") as lines:  # of any bytes
            content = lines.read()
    except OSError as error:
        raise CommandError(f"{file!r} cannot be read: {error.strerror}", Exit.USAGE) from error
    ends = b"\0" if b"\0" in content else b"\n"
    # Names are of any bytes; an editor on Windows ends lines with CR, too.
    return [os.fsdecode(each.removesuffix(b"\r")) for each in content.split(ends) if each.strip()]


async def change_each(
    session: Session,
    kind: str,
    vault: str,
    ids: Sequence[str],
    verb: str,
    change: Callable[[str], Awaitable[None]],
) -> Exit:
    """Change several archives or uploads, some at once, and print each as "VERB ID".

    One refusal leaves the others. Trouble that concerns all of them ends the run, after the changes under way
    have been answered.
    """
    name, where = ("key", "place") if kind == "key" else (f"{kind}_id", "vault")
    codes: list[Exit] = []
    waiting = iter(ids)
    trouble: list[GlacierError] = []

    async def change_waiting() -> None:
        for each in waiting:
            if trouble:  # which would meet the others, too
                return
            try:
                await change(each)
            except GlacierError as error:
                if not isinstance(error, ServiceError) or isinstance(error, TemporaryServiceError):
                    trouble.append(error)
                    return
                if len(ids) == 1:  # its own exit code says more than "some failed"
                    raise
                codes.append(tell(session.output, failure_of(error, item=each)))
            else:
                session.output.record(
                    {name: each, where: vault, verb: True}, lambda record: f"{verb} {record[name]}"
                )

    await run_side_by_side(change_waiting, _AT_ONCE)
    if trouble:
        raise trouble[0]
    return worst_exit(len(codes), len(ids), codes)
