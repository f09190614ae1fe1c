"""Actions before and after a run that moves bytes: hooks of the configuration, and the metrics file."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aioglacier.cli.program.configuration import Configuration
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.session import CommandError
from aioglacier.core.errors import TargetError

if TYPE_CHECKING:
    import click

    from aioglacier.cli.program.session import Session

_SUCCESS: Final = "aioglacier_last_success_time_seconds"


def begin_run(ctx: click.Context) -> None:
    """Run the hook ``before``; if it fails, nothing is done.

    Raises:
        CommandError: It ended with another exit code than 0.
    """
    code = _run_hook(ctx, "before")
    if code:
        raise CommandError(f"the hook 'before' ended with exit code {code}, so nothing was done")


def end_run(ctx: click.Context, session: Session, code: int, started: float) -> int:
    """Run the hook ``after``, write the metrics, and return the exit code: a failed action makes 0 a 1."""
    failed = _run_hook(ctx, "after", AIOGLACIER_EXIT_CODE=str(code))
    if failed:
        session.output.warn(f"the hook 'after' ended with exit code {failed}")
    if (path := session.settings.metrics_file) is not None:
        try:
            _write_metrics(path, ctx, session, code, started)
        except TargetError as error:
            session.output.warn(f"--metrics-file: {error.message}")
            failed = 1
    return code or (int(Exit.OTHER) if failed else 0)


def _run_hook(ctx: click.Context, name: str, **facts: str) -> int:
    command = Configuration.of(ctx).hooks.get(name)
    if command is None:
        return 0
    facts |= {"AIOGLACIER_HOOK": name, "AIOGLACIER_COMMAND": _command_of(ctx)}
    # The user's own file has the command, and a pipe or a redirection in it is meant for the shell. What it
    # prints must not get between the records on standard output.
    return subprocess.run(command, shell=True, check=False, env={**os.environ, **facts}, stdout=2).returncode  # noqa: S602


def _command_of(ctx: click.Context) -> str:
    return " ".join(ctx.command_path.split()[1:])


def _write_metrics(path: str, ctx: click.Context, session: Session, code: int, started: float) -> None:
    """Write the textfile that Prometheus' node exporter reads; it appears whole, or not at all."""
    from aioglacier.files import landing  # noqa: PLC0415  # needed only here

    now = time.time()
    place = str(ctx.params.get("vault") or ctx.params.get("place") or "")
    label = f'{{command="{_command_of(ctx)}",place="{place}"}}'
    values: dict[str, float] = {
        "aioglacier_last_run_time_seconds": round(now),
        "aioglacier_last_run_duration_seconds": round(now - started, 3),
        "aioglacier_last_run_exit_code": code,
    }
    if code == 0:
        values[_SUCCESS] = round(now)
    elif (last := _last_success(path, label)) is not None:
        values[_SUCCESS] = last  # a run that fails must not hide how old the last good one is
    for name, value in session.output.summary.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            values[f"aioglacier_last_run_{name}"] = value
    lines = [f"# TYPE {name} gauge\n{name}{label} {value}\n" for name, value in values.items()]
    with landing.writing(path, overwrite=True) as file:
        landing.write_all(file, "".join(lines).encode())


def _last_success(path: str, label: str) -> float | None:
    with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:  # noqa: PTH123  # a name of any bytes
        for line in file:
            if line.startswith(_SUCCESS + label):
                return float(line.rpartition(" ")[2])
    return None
