"""The question before something that deletes or costs money."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from aioglacier.cli.program.session import Session

YES: Final = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(session: Session, what: str, *, yes: bool, note: str = "", is_final: bool = True) -> None:
    """Ask on a terminal, and return if the answer is yes. With ``yes`` nothing is asked.

    Args:
        session: The session.
        what: What would be done, as in "delete vault photos", with the amount that it is about.
        yes: ``--yes`` was given.
        note: What to know before answering.
        is_final: Whether the change cannot be undone. One that can be is made without asking where there is
            no terminal.

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
            f"this would {what}{note and f' ({note})'}. Nothing was done: there is no terminal to ask on. "
            "Use --yes to go ahead without asking"
        )
    with session.stopper.asking():
        click.confirm(f"{what[0].upper()}{what[1:]}?{note and f' {note}.'}", abort=True, err=True)
