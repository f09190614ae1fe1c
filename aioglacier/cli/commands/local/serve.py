"""``aioglacier serve``: the local Glacier as a server of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import PORT, SECONDS
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.program.stopping import StoppedError
from aioglacier.cli.render.escaping import escape

if TYPE_CHECKING:
    from aioglacier.cli.program.session import Session
    from aioglacier.server import LocalGlacier

_KEY_VARIABLE: Final = "AIOGLACIER_SERVE_ACCESS_KEY_ID"
_SECRET_VARIABLE: Final = "AIOGLACIER_SERVE_SECRET_ACCESS_KEY"  # noqa: S105  # its name


@make_command("serve")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="The interface to listen on.")
@click.option("--port", type=PORT, metavar="N", default=0, show_default=True, help="0 takes a free one.")
@click.option(
    "--job-delay",
    multiple=True,
    metavar="[TIER=]SECONDS",
    help="Time until a job is done: for all, or for Expedited, Standard, Bulk or Inventory. May be repeated. "
    "Default: as the service, minutes to hours.",
)
@click.option(
    "--inventory-lag",
    type=SECONDS,
    metavar="SECONDS",
    help="Time from a change of a vault to the inventory that shows it. Default: a day, as the service.",
)
@click.option(
    "--access-key-id",
    metavar="ID",
    envvar=_KEY_VARIABLE,
    show_envvar=True,
    help="Accept only requests signed with this key and its secret.",
)
@click.option(
    "--secret-access-key",
    metavar="SECRET",
    envvar=_SECRET_VARIABLE,
    show_envvar=True,
    hide_input=True,
    help="Its secret. Other users of this machine can read arguments: better in the environment, or a file.",
)
@click.option(
    "--secret-access-key-file",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="A file with the secret on its first line.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Answer to this host name, too. Without a key only localhost and addresses are answered. May be "
    "repeated.",
)
@click.option(
    "--server-region", "region", metavar="NAME", help="The server's region. Default: --region, or us-east-1."
)
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="A JSON file with scripted faults.",
)
@click.option("--notify-url", metavar="URL", help="Where notifications of finished jobs are posted.")
@click.option("--sns-endpoint-url", metavar="URL", help="URL of an SNS that publishes them to their topics.")
def command(session: Session, directory: str, **given: Any) -> int:
    """Run a local Glacier on the folder DIR until SIGINT or SIGTERM stops it, which is no error.

    It speaks Glacier's API of vaults, and S3's of buckets with its Glacier classes, at one address. Prints
    one line with its URL once it is ready; give that to any client of either as its endpoint. What it
    has acknowledged stays in DIR, even if it is killed. Without a key any signature is accepted.
    """
    settings = session.settings
    _read_secret(given, given.pop("secret_access_key_file"))
    given["job_delay"] = _delays(given["job_delay"])
    given["region"] = given["region"] or settings.region
    given["account_id"] = None if settings.account_id == "-" else settings.account_id

    from aioglacier.server import LocalGlacier  # noqa: PLC0415  # after what can be refused without it

    try:
        server = LocalGlacier(
            directory, **{name: value for name, value in given.items() if value is not None}
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        session.run_async(lambda: _serve(session, server))
    except StoppedError:  # the usual end of a server
        session.output.note("stopped; everything acknowledged is on disk")
    return Exit.DONE


def _read_secret(given: dict[str, Any], file: str | None) -> None:
    secret = given["secret_access_key"]
    if file is not None:
        # One in the environment gives way to the file.
        if os.environ.get(_SECRET_VARIABLE) != secret and secret is not None:
            raise click.UsageError("give the secret once: as an option, in the environment, or in a file")
        # Editors end the line.
        secret = next(iter(Path(file).read_text(encoding="utf-8").splitlines()), "").strip()
    given["secret_access_key"] = secret or None
    if (given["access_key_id"] is None) != (given["secret_access_key"] is None):
        raise click.UsageError("--access-key-id and --secret-access-key go together; give both or neither")


async def _serve(session: Session, server: LocalGlacier) -> None:
    import anyio  # noqa: PLC0415

    from aioglacier.server import StartupError  # noqa: PLC0415

    try:
        await server.__aenter__()
    except (StartupError, ValueError, OSError) as error:
        raise CommandError(str(error)) from error
    try:
        record = {"url": server.url, "directory": str(server.settings.directory)}
        session.output.record(record, lambda record: escape(record["url"]))
        await anyio.sleep_forever()
    finally:
        await server.__aexit__(None, None, None)


def _delays(given: tuple[str, ...]) -> float | dict[str, float] | None:
    """Return one number for all tiers, or numbers by tier, or ``None``."""
    delays: dict[str, float] = {}
    for each in given:
        tier, _, text = each.rpartition("=")
        try:
            seconds = float(text)
        except ValueError:
            raise click.BadParameter(
                f"{each!r} is not SECONDS or TIER=SECONDS", param_hint="--job-delay"
            ) from None
        for name in [tier] if tier else ("Expedited", "Standard", "Bulk", "Inventory"):
            delays[name] = seconds
    return delays or None
