"""Progress and failures of the commands for folders, for people and for programs."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.render.printed_records import plain
from aioglacier.cli.render.progress import Speed, State, following, repeating
from aioglacier.cli.render.sizes import show_left, show_rate, show_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

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


def summarize(
    session: Session,
    done: Any,
    cost: Record,
    started: float,
    text: Callable[[Mapping[str, Any]], str],
    **facts: Any,
) -> None:
    """Print the counters of a run in its last record, with its cost and time."""
    seconds = round(time.monotonic() - started, 3)
    record = {"event": "summary", **facts, **snapshot_record(done), **cost, "seconds": seconds}
    session.output.record(record, text)


def moving(speed: Speed | None, done: int, total: int | None) -> tuple[str, str, str]:
    """Return how much is done, how fast, and the time left, for a line of progress."""
    rate = speed.look(time.monotonic(), done, 0) if speed is not None else 0.0
    amount = show_size(done) if total is None else f"{show_size(done)} of {show_size(total)}"
    left = f"{show_left((total - done) / rate)} left" if rate and total is not None and total > done else ""
    return amount, show_rate(round(rate), 1) if rate else "", left


def snapshot_record(snapshot: Any) -> Record:
    """Return counters as a record."""
    return {name: plain(value) for name, value in asdict(snapshot).items()}
