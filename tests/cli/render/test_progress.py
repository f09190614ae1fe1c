"""The rate of a transfer, and the line that shows it."""

from __future__ import annotations

import anyio
import pytest

from aioglacier.cli.render import progress
from aioglacier.cli.render.console import Output
from aioglacier.cli.render.progress import Speed, State, fit, following


def test_the_rate_leaves_out_what_was_there_before() -> None:
    """Gigabytes that a resume finds at the service do not count as fast ones."""
    speed = Speed(is_resume=True)
    speed.look(0.0, 0, 0)
    assert speed.look(1.0, 10_000_000_000, 10_000_000_000) == 0
    assert speed.look(2.0, 10_005_000_000, 10_000_000_000) == 5_000_000
    assert speed.found == 10_000_000_000


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """A fast beginning is forgotten once it is long past."""
    speed = Speed(is_resume=False)
    rates = [speed.look(float(second), min(second, 50) * 1_000_000, 0) for second in range(100)]
    assert (rates[50], rates[99]) == (1_000_000, 0)


async def test_without_a_terminal_a_line_is_printed_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the facts that the moving line shows, but for empty ones."""
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.001)
    looked = anyio.Event()

    def look() -> State:
        looked.set()
        return State("film", 1, 2, (" 1 MiB of 2 MiB", "", "3 in flight"))

    async with following(Output(), look):
        await looked.wait()
    assert capsys.readouterr().err.splitlines()[0] == "film: 1 MiB of 2 MiB, 3 in flight"


@pytest.mark.parametrize(
    ("width", "label", "bar", "facts"),
    [
        (80, "film.mkv", 14, 4),
        (60, "film.mkv", 0, 3),
        (50, "film.mkv", 12, 2),
        (40, "film.mkv", 0, 2),
        (35, "film.\N{HORIZONTAL ELLIPSIS}", 0, 2),
        (28, "film.mkv", 0, 1),
        (22, "f\N{HORIZONTAL ELLIPSIS}", 0, 1),
    ],
)
def test_what_does_not_fit_goes_in_order(width: int, label: str, bar: int, facts: int) -> None:
    """First parts in flight, then the time left, then the rate; bytes stay."""
    told = ["285 MiB of 12.0 GiB", "85 MB/s", "3:07 min left", "4 in flight"]
    assert fit(width, "film.mkv", *told) == (label, bar, told[:facts])
