"""Puts the help of every command, and the exit codes, into the manual while it is built."""

from __future__ import annotations

from typing import Any, Final

import click

from aioglacier.cli.program.exits import MEANINGS
from aioglacier.cli.program.main import root

#: As a terminal of 80 columns shows the help.
_SETTINGS: Final[dict[str, Any]] = {"terminal_width": 80}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page by what the program says of itself."""
    for mark, make in (("<!-- commands -->", _commands), ("<!-- exit codes -->", _exit_codes)):
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown


def _commands() -> str:
    return "\n".join(_described(root, click.Context(root, info_name="aioglacier", **_SETTINGS)))


def _described(command: click.Command, context: click.Context) -> list[str]:
    lines = [f"## {context.command_path}\n", f"```text\n{command.get_help(context)}\n```\n"]
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        member = command.get_command(context, name)
        if member is not None and not member.hidden:
            inner = click.Context(member, parent=context, info_name=name, **_SETTINGS)
            lines += _described(member, inner)
    return lines


def _exit_codes() -> str:
    rows = [f"| {code.value} | `{code.name}` | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(["| code | name | means |", "| --- | --- | --- |", *rows])
