"""The question before something that deletes or costs money."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from aioglacier.cli.program.session import Session

YES: Final = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(
    session: Session, question: str, *, yes: bool, is_final: bool = True, otherwise: str = "Nothing was done"
) -> None:
    """Ask on a terminal, and return if the answer is yes. With ``yes`` nothing is asked.

    Args:
        session: The session.
        question: The question, with the amount that it is about.
        yes: ``--yes`` was given.
        is_final: Whether the change cannot be undone. One that can be is made without asking where there is
            no terminal.
        otherwise: What is true if the answer is no.

    Raises:
        UsageError: There is no terminal.
        Abort: The answer is no.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        if not is_final:
            return
        raise click.UsageError(
            f"{question} Not a terminal, so I cannot ask. {otherwise}. Use --yes to go ahead without asking"
        )
    with session.stopper.asking():
        click.confirm(question, abort=True, err=True)
