"""Progress: a line on standard error that moves, or on what is no terminal a line each minute.

Transfers do not report: their counters are polled ten times a second.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from aioglacier.cli.render.escaping import escape
from aioglacier.cli.render.sizes import show_count, show_left, show_rate, show_seconds, show_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rich.progress import Progress, Task

    from aioglacier.cli.render.console import Output
    from aioglacier.transfer.snapshot import TransferSnapshot

_POLL_SECONDS: Final = 0.1

#: Seconds between two lines of progress where there is no terminal.
_LINE_SECONDS: Final = 60.0

#: The rate is that of the last seconds: enough to be steady, and few enough to be current.
_RATE_SECONDS: Final = 8.0

#: The columns that a label keeps, by the number of facts beside it; otherwise a fact is dropped.
_LABEL_WIDTHS: Final = (1, 4, 12, 16)

#: A shorter bar says nothing.
_LEAST_BAR: Final = 8


class Transfer(Protocol):
    """Anything with counters."""

    def snapshot(self) -> TransferSnapshot:
        """The counters now."""
        ...


class Speed:
    """The rate of a transfer, from polled counters. Bytes that a resume finds do not count."""

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
        while now - self._seen[0][0] > _RATE_SECONDS and len(self._seen) > 2:  # two make a rate
            self._seen.popleft()
        then, before = self._seen[0]
        return max(0.0, (moved - before) / (now - then)) if now > then else 0.0


class State(NamedTuple):
    """The state of some work at one moment."""

    label: str  # the present step
    done: int  # the amount that is done
    total: int | None  # the whole amount, ``None`` while it is unknown
    facts: tuple[str, ...]  # what to show beside it, the most important first


@asynccontextmanager
async def following(output: Output, look: Callable[[], State]) -> AsyncIterator[None]:
    """Show the progress of some work while the block runs, by polling it.

    Without a terminal, a line is printed now and then.
    """
    if not output.shows_progress:

        def tell() -> None:
            state = look()
            output.note(f"{state.label}: {', '.join(fact.strip() for fact in state.facts if fact)}")

        async with repeating(tell, _LINE_SECONDS):
            yield
        return
    with _display(output) as display:
        task = display.add_task("", total=None, facts=())

        def show() -> None:
            label, done, total, facts = look()
            display.update(task, description=escape(label), total=total, completed=done, facts=facts)

        show()
        display.refresh()  # a short first step would be over before the display draws by itself
        async with repeating(show, _POLL_SECONDS):
            yield


@asynccontextmanager
async def repeating(act: Callable[[], None], seconds: float) -> AsyncIterator[None]:
    """Call a function again after each pause, while the block runs."""
    import anyio  # noqa: PLC0415  # not needed for help

    from aioglacier.tasks.groups import first_cause  # noqa: PLC0415

    async def repeat() -> None:
        while True:
            await anyio.sleep(seconds)
            act()

    with first_cause():  # an error of the block leaves it as it is
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(repeat)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()


@asynccontextmanager
async def showing(
    output: Output, label: str, transfer: Transfer, *, is_resume: bool = False, sums_up: bool = True
) -> AsyncIterator[None]:
    """Show the progress of a transfer while the block runs, and a summary if it ``sums_up``.

    A resume begins with a check of the parts that are there, while no counter moves.
    """
    speed = Speed(is_resume=is_resume)

    def look() -> State:
        counters = transfer.snapshot()
        rate = speed.look(time.monotonic(), counters.moved, counters.done)
        if is_resume and not counters.taken:
            return State(label, counters.moved, counters.size, ("checking the parts sent",))
        done, left = f"{show_size(counters.moved):>8}", ""
        if counters.size is not None:
            done += f" of {show_size(counters.size)}"
            left = f"{show_left((counters.size - counters.moved) / rate)} left" if rate > 0 else ""
        shown_rate = f"{show_rate(round(rate), 1):>9}" if rate else ""
        flight = f"{counters.parts_in_flight} in flight"
        if counters.workers:
            flight = f"by {show_count(counters.workers, 'worker')}"
        return State(label, counters.moved, counters.size, (done, shown_rate, left and f"{left:>13}", flight))

    started = time.monotonic()
    async with following(output, look):
        yield
    if not sums_up or not output.shows_progress:
        return
    taken = time.monotonic() - started
    done = transfer.snapshot().done
    found = speed.found
    text = f"{escape(label)}: {show_size(done)} in {show_seconds(taken)}"
    if found < done and taken > 0.1:  # or it was too fast to be looked at
        text += f", {show_rate(done - found, taken)}"
    if 0 < found < done:
        text += f"; {show_size(found)} of it had been sent before"
    output.note(text)


@asynccontextmanager
async def waiting(output: Output, text: str) -> AsyncIterator[None]:
    """Show what the block waits for, and for how long already."""
    if not output.shows_progress:
        output.note(text)
    started = time.monotonic()
    async with following(output, lambda: State(text, 0, None, (show_left(time.monotonic() - started),))):
        yield


@asynccontextmanager
async def counting(
    output: Output, text: str, total: int | None, done: Callable[[], int]
) -> AsyncIterator[None]:
    """Show how many of a number of things are done."""
    of = "" if total is None else f"/{total:,}"
    async with following(output, lambda: State(text, done(), total, (f"{done():,}{of}",))):
        yield


class Line(NamedTuple):
    """The parts of one line that fit."""

    label: str  # the label, shortened if need be
    bar: int  # columns left for a bar; 0 where there is no room for one
    facts: list[str]  # the facts that fit


def fit(width: int, label: str, *facts: str) -> Line:
    """Fit a line into the columns of a terminal.

    The last fact goes first, and so on to the first one, which stays; the label is shortened, and a bar gets
    what is left.
    """
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415  # only on a terminal

    kept = [fact for fact in facts if fact]
    wide = cell_len(label)

    def room() -> int:
        return width - len(", ".join(kept)) - 1

    while len(kept) > 1 and room() < min(wide, _LABEL_WIDTHS[min(len(kept), len(_LABEL_WIDTHS)) - 1]):
        kept.pop()
    if wide > room():
        label = set_cell_size(label, max(0, room() - 1)).rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    bar = room() - cell_len(label) - 1
    return Line(label, 0 if bar < _LEAST_BAR else bar, kept)


@contextmanager
def _display(output: Output) -> Iterator[Progress]:
    from rich.console import Console  # noqa: PLC0415  # only on a terminal
    from rich.progress import Progress, ProgressColumn  # noqa: PLC0415
    from rich.table import Column  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True)

    class Whole(ProgressColumn):
        """The whole line, as wide as the terminal is now."""

        def render(self, task: Task) -> Text:
            label, bar, facts = fit(console.width, task.description, *task.fields["facts"])
            line = Text(label)
            if bar and task.total:  # not for an amount that is unknown, or nothing
                full = min(bar, int(bar * task.completed / task.total))
                piece = "-" if console.options.ascii_only else "\N{BOX DRAWINGS HEAVY HORIZONTAL}"
                line.append(" ").append(piece * full, "bar.complete").append(piece * (bar - full), "bar.back")
            return line.append(f" {', '.join(facts)}" if facts else "")

    column = Whole(table_column=Column(no_wrap=True))
    display = Progress(column, console=console, transient=True, refresh_per_second=10)

    def show_cursor() -> None:
        display.console.show_cursor(True)

    output.show_cursor = show_cursor  # for an end by a signal, which leaves no block
    try:
        with display:
            yield display
    finally:
        output.show_cursor = lambda: None
