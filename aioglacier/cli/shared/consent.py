"""Before something is changed or paid for: the plan with ``--dry-run``, or else a question."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import flag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aioglacier.cli.program.session import Session

DRY_RUN: Final = flag("--dry-run", "Print the plan and its cost. Change nothing, pay nothing.")
YES: Final = flag("--yes", "Do not ask.")


def confirm(session: Session, what: str, *, yes: bool, note: str = "", is_final: bool = True) -> None:
    """Ask on a terminal, and return if the answer is yes. With ``yes`` nothing is asked.

    ``what`` would be done, as in "delete vault photos"; ``note`` is what to know before answering. A change
    that is not final is made without asking where there is no terminal.

    Raises:
        UsageError: There is no terminal.
        Abort: The answer is no, or there is none.
    """
    if yes:
        return
    if not _has_terminal():
        if not is_final:
            return
        raise _no_terminal(f"{what}{note and f' ({note})'}")
    told = f"{_sentence(note)}.\n" if note else ""
    with _asking(session):
        answer = click.confirm(f"{told}{_sentence(what)}?", err=True)
    if not answer:
        raise click.Abort


def confirm_by_name(session: Session, what: str, name: str) -> None:
    """Ask for a name on a terminal, and return if it is typed.

    Raises:
        UsageError: There is no terminal.
        Abort: Something else was typed.
    """
    if not _has_terminal():
        raise _no_terminal("; ".join(what.splitlines()))
    with _asking(session):
        typed = click.prompt(f"This would {what}.\nType the name of the vault to go ahead", err=True)
    if typed != name:
        raise click.Abort


def _has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _no_terminal(what: str) -> click.UsageError:
    return click.UsageError(
        f"this would {what}. Nothing was done: there is no terminal to ask on. "
        "Use --yes to go ahead without asking"
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


@contextmanager
def _asking(session: Session) -> Iterator[None]:
    """End the line of a question that a signal or the end of the input leaves without an answer."""
    try:
        with session.stopper.asking():
            yield
    except BaseException:
        click.echo(err=True)
        raise


def tell_plan(session: Session, operation: str, text: str, **facts: Any) -> int:
    """Print the request that would be made, as "would TEXT" for people, and end."""

    def shown(_: Mapping[str, Any]) -> str:
        return f"would {text}; nothing was done"

    session.output.record({"event": "plan", "operation": operation, **facts}, shown)
    return Exit.DONE
