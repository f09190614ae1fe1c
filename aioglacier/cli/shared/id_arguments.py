"""Ids as arguments, options or lines of a file: some ways work also for an id that begins with "-"."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aioglacier.core.checks import check_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

F = TypeVar("F", bound="Callable[..., Any]")


def several_ids(kind: str) -> Callable[[F], F]:
    """Give a command ``given``, ``more_ids`` and ``file``, from which ``gather_ids`` collects."""
    name = f"{kind}-id"

    def decorate(function: F) -> F:
        for option in (
            click.option(f"--{name}s", "file", metavar="FILE", help="A file with one id a line; - is stdin."),
            click.option(f"--{name}", "more_ids", multiple=True, metavar="ID", help="May be repeated."),
            click.argument("given", metavar=f"{kind.upper()}_ID...", nargs=-1),
        ):
            function = option(function)
        return function

    return decorate


def take_id(kind: str, arguments: Sequence[str], option: str | None, *, others: Sequence[str]) -> list[str]:
    """Put the id at the front of the arguments, wherever it was given, and check it.

    Args:
        kind: "archive", "job" or "upload".
        arguments: All arguments behind the vault.
        option: What ``--archive-id=ID`` and the like said.
        others: The names of the arguments behind the id.

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
    check_id(kind, given[0])
    return given


def gather_ids(kind: str, arguments: Sequence[str], options: Sequence[str], file: str | None) -> list[str]:
    """Return all ids, from arguments, options and a file with one a line, each once and checked.

    Raises:
        UsageError: No id was given.
        InvalidIdError: One is not an id.
    """
    given = [*arguments, *options]
    if file is not None:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        given += [line.strip() for line in text.splitlines() if line.strip()]
    if not given:
        raise click.UsageError(f"missing argument: {kind.upper()}_ID... (or --{kind}-id=ID)")
    return list(dict.fromkeys(check_id(kind, each) for each in given))
