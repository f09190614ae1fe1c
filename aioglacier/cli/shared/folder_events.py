"""Progress and failures of the commands for folders, for people and for programs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.render.printed_records import plain
from aioglacier.cli.render.progress import State, following, repeating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aioglacier.bulk.path_failures import PathFailure
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record

HOST: Final = click.option(
    "--host",
    metavar="NAME",
    help="The machine that the folder belongs to. Default: this one's name, which changes in containers.",
)

#: Seconds between two records of progress.
_EVENT_SECONDS: Final = 1.0


def tell_failures(session: Session, failures: Sequence[PathFailure], count: int) -> None:
    """List the failures, and count those that are not kept one by one."""
    import os  # noqa: PLC0415

    for path, error in failures:
        tell(session.output, failure_of(error, item=os.fsdecode(path) or "."))
    if count > len(failures):
        session.output.warn(f"and {count - len(failures)} more")


@asynccontextmanager
async def telling(
    session: Session, snapshot: Callable[[], Any], look: Callable[[], State]
) -> AsyncIterator[None]:
    """Show progress to people, or print it for programs once a second, while the block runs."""
    if not session.output.is_json or session.output.is_quiet:
        async with following(session.output, look):
            yield
        return

    def print_progress() -> None:
        session.output.record({"event": "progress", **snapshot_record(snapshot())}, str)

    async with repeating(print_progress, _EVENT_SECONDS):
        yield


def snapshot_record(snapshot: Any) -> Record:
    """Return counters as a record."""
    return {name: plain(value) for name, value in asdict(snapshot).items()}
