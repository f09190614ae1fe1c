"""The program: find a command by its name, load it, run it, and return its exit code.

Only the command that runs is imported, so the help and commands without a service answer at once.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import (
    Command,
    CommandGroup,
    name_origin,
    refuse_empty,
    refuse_missing_values,
)
from aioglacier.cli.program.configuration import Configuration, option_name, settable, take_variables
from aioglacier.cli.program.exits import MEANINGS, Exit
from aioglacier.cli.program.failures import add_next_step, failure_of, tell
from aioglacier.cli.program.global_options import Settings, global_options
from aioglacier.cli.program.session import Session
from aioglacier.cli.program.stopping import Stopper
from aioglacier.cli.render.console import Output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Every command, in the order of the help: where it lives, and what it does in one line.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "upload": ("archives.upload", "Archive files, or standard input."),
    "download": ("archives.download", "Retrieve an archive to a file or standard output, verified."),
    "list": ("archives.list", "List the archives of a vault on record, or the objects of a bucket."),
    "inventory": ("archives.inventory", "Fetch the service's list of a vault; print or export it."),
    "sync": ("folders.sync", "Archive the new and changed files of a folder."),
    "restore": ("folders.restore", "Bring a folder back from a vault, or some of it."),
    "ls": ("folders.ls", "List a folder within a synced folder, now or as it was."),
    "find": ("folders.find", "Find paths in a synced folder, now or as it was."),
    "du": ("folders.du", "Add up the sizes of folders within a synced folder."),
    "snapshots": ("folders.folder_states", "List the runs of sync that can be restored."),
    "verify": ("folders.verify", "Compare a folder, the local record and the vault."),
    "delete": ("archives.delete", "Delete archives, of a vault or a bucket."),
    "vault": ("vaults.vault", "Create, list, show, empty, delete vaults; tags, policies, locks."),
    "migrate": ("vaults.migrate", "Move a vault to S3's classes, proven; then delete what is proven."),
    "bucket": ("buckets.bucket_group", "Create, list, delete S3 buckets."),
    "jobs": ("archives.jobs", "Retrievals: list, show, wait, fetch the output."),
    "uploads": ("archives.uploads", "Unfinished uploads: list, show, resume, abort."),
    "account": ("vaults.account", "Show or set the retrieval policy and Expedited capacity."),
    "catalog": ("records.catalog", "Check, report, compare, export, rebuild the local record."),
    "tree-hash": ("local.tree_hash", "Print SHA-256 tree hashes, like sha256sum."),
    "serve": ("local.serve", "Run a local Glacier as a server."),
    "demo": ("local.demo", "Try an archive there and back, without an account."),
    "config": ("local.config", "Show where the values of options come from."),
    "man-pages": ("local.man_pages", "Write pages for man, made from the help."),
    "completion": ("local.completion", "Print the completion script of bash, zsh or fish."),
}


#: Those that a newcomer needs, in this order.
_FIRST: Final = ("demo", "upload", "sync", "list", "restore")

_COMPLETION: Final = "_AIOGLACIER_COMPLETE"
_IS_SHORT: Final = "aioglacier.cli.program.main.is_short"
_VERSION: Final = "aioglacier.cli.program.main.version"


class Program(CommandGroup):
    """The root of the command line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See ``click.Command.parse_args``."""
        ctx.meta[_IS_SHORT] = not args
        if not ctx.resilient_parsing:  # a shell that completes a word sees no errors
            refuse_missing_values(ctx, args)
            configuration = Configuration.read(args)
            configuration.keep(ctx)
            ctx.default_map = configuration.defaults(self.params)
        try:
            rest = super().parse_args(ctx, args)
        except click.BadParameter as error:
            raise name_origin(error, ctx) from error
        refuse_empty(ctx)
        if ctx.meta.get(_VERSION):  # once all options are read: -v may stand behind it
            _show_version(is_verbose=Settings.of(ctx.meta).verbose > 0)
            ctx.exit()
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """See ``click.Group.invoke``."""
        configuration = Configuration.of(ctx)
        known = {option_name(option) for option in settable(self.params)}
        if not configuration.values.keys() <= known:  # only then load every command to know its options
            configuration.refuse_unknown(known | {option_name(each) for each in options_of_commands(self)})
        return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See ``click.Group.list_commands``."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the command of this name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = COMMANDS[cmd_name][0]
        command: click.Command = importlib.import_module(f"aioglacier.cli.commands.{module}").command
        return command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what a newcomer needs on the first screen, and all the rest below it."""
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text("Archive to Amazon S3 Glacier vaults and S3's Glacier classes, and back.")
        with formatter.section("First steps"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in _FIRST])
        with formatter.section("Other commands"):
            formatter.write_text("  ".join(name for name in COMMANDS if name not in _FIRST))
        formatter.write_paragraph()
        formatter.write_text(
            "Each has its own help: aioglacier COMMAND --help. To try all of it without an account, add "
            "--local DIR. Options, exit codes: aioglacier --help"
        )
        if not ctx.meta.get(_IS_SHORT):
            self.format_help_text(ctx, formatter)
            self.format_commands(ctx, formatter)
            click.Command.format_options(self, ctx, formatter)
            self.format_epilog(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the exit codes."""
        del ctx
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), meaning) for code, meaning in MEANINGS.items()])


def options_of_commands(group: click.Group) -> Iterator[click.Option]:
    """Yield the options of every command; each is loaded."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from options_of_commands(command)
        elif command is not None:
            yield from settable(command.params)


def _show_version(*, is_verbose: bool) -> None:
    from importlib.metadata import version  # noqa: PLC0415  # slow, and asked for rarely

    hashing = ""
    if is_verbose:
        from aioglacier.core.treehash import hash_core  # noqa: PLC0415  # as above

        hashing = f", hashing with {hash_core()}"
    click.echo(f"aioglacier {version('aioglacier')}{hashing}")


root: Final = Program(
    "aioglacier",
    params=[
        *global_options(hidden=False),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            callback=lambda ctx, _, value: ctx.meta.update({_VERSION: value}),
            help="Print the version and exit; with -v also what computes the hashes.",
        ),
    ],
    help=(
        "The options below may stand before or after the command. Each option of each command can also be "
        "set by a variable AIOGLACIER_OPTION, or in ~/.config/aioglacier/config.toml: see config show "
        "--help. A SIZE is 64MiB, 4GiB or plain bytes. A TIME is 2026-11-25 or 2026-11-25T13:00:00Z, without "
        "a zone in this machine's. If an id begins with '-', write --archive-id=ID, --job-id=ID or "
        "--upload-id=ID, or put -- before it. Results go to standard output; progress, warnings and errors "
        "go to standard error."
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="COMMAND ...",
    no_args_is_help=True,
)

take_variables(root.params)


def run(arguments: Sequence[str] | None = None, *, stopper: Stopper | None = None) -> int:
    """Run one command line and return its exit code. Nothing is raised."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if instruction := os.environ.get(_COMPLETION):  # a shell asks, by the script that ``completion`` prints
        from click.shell_completion import shell_complete  # noqa: PLC0415  # slow, and only shells need it

        return shell_complete(root, {}, "aioglacier", _COMPLETION, instruction)
    started = time.time()
    ctx: click.Context | None = None
    code = int(Exit.OTHER)
    try:
        ctx = root.make_context("aioglacier", list(arguments), obj=stopper or Stopper())
        with ctx:
            result: Any = root.invoke(ctx)
            code = int(result or Exit.DONE)
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except BaseException as error:  # noqa: BLE001  # every error ends in one line
        code = int(_report(error, ctx, arguments))
    session = ctx.obj if ctx is not None and isinstance(ctx.obj, Session) else None
    if session is not None:
        code = _end(session, code, started)
    output = session.output if session is not None else Output()
    try:
        output.flush()
    except OSError as error:
        code = code or int(tell(output, failure_of(error)))
    return code


def _end(session: Session, code: int, started: float) -> int:
    """Do what the configuration asks for after a run that moves bytes."""
    command = session.context.command
    if not isinstance(command, Command) or not command.moves:
        return code
    if session.settings.metrics_file is None and not Configuration.of(session.context).hooks:
        return code
    from aioglacier.cli.program.hooks_and_metrics import end_run  # noqa: PLC0415  # rarely needed

    return end_run(session.context, session, code, started)


def _report(error: BaseException, ctx: click.Context | None, arguments: Sequence[str]) -> Exit:
    session = ctx.obj if ctx is not None and isinstance(ctx.obj, Session) else None
    if isinstance(error, BrokenPipeError):
        if session is not None:
            session.output.close()
        return Exit.BROKEN_PIPE
    if session is None:
        options = arguments[: arguments.index("--")] if "--" in arguments else arguments
        return tell(Output(is_json="--json" in options), failure_of(error))
    add_next_step(session, error)
    return tell(session.output, failure_of(error, resume=session.resume, safe=session.safe()))
