"""Progress: a line on standard error that moves, where somebody looks at it; nothing at all elsewhere.

Transfers are not told to report: their counters are looked at ten times a second.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from aioglacier.cli.escaping import escape
from aioglacier.cli.sizes import show_left, show_rate, show_seconds, show_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rich.progress import Progress, TaskID

    from aioglacier.cli.session import Session
    from aioglacier.transfer.engine import TransferSnapshot

_POLL_SECONDS: Final = 0.1

#: The rate shown is that of so many seconds: long enough to be read, short enough to be true.
_RATE_SECONDS: Final = 8.0


class Transfer(Protocol):
    """Anything with counters."""

    def snapshot(self) -> TransferSnapshot:
        """The counters now."""
        ...


class Speed:
    """How fast bytes move, from counters looked at now and then. Bytes that a resume finds do not count."""

    def __init__(self, *, is_resume: bool) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._found: int | None = None if is_resume else 0

    @property
    def found(self) -> int:
        """Bytes that a resume found."""
        return self._found or 0

    def look(self, now: float, moved: int, done: int) -> float:
        """Take the counters of this moment, and return bytes a second."""
        if self._found is None and done > 0:
            self._found = done  # all at once at the first look: the parts that were there
            self._seen.clear()
        self._seen.append((now, moved))
        while now - self._seen[0][0] > _RATE_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        then, before = self._seen[0]
        return max(0.0, (moved - before) / (now - then)) if now > then else 0.0


@asynccontextmanager
async def showing(
    session: Session, label: str, transfer: Transfer, *, is_resume: bool = False, sums_up: bool = True
) -> AsyncIterator[None]:
    """Show how a transfer gets on while the block runs, and in one line how it went if that ``sums_up``.

    A resume begins with a check of what is there already, while no counter moves.
    """
    if not session.output.shows_progress:
        yield
        return
    speed = Speed(is_resume=is_resume)
    started = time.monotonic()
    with _display(session, "bytes") as display:
        idle = "checking what was sent" if is_resume else ""
        task = display.add_task(escape(label), total=None, rate="", left="", flight=idle)

        async with _polling(lambda: _show(display, task, transfer.snapshot(), speed, idle)):
            yield
    if not sums_up:
        return
    taken = time.monotonic() - started
    done = transfer.snapshot().done
    found = speed.found
    text = f"{escape(label)}: {show_size(done)} in {show_seconds(taken)}"
    if found < done and taken > 0.1:  # or it was too fast to be looked at
        text += f", {show_rate(done - found, taken)}"
    if 0 < found < done:
        text += f"; {show_size(found)} of it had been sent before"
    session.output.note(text)


def _show(display: Progress, task: TaskID, counters: TransferSnapshot, speed: Speed, idle: str) -> None:
    rate = speed.look(time.monotonic(), counters.moved, counters.done)
    left = ""
    if counters.size is not None and rate > 0:
        left = f"{show_left((counters.size - counters.moved) / rate)} left"
    display.update(
        task,
        total=counters.size,
        completed=counters.moved,
        rate=show_rate(round(rate), 1) if rate else "",
        left=left,
        flight=f"{counters.parts_in_flight} in flight" if counters.taken or not idle else idle,
    )


@contextmanager
def waiting(session: Session, text: str) -> Iterator[None]:
    """Show that something is waited for, and for how long already."""
    if not session.output.shows_progress:
        session.output.note(text)
        yield
        return
    with _display(session, "time") as display:
        display.add_task(escape(text), total=None)
        yield


@asynccontextmanager
async def counting(
    session: Session, text: str, total: int | None, done: Callable[[], int]
) -> AsyncIterator[None]:
    """Show how many of a number of things are done."""
    if not session.output.shows_progress:
        yield
        return
    with _display(session, "count") as display:
        task = display.add_task(escape(text), total=total)
        async with _polling(lambda: display.update(task, completed=done())):
            yield


@asynccontextmanager
async def _polling(look: Callable[[], None]) -> AsyncIterator[None]:
    import anyio  # noqa: PLC0415

    from aioglacier.transfer.causes import first_cause  # noqa: PLC0415

    async def poll() -> None:
        while True:
            look()
            await anyio.sleep(_POLL_SECONDS)

    with first_cause():  # an error of the block leaves it as it is
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()


@contextmanager
def _display(session: Session, kind: str) -> Iterator[Progress]:
    from rich.console import Console  # noqa: PLC0415  # only where somebody looks
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    class Amount(ProgressColumn):
        """Bytes done of bytes in all."""

        def render(self, task: object) -> Text:
            total, done = getattr(task, "total", None), int(getattr(task, "completed", 0))
            text = f"{show_size(done)} of {show_size(int(total))}" if total is not None else show_size(done)
            return Text(f"{text:>20}")

    def text(template: str) -> TextColumn:
        return TextColumn(template, markup=False)

    columns: dict[str, list[ProgressColumn]] = {
        "bytes": [
            text("{task.description}"),
            BarColumn(bar_width=None),
            Amount(),
            text("{task.fields[rate]:>9}"),
            text("{task.fields[left]:>13}"),
            text("{task.fields[flight]}"),
        ],
        "time": [SpinnerColumn(), text("{task.description}"), TimeElapsedColumn()],
        "count": [text("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn()],
    }
    display = Progress(*columns[kind], console=Console(stderr=True), transient=True, refresh_per_second=10)

    # Nothing but the display's own end gives the cursor back.
    def restore() -> None:
        display.console.show_cursor(True)

    session.stopper.restore = restore
    try:
        with display:
            yield display
    finally:
        session.stopper.restore = lambda: None
