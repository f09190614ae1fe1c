"""The command line that goes on after a stop, spelled from what click has parsed.

A command says which parameters it takes and click parses them, so neither has to know how an option is
spelled a second time. Only what differs from the defaults is printed, quoted for a shell. Options that hold
secrets and everything that came from the environment are left out: the environment is still there.
"""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from aioglacier.cli.program.global_options import Settings, given_value, source_of
from aioglacier.cli.render.escaping import redact

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

#: The global options that say where the vaults and the record are.
_WHERE: Final = frozenset(
    {
        "region",
        "profile",
        "endpoint_url",
        "account_id",
        "local",
        "catalog",
        "allow_insecure",
        "config_section",
    }
)


def resume_command(ctx: click.Context, **changes: Any) -> str:
    """Return the command line of a context, with some parameters changed.

    Args:
        ctx: The context of the command that runs.
        changes: Values for parameters, by their Python names; a default leaves the parameter out.
    """
    words = [*_global_words(ctx), *ctx.command_path.split()[1:]]
    arguments: list[str] = []
    for parameter in ctx.command.params:
        name = str(parameter.name)
        if not parameter.expose_value or name not in ctx.params:
            continue
        is_given = name in changes or ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        value = changes.get(name, ctx.params[name])
        if isinstance(parameter, click.Argument):
            arguments += _texts(value)
        elif is_given and isinstance(parameter, click.Option) and value != _default(ctx, parameter):
            words += _option_words(parameter, value)
    return shlex.join(["aioglacier", *words, *(["--", *arguments] if arguments else [])])


def other_command(ctx: click.Context, *words: str) -> str:
    """Return another command line for the same vaults and the same record."""
    return shlex.join(["aioglacier", *_global_words(ctx, only=_WHERE), *words])


def _global_words(ctx: click.Context, only: Collection[str] | None = None) -> Iterator[str]:
    usual = Settings()
    for parameter in ctx.find_root().command.params:
        name = str(parameter.name)
        if not isinstance(parameter, click.Option) or (only is not None and name not in only):
            continue
        if source_of(ctx, name) is not ParameterSource.COMMANDLINE:
            continue
        value = given_value(ctx, name)
        if value != getattr(usual, name):
            yield from _option_words(parameter, value)


def _default(ctx: click.Context, parameter: click.Parameter) -> Any:
    default = parameter.get_default(ctx)
    # click has a sentinel for no default; a value that was given never equals None.
    return parameter.type_cast_value(ctx, default) if isinstance(default, str | int | float) else None


def _option_words(option: click.Option, value: Any) -> list[str]:
    """Spell an option; nothing for one that hides its input."""
    name = max(option.opts, key=len)
    if option.hide_input:
        return []
    if option.count:
        return [name] * int(value)
    if option.is_flag:
        return [name] if value else []
    return [f"{name}={text}" for text in _texts(value)]


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, tuple | list):
        return [text for each in value for text in _texts(each)]
    match value:
        case datetime():
            return [value.isoformat()]
        case float():
            return [repr(value)]
    return [redact(str(value))]
