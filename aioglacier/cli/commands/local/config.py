"""``aioglacier config``: where the values of options come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.configuration import Configuration, option_name, settable, variable_of
from aioglacier.cli.program.global_options import Settings, source_of
from aioglacier.cli.render.escaping import redact
from aioglacier.cli.render.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record

command = CommandGroup("config", help="Show where the values of options come from.", no_args_is_help=True)


@command.command("show")
def show(session: Session) -> int:
    """Print the global options, and the options of commands that a variable or the file sets.

    The command line counts first, then the variable AIOGLACIER_OPTION, then the table of --config-section in
    the file, then what is outside of tables in the file: $XDG_CONFIG_HOME/aioglacier/config.toml, which is
    ~/.config/aioglacier/config.toml where that variable is not set.
    """
    ctx = click.get_current_context()
    configuration = Configuration.of(ctx)
    table = Table(session.output, Column("OPTION", 20, 16), Column("VALUE", 24, 10), last="FROM")

    def line(record: Mapping[str, Any]) -> str:
        value = record["value"]
        shown = "" if value is None else ", ".join(value) if isinstance(value, list) else str(value)
        return table.row(record["option"], shown, record["from"])

    for record in (*_global_records(ctx, configuration), *_other_records(ctx, configuration)):
        session.output.record(record, line, is_last=False)
    session.output.flush()
    session.output.note(f"file: {configuration.path}")
    return 0


def _global_records(ctx: click.Context, configuration: Configuration) -> Iterator[Record]:
    settings = Settings.of(ctx.meta)
    for option in settable(ctx.find_root().command.params):
        name = str(option.name)
        if hasattr(settings, name):
            source = configuration.origin(option, source_of(ctx, name))
            yield _record(option_name(option), getattr(settings, name), source)


def _other_records(ctx: click.Context, configuration: Configuration) -> Iterator[Record]:
    """Yield the options of commands that are set elsewhere, each name once."""
    import os  # noqa: PLC0415

    from aioglacier.cli.program.main import options_of_commands  # noqa: PLC0415  # it loads this module

    root = ctx.find_root().command
    assert isinstance(root, click.Group)  # noqa: S101
    found = {option_name(option): option for option in options_of_commands(root)}
    for name, option in sorted(found.items()):
        if os.environ.get(variable_of(option)):
            yield _record(name, os.environ[variable_of(option)], f"variable {variable_of(option)}")
        elif name in configuration.values:
            yield _record(name, configuration.values[name], configuration.origins[name])


def _record(option: str, value: Any, source: str) -> Record:
    plain = [redact(str(each)) for each in value] if isinstance(value, list) else value
    return {"option": option, "value": redact(plain) if isinstance(plain, str) else plain, "from": source}
