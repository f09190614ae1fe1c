"""The base of every command: global options in either place, a session, and a connection if it wants one.

A command is a function. Its first parameter is the ``Session``. A second one named ``glacier`` or ``catalog``
makes it a coroutine function that runs with a connection or with the opened catalog. One that has something
to refuse or to ask before it connects is a plain function that returns such a coroutine function.
"""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click
from click.core import ParameterSource

from aioglacier.cli.program.completing import complete_names
from aioglacier.cli.program.configuration import Configuration, take_variables
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.program.global_options import Settings, given_value, global_options
from aioglacier.cli.program.logs import start_logging
from aioglacier.cli.program.session import CommandError, Session
from aioglacier.cli.program.stopping import Stopper
from aioglacier.cli.render.console import Output
from aioglacier.cli.render.escaping import redact
from aioglacier.cli.render.near_names import near
from aioglacier.core.errors import GlacierError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import TextIO

    from aioglacier.client.glacier import Glacier

    #: What a command returns: an exit code, or work to do with a connection.
    Ending = int | None | Callable[[Glacier], Awaitable[int | None]]

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")

_FOLDS: Final = "folds"
_LOOKS_LIKE_ID: Final = re.compile(r"-[A-Za-z0-9_-]{30,}")


def refuse_empty(ctx: click.Context) -> None:
    """Refuse an empty word where a name is due: it comes from a variable that is not set.

    A file system takes an empty name for the current folder, which would be archived, or overwritten.
    """
    for parameter in ctx.command.params:
        name = str(parameter.name)
        value = ctx.params.get(name, given_value(ctx, name))
        is_given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if is_given and name != "description" and (value == "" or (isinstance(value, tuple) and "" in value)):
            hint = "; for the current folder write ." if parameter.metavar in {"DIR", "FOLDER"} else ""
            raise click.BadParameter(f"it is empty{hint}", ctx, parameter)


def refuse_missing_values(ctx: click.Context, args: Sequence[str]) -> None:
    """Refuse the name of an option where the value of another one is due.

    An empty variable of a shell, without quotes, leaves no word behind. click would take the next option.
    """
    options = [each for each in ctx.command.params if isinstance(each, click.Option)]
    names = {name: not each.is_flag and not each.count for each in options for name in each.opts}
    names |= dict.fromkeys(ctx.help_option_names, False)
    for word, following in pairwise(args[: args.index("--")] if "--" in args else args):
        if names.get(word) and following in names:
            raise click.UsageError(
                f"{word} has no value: {following} follows; if that is the value, write {word}={following}",
                ctx,
            )


def name_origin(error: click.BadParameter, ctx: click.Context) -> click.BadParameter:
    """Say in an error where a value comes from that is not on the command line."""
    option = error.param
    if isinstance(option, click.Option):
        source = ctx.get_parameter_source(str(option.name))
        if source in {ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP}:
            origin = Configuration.of(ctx).origin(option, source)
            return click.BadParameter(f"{error.message} (from {origin})", error.ctx, option)
    return error


class _Formatter(click.HelpFormatter):
    """Help as narrow as the terminal: click writes 50 columns at least, and breaks the lines of a phone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.width = max(24, min(self.width, shutil.get_terminal_size().columns - 2))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl(rows, min(col_max, self.width * 2 // 5), col_spacing)


class HelpContext(click.Context):
    """The context of a command line, with help for any terminal."""

    formatter_class = _Formatter


class Command(click.Command):
    """A command that also takes the global options and is called with a ``Session``.

    With ``resumes``, the same command line goes on with work that was stopped. With ``makes_local``, it makes
    the folder of ``--local`` if there is none. Without ``records``, it opens no catalog to connect. One that
    ``moves`` bytes is silent with ``-q`` if all is well.
    """

    context_class = HelpContext

    def __init__(
        self,
        *args: Any,
        resumes: bool = False,
        moves: bool = False,
        makes_local: bool = False,
        records: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        take_variables(self.params)
        complete_names(self.params)
        self.params += global_options(hidden=True)  # they may stand behind the command's name, too
        self.resumes = resumes
        self.moves = moves or resumes
        self.makes_local = makes_local
        self.records = records

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """See ``click.Command.make_context``."""
        if parent is not None:
            extra["default_map"] = Configuration.of(parent).defaults(self.params)
        return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See ``click.Command.parse_args``."""
        given = list(args)  # the parser takes the words out of the list
        if not ctx.resilient_parsing:
            refuse_missing_values(ctx, given)
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if any(_LOOKS_LIKE_ID.fullmatch(each) for each in given):
                raise click.UsageError(
                    "an id that begins with '-' looks like an option: write --archive-id=ID, --job-id=ID or "
                    "--upload-id=ID, or put -- before the arguments",
                    ctx,
                ) from error
            raise
        except click.BadParameter as error:
            raise name_origin(error, ctx) from error
        refuse_empty(ctx)
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """See ``click.Command.invoke``."""
        try:
            session = start(ctx)
            if not self.makes_local:
                session.require_local()
            if self.resumes:
                session.resume = session.same_command()
            if self.moves and Configuration.of(ctx).hooks:
                from aioglacier.cli.program.hooks_and_metrics import begin_run  # noqa: PLC0415  # rarely needed

                begin_run(ctx)
            return self._call(ctx, session)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # so that the message can say whose help to read
            raise

    def _call(self, ctx: click.Context, session: Session) -> Any:
        function = self.callback
        assert function is not None  # noqa: S101  # each command is made from one
        given = dict(ctx.params)
        for fold in vars(function).get(_FOLDS, ()):
            fold(given)
        match list(inspect.signature(function).parameters)[1:2]:
            case ["catalog"]:
                return session.run_with_catalog(lambda catalog: function(session, catalog, **given))
            case ["glacier"]:
                return session.run(lambda glacier: function(session, glacier, **given), records=self.records)
            case _:
                work = function(session, **given)
                return session.run(work, records=self.records) if callable(work) else work

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Name the help with the global options and the exit codes."""
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text("Global options and exit codes: aioglacier --help")


class CommandGroup(click.Group):
    """Commands about one thing, as "vault"."""

    context_class = HelpContext
    command_class = Command

    def meant_by(self, word: str) -> str | None:
        """Return the whole command line that a word may have meant which is none of these commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See ``click.Group.resolve_command``; a wrong name is answered with what may have been meant."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            raise click.UsageError(f"no command {name!r}{self._hint(ctx, args)}", ctx)
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: click.Context, args: list[str]) -> str:
        """Return the end of the message for a first word that is no command."""
        names = self.list_commands(ctx)
        if args[1:2] and args[1] in names:  # a place before the command
            return _question(ctx, args[1], args[0], *args[2:])
        if nearest := near(args[0], names):
            return nearest
        if ctx.parent is None:
            return ""
        if meant := self.meant_by(args[0]):
            return f"; did you mean {meant!r}?"
        for usual in ("list", "show", "report"):
            if (known := self.get_command(ctx, usual)) is not None and _takes_place(known, *args[:2]):
                return _question(ctx, usual, *args)
        return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(names)}"


def _question(group: click.Context, *words: str) -> str:
    line = shlex.join([*group.command_path.split()[1:], *words])
    return f"; did you mean {redact(line)!r}?"


def _takes_place(command: click.Command, word: str, following: str = "-") -> bool:
    """Return whether a command can begin with this word as the name of a vault or a bucket.

    It cannot if another argument follows and the command takes one only.
    """
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    first = arguments[0] if arguments else None
    if first is None or first.type.name not in {"vault", "place"}:
        return False
    if len(arguments) == 1 and not following.startswith("-"):
        return False
    try:
        first.type.convert(word, first, None)
    except (click.UsageError, GlacierError):
        return False
    return True


CommandGroup.group_class = CommandGroup


def command(name: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command. It returns an exit code, or ``None`` for 0."""
    return click.command(name, cls=Command, **settings)


def folding(fold: Callable[[dict[str, Any]], None], *options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Return a decorator that gives a command several options as one value.

    Args:
        fold: Takes the options' values out of a dictionary, and puts what is made from them in.
        options: The options, in the order of the help.
    """

    def decorate(function: F) -> F:
        vars(function).setdefault(_FOLDS, []).insert(0, fold)  # decorators run from the last one up
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def gathering(class_: type[Any]) -> Callable[[F], F]:
    """Return a decorator that gives a command all of its options as one object, a dataclass."""

    def fold(given: dict[str, Any]) -> None:
        options = class_(**given)
        given.clear()
        given["options"] = options

    return folding(fold)


def take_options(class_: type[T], given: dict[str, Any]) -> T:
    """Make an option object from the values that have the names of its fields; they leave ``given``.

    ``None`` means the default of the field.
    """
    names = [field.name for field in fields(cast("Any", class_)) if field.name in given]
    taken = {name: given.pop(name) for name in names}
    return class_(**{name: value for name, value in taken.items() if value is not None})


def start(ctx: click.Context) -> Session:
    """Make the session of this command line from the parsed options."""
    settings = Settings.of(ctx.meta)
    root = ctx.find_root()
    log = _open_log(settings.log_file)
    is_silent = settings.quiet and isinstance(ctx.command, Command) and ctx.command.moves
    session = Session(
        ctx,
        settings,
        Output(is_json=settings.json, is_quiet=settings.quiet, is_silent=is_silent, log=log),
        root.obj if isinstance(root.obj, Stopper) else Stopper(),
    )
    ctx.obj = root.obj = session
    session.stopper.last_words = lambda error: tell(
        session.output, failure_of(error, resume=session.resume, safe=session.safe())
    )
    session.stopper.restore = session.output.restore_terminal
    start_logging(verbose=settings.verbose, quiet=settings.quiet, file=log)
    return session


def _open_log(path: str | None) -> TextIO | None:
    if path is None:
        return None
    try:
        return open(path, "a", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123  # the run's end closes it
    except OSError as error:
        raise CommandError(f"--log-file {path!r} cannot be written: {error.strerror}", Exit.USAGE) from error
