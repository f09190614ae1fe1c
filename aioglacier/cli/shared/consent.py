"""Before something is changed or paid for: the plan with ``--dry-run``, or else a question."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import flag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.cli.program.session import Session

DRY_RUN: Final = flag("--dry-run", "Print the plan and its cost. Change nothing, pay nothing.")
YES: Final = flag("--yes", "Do not ask.")


def confirm(session: Session, what: str, *, yes: bool, note: str = "", is_final: bool = True) -> None:
    """Ask on a terminal, and return if the answer is yes. With ``yes`` nothing is asked.

    ``what`` would be done, as in "delete vault photos"; ``note`` is what to know before answering. A change
    that is not final is made without asking where there is no terminal.

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


def tell_plan(session: Session, operation: str, text: str, **facts: Any) -> int:
    """Print the request that would be made, as "would TEXT" for people, and end."""

    def shown(_: Mapping[str, Any]) -> str:
        return f"would {text}; nothing was done"

    session.output.record({"event": "plan", "operation": operation, **facts}, shown)
    return Exit.DONE
