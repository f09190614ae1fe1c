"""What deletes or costs money is asked for once more, or was told to go ahead."""

from __future__ import annotations

import sys

import click


def confirm(question: str, *, yes: bool, is_final: bool = True) -> None:
    """Return if the answer is yes; nobody is asked where ``--yes`` was given.

    What is not final, because it can be made good again, is not asked where there is nobody to ask.

    Raises:
        UsageError: There is nobody to ask.
        Abort: The answer is no.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        if not is_final:
            return
        raise click.UsageError(
            f"{question} Nobody can be asked without a terminal, so nothing was done; --yes goes ahead"
        )
    click.confirm(question, abort=True, err=True)
