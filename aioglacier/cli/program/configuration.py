"""Values of options from variables and from the configuration file.

A value on the command line counts before the variable ``AIOGLACIER_OPTION``, and that before the file. In the
file, keys are names of options of any command, and a table holds values that count only with
``--config-section``, before those outside of it. ``[hooks]`` is no section.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.render.escaping import redact
from aioglacier.cli.render.near_names import near

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_KEY: Final = "aioglacier.cli.program.configuration"
_SECTION: Final = "--config-section"
_HOOKS: Final = "hooks"

#: Keys with one of these words are refused as secrets, which this file does not keep.
_SECRETS: Final = ("secret", "password", "token", "access-key")


@dataclass(frozen=True, slots=True)
class Configuration:
    """The values that count in one run.

    Attributes:
        path: The file.
        values: By the name of the option, such as "part-size".
        origins: Where each comes from, for people.
        hooks: Commands of the table ``hooks``, by name.
    """

    path: str
    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    hooks: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, arguments: Sequence[str]) -> Configuration:
        """Read the file, if there is one, for a command line.

        Raises:
            CommandError: It cannot be read, or has no such section.
        """
        folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111  # of any bytes
        path = os.path.join(folder, "aioglacier", "config.toml")  # noqa: PTH118  # as above
        section = _section_in(arguments)
        if not os.path.exists(path):  # noqa: PTH110  # as above
            if section is not None:
                raise CommandError(f"{_SECTION}: there is no file {path!r}", Exit.USAGE)
            return cls(path)
        document = _load(path)
        tables = {name: value for name, value in document.items() if isinstance(value, dict)}
        outside = {name: value for name, value in document.items() if name not in tables}
        if section is not None and (section == _HOOKS or section not in tables):
            hint = near(section, tables.keys() - {_HOOKS})
            raise CommandError(f"{path!r} has no table [{section}]{hint}", Exit.USAGE)
        inside = dict(tables[section]) if section is not None else {}
        hooks = tables.get(_HOOKS, {}) | inside.pop(_HOOKS, {})
        if unknown := hooks.keys() - {"before", "after"}:
            raise CommandError(
                f"{path!r}: hooks are 'before' and 'after', not {', '.join(map(repr, sorted(unknown)))}",
                Exit.USAGE,
            )
        origins = dict.fromkeys(outside, f"file {path}") | dict.fromkeys(inside, f"file {path} [{section}]")
        return cls(path, {**outside, **inside}, origins, {name: str(hook) for name, hook in hooks.items()})

    @classmethod
    def of(cls, ctx: click.Context) -> Configuration:
        """Return what was read for the command line of a context."""
        found = ctx.meta.get(_KEY)
        return found if isinstance(found, cls) else cls("")

    def keep(self, ctx: click.Context) -> None:
        """Let all contexts of a command line find it."""
        ctx.meta[_KEY] = self

    def defaults(self, parameters: Sequence[click.Parameter]) -> dict[str, Any]:
        """Return the values of a command's options, as click takes defaults."""
        found = {}
        for option in settable(parameters):
            name = option_name(option)
            if name in self.values:
                found[str(option.name)] = self._value(option, name)
        return found

    def _value(self, option: click.Option, name: str) -> Any:
        value = self.values[name]
        is_list = isinstance(value, list)
        if isinstance(value, dict) or is_list != option.multiple or isinstance(value, bool) > option.is_flag:
            kind = "a list" if option.multiple else "true or false" if option.is_flag else "one value"
            raise CommandError(f"{self.path!r}: {name} is {kind}, not {value!r}", Exit.USAGE)
        if redact(str(value)) != str(value):
            raise CommandError(
                f"{self.path!r}: {name} has a password, which does not belong here", Exit.USAGE
            )
        if is_list:
            return [str(each) for each in value]
        return value if isinstance(value, bool) else str(value)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Refuse keys that no option has.

        Raises:
            CommandError: There is one.
        """
        for name in self.values:
            if name in known:
                continue
            if any(word in name.replace("_", "-").lower() for word in _SECRETS):
                what = "secrets do not belong here; keep them where AWS's tools look for them"
            else:
                what = f"no option has this name{near(name.replace('_', '-'), known)}"
            raise CommandError(f"{self.path!r}: {name}: {what}", Exit.USAGE)

    def origin(self, option: click.Option, source: ParameterSource | None) -> str:
        """Return where the value of an option comes from, for people."""
        match source:
            case ParameterSource.COMMANDLINE:
                return "command line"
            case ParameterSource.ENVIRONMENT:
                return f"variable {variable_of(option)}"
            case ParameterSource.DEFAULT_MAP:
                return self.origins[option_name(option)]
        return "default"


def settable(parameters: Sequence[click.Parameter]) -> Iterator[click.Option]:
    """Yield the options that may be set elsewhere; those of the program once, not hidden in each command."""
    for parameter in parameters:
        if isinstance(parameter, click.Option) and not parameter.hidden and not parameter.is_eager:
            yield parameter


def option_name(option: click.Option) -> str:
    """Return the name of an option without its dashes."""
    return max(option.opts, key=len).lstrip("-")


def variable_of(option: click.Option) -> str:
    """Return the name of the variable that sets an option."""
    return f"AIOGLACIER_{option_name(option).replace('-', '_').upper()}"


def take_variables(parameters: Sequence[click.Parameter]) -> None:
    """Let variables set options."""
    for option in settable(parameters):
        option.envvar = option.envvar or variable_of(option)


def _section_in(arguments: Sequence[str]) -> str | None:
    """Return the section that is asked for; it must be known before click looks for values."""
    options = list(arguments[: arguments.index("--")]) if "--" in arguments else list(arguments)
    for index, word in enumerate(options):
        if word == _SECTION and index + 1 < len(options):
            return options[index + 1]
        if word.startswith(f"{_SECTION}="):
            return word.partition("=")[2]
    return os.environ.get("AIOGLACIER_CONFIG_SECTION") or None


def _load(path: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  # only where there is a file

    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path!r} cannot be read: {error.strerror}", Exit.USAGE) from error
    except ValueError as error:
        raise CommandError(f"{path!r} is not TOML: {error}", Exit.USAGE) from error
