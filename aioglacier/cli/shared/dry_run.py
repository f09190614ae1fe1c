"""``--dry-run``: the plan of a command that changes something or costs money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.cli.program.session import Session

DRY_RUN: Final = click.option(
    "--dry-run", is_flag=True, help="Print the plan and its cost. Change nothing, pay nothing."
)


def tell_plan(session: Session, operation: str, text: str, **facts: Any) -> int:
    """Print the request that would be made, and end.

    Args:
        session: The session.
        operation: The service's name of it.
        text: The same for people, as in "would ...".
        facts: Its parameters.
    """

    def shown(_: Mapping[str, Any]) -> str:
        return f"would {text}; nothing was done"

    session.output.record({"event": "plan", "operation": operation, **facts}, shown)
    return Exit.DONE
