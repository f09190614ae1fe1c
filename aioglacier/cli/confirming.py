"""What deletes or costs money is asked for once more, or was told to go ahead."""

from __future__ import annotations

import sys

import click


def confirm(question: str, *, yes: bool) -> None:
    """Return if the answer is yes; nobody is asked where ``--yes`` was given.

    Raises:
        UsageError: There is nobody to ask.
        Abort: The answer is no.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(
            f"{question} There is no terminal to ask on: --yes says so beforehand; nothing was done",
            click.get_current_context(),
        )
    click.confirm(question, abort=True, err=True)
