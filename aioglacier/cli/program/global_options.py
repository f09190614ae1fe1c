"""The global options: the same before and behind the name of a command."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from aioglacier.cli.program.parameters import AT_ONCE, MEMORY, RATE, SCHEDULER, URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.rate_schedule import RateSchedule
    from aioglacier.transfer.budget.allowance import Limits

_KEY: Final = "aioglacier.cli.program.global_options."
_SOURCE: Final = " from"


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of the global options; see their help.

    Attributes:
        local: A folder that holds a local Glacier to use instead of AWS.
        config_section: The table of the configuration file that counts.
        metrics_file: A file that gets the figures of a run that moves bytes, for Prometheus.
        log_file: A file that gets notices, warnings, errors and logs, at its end.
        catalog: The file of the catalog, or the URL of its database; ``None`` is the usual file.
    """

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    account_id: str = "-"
    local: str | None = None
    catalog: str | None = None
    memory_limit: int | None = None
    concurrency: int | None = None
    bandwidth: int | RateSchedule | None = None
    processes: int | None = None
    cluster: str | None = None
    allow_insecure: bool = False
    config_section: str | None = None
    metrics_file: str | None = None
    log_file: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Settings:
        """Return the given values, from the dictionary that all contexts of one command line share."""
        given = {field.name: meta[_KEY + field.name] for field in fields(cls) if _KEY + field.name in meta}
        settings = cls(**given)
        if settings.processes is not None and settings.cluster is not None:
            raise click.UsageError("--processes and --cluster both say who sends; give one")
        if settings.local is not None and settings.endpoint_url is not None:
            raise click.UsageError("--local and --endpoint-url both say where the vaults are; give one")
        return settings

    def limits(self) -> Limits:
        """Return the limits of a connection."""
        from aioglacier.transfer.budget.allowance import Limits  # noqa: PLC0415  # not needed for help

        return Limits(
            memory=self.memory_limit,
            concurrency=self.concurrency,
            bandwidth=self.bandwidth,
            shares_bandwidth=True,
            processes=self.processes,
        )

    def refuse_streams(self, what: str) -> None:
        """Refuse work that only this process can do, where others were asked for.

        Raises:
            UsageError: --processes or --cluster was given.
        """
        if self.cluster is not None or (self.processes or 1) > 1:
            option = "--processes" if self.cluster is None else "--cluster"
            raise click.UsageError(
                f"{option} is for files that every process reads; {what} is sent by this process alone. "
                f"Leave out {option}"
            )


def given_value(context: click.Context, name: str) -> Any:
    """Return the value of a global option on the command line, ``None`` where it was not given."""
    return context.meta.get(_KEY + name)


def source_of(context: click.Context, name: str) -> ParameterSource:
    """Return where the value of a global option comes from."""
    found = context.meta.get(_KEY + name + _SOURCE, ParameterSource.DEFAULT)
    return ParameterSource(found)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    source = context.get_parameter_source(str(parameter.name))
    if source is not ParameterSource.DEFAULT:  # or it would hide the value from the other place
        context.meta[_KEY + str(parameter.name)] = value
        context.meta[_KEY + str(parameter.name) + _SOURCE] = source


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """Make the options for one command, hidden where the help of the program shows them."""

    def option(*names: str, **settings: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_keep, hidden=hidden, **settings)

    return [
        option(
            "--region", metavar="NAME", help="AWS region, as eu-west-1. Default: as all AWS tools choose it."
        ),
        option("--profile", metavar="NAME", help="Profile of the AWS configuration files."),
        option(
            "--endpoint-url",
            type=URL,
            metavar="URL",
            help="Another endpoint than AWS's own, for vaults and buckets.",
        ),
        option(
            "--allow-insecure",
            is_flag=True,
            help="Allow plain http to another machine: anyone on the way can read and change archives.",
        ),
        option("--account-id", metavar="ID", help="Twelve digits. Default: the account of the credentials."),
        option(
            "--local",
            metavar="DIR",
            help="Use a local Glacier in the folder DIR: no account, no cost, no waiting.",
        ),
        option(
            "--catalog",
            metavar="PATH|URL",
            help="The local record of what is archived. Default: ~/.local/share/aioglacier/catalog.db. "
            "Or postgresql://USER@HOST/DATABASE, which several machines can share.",
        ),
        option(
            "--memory-limit",
            type=MEMORY,
            metavar="SIZE",
            help="Memory for all parts on the way. Default: 256MiB; "
            "more with 32GiB and more in the machine, less with under 1GiB.",
        ),
        option(
            "--concurrency",
            type=AT_ONCE,
            metavar="N",
            help="Parts sent at once. Default: as many as the connection can carry.",
        ),
        option(
            "--bandwidth",
            type=RATE,
            metavar="RATE",
            help="Bytes a second, up and down and all your processes together, as 5MB/s, or "
            "08:00-18:00=2MB/s,20MB/s by the time of day. Default: no limit.",
        ),
        option(
            "--processes",
            type=AT_ONCE,
            metavar="N",
            help="Share work on 1GiB and more among N processes of this machine; needs aioglacier[dask].",
        ),
        option(
            "--cluster",
            type=SCHEDULER,
            metavar="tcp://HOST:PORT",
            help="Share large work among the workers of this Dask scheduler, who see the same files.",
        ),
        option(
            "--config-section",
            metavar="NAME",
            help="Also take the options in the table [NAME] of the configuration file.",
        ),
        option("--json", is_flag=True, help="Print one JSON object a line; errors too, on standard error."),
        option(
            "--log-file",
            metavar="FILE",
            help="Also write progress, notices, results and errors to the end of FILE, with their times.",
        ),
        option(
            "--metrics-file",
            metavar="FILE",
            help="After a transfer, write its figures to FILE, for Prometheus' node exporter.",
        ),
        option(
            "--quiet",
            "-q",
            is_flag=True,
            help="Print no progress or notices; transfers print nothing unless something is wrong.",
        ),
        option("--verbose", "-v", count=True, help="Log to standard error; -vv and -vvv say more."),
    ]
