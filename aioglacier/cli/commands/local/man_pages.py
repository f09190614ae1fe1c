"""``aioglacier man-pages``: pages for ``man``, made from the help."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.exits import MEANINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aioglacier.cli.program.session import Session


@make_command("man-pages")
@click.argument("directory", metavar="DIR")
def command(session: Session, directory: str) -> int:
    """Write a page for man of every command into the folder DIR, as aioglacier-sync.1.

    DIR is made if it is missing. To read one: man DIR/aioglacier-sync.1. For all users write to
    /usr/local/share/man/man1.
    """
    root = click.get_current_context().find_root().command
    os.makedirs(directory, exist_ok=True)  # noqa: PTH103  # a name of any bytes
    for context in _contexts(click.Context(root, info_name="aioglacier")):
        path = Path(directory) / f"{context.command_path.replace(' ', '-')}.1"
        path.write_text(_page(context), encoding="utf-8")
        session.output.record({"page": str(path)}, lambda record: str(record["page"]), is_last=False)
    session.output.flush()
    return 0


def _contexts(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None:
                yield from _contexts(click.Context(command, info_name=name, parent=context))


def _page(context: click.Context) -> str:
    """Return the source of one page, in the man macros."""
    command = context.command
    name = context.command_path.replace(" ", "-")
    usage = " ".join(command.collect_usage_pieces(context))
    text = inspect.cleandoc(command.help or "")
    summary = command.get_short_help_str(200) if context.parent else "archive to Amazon Glacier, and back"
    options = (each for each in command.get_params(context) if isinstance(each, click.Option))
    records = [record for option in options if (record := option.get_help_record(context))]
    lines = [
        f'.TH "{name.upper()}" 1',
        ".SH NAME",
        f"{_escape(name)} \\- {_escape(summary)}",
        ".SH SYNOPSIS",
        f"\\fB{_escape(context.command_path)}\\fR {_escape(usage)}",
        ".SH DESCRIPTION",
        *(f".PP\n{_escape(' '.join(paragraph.split()))}" for paragraph in text.split("\n\n")),
    ]
    if isinstance(command, click.Group):
        subcommands = [(each, command.get_command(context, each)) for each in command.list_commands(context)]
        shown = ((each, found.get_short_help_str(200)) for each, found in subcommands if found is not None)
        lines += _list("COMMANDS", shown)
    lines += _list("OPTIONS", records)
    if context.parent is None:
        lines += _list("EXIT STATUS", ((str(code.value), meaning) for code, meaning in MEANINGS.items()))
    else:
        lines += [".SH SEE ALSO", r"\fBaioglacier\fR(1): global options and exit codes."]
    return "\n".join(lines) + "\n"


def _list(heading: str, records: Iterable[tuple[str, str]]) -> list[str]:
    return [f".SH {heading}", *(f".TP\n\\fB{_escape(name)}\\fR\n{_escape(text)}" for name, text in records)]


def _escape(text: str) -> str:
    """Return the text as roff prints it: no line is taken for a request, and a dash stays one."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
