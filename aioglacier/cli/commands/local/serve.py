"""``aioglacier serve``: the local Glacier as a server of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import PORT, SECONDS
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.program.stopping import StoppedError
from aioglacier.cli.render.escaping import escape

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

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
    "job_delays",
    multiple=True,
    metavar="[TIER=]SECONDS",
    help="Until a job is done: for all, or for Expedited, Standard, Bulk or Inventory. May be repeated. "
    "Default: as the service, minutes to hours.",
)
@click.option(
    "--inventory-lag",
    type=SECONDS,
    metavar="SECONDS",
    help="From a change of a vault to the inventory that shows it. Default: a day, as the service.",
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
@click.option("--server-region", metavar="NAME", help="The region it is in. Default: --region, or us-east-1.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="A JSON file with the faults to make.",
)
@click.option("--notify-url", metavar="URL", help="Where notifications of finished jobs are posted.")
@click.option("--sns-endpoint-url", metavar="URL", help="An SNS where they are published to their topics.")
def command(
    session: Session,
    directory: str,
    host: str,
    port: int,
    job_delays: tuple[str, ...],
    inventory_lag: float | None,
    access_key_id: str | None,
    secret_access_key: str | None,
    secret_access_key_file: str | None,
    allowed_hosts: tuple[str, ...],
    server_region: str | None,
    faults: str | None,
    notify_url: str | None,
    sns_endpoint_url: str | None,
) -> int:
    """Run a local Glacier on the folder DIR until SIGINT or SIGTERM stops it, which is no error.

    Prints one line with its URL once it is ready; give that to any Glacier client as its endpoint. What it
    has acknowledged is kept in DIR, also if it is killed. Without a key any signature is accepted.
    """
    if secret_access_key_file is not None:
        if os.environ.get(_SECRET_VARIABLE) != secret_access_key and secret_access_key is not None:
            raise click.UsageError("give the secret once: as an option, in the environment, or in a file")
        lines = Path(secret_access_key_file).read_text(encoding="utf-8").splitlines()
        secret_access_key = lines[0].strip() if lines else ""
    if (access_key_id is None) != (not secret_access_key):
        raise click.UsageError("--access-key-id and --secret-access-key go together; give both or neither")
    settings = session.settings
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "job_delay": _delays(job_delays),
        "access_key_id": access_key_id,
        "secret_access_key": secret_access_key or None,
        "allowed_hosts": allowed_hosts,
        "notify_url": notify_url,
        "sns_endpoint_url": sns_endpoint_url,
    }
    optional = {
        "region": server_region or settings.region,
        "account_id": None if settings.account_id == "-" else settings.account_id,
        "inventory_lag": inventory_lag,
        "faults": faults,
    }
    options |= {name: value for name, value in optional.items() if value is not None}

    from aioglacier.server import LocalGlacier  # noqa: PLC0415  # after what can be refused without it

    try:
        server = LocalGlacier(directory, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        session.run_async(lambda: _serve(session, server))
    except StoppedError:
        session.output.note("stopped; everything acknowledged is on disk")
    return Exit.DONE


async def _serve(session: Session, server: LocalGlacier) -> None:
    import anyio  # noqa: PLC0415

    from aioglacier.server import StartupError  # noqa: PLC0415

    try:
        await server.__aenter__()
    except (StartupError, ValueError, OSError) as error:
        raise CommandError(str(error)) from error
    try:
        session.output.record({"url": server.url, "directory": str(server.settings.directory)}, _text)
        await anyio.sleep_forever()
    finally:
        await server.__aexit__(None, None, None)


def _text(record: Mapping[str, Any]) -> str:
    return escape(record["url"])


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
