"""The table of the vault service's uncertain behaviour."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from string import Formatter

import pytest

from aioglacier.server.protocol import behaviour
from aioglacier.server.state.server_settings import spread_delays

ROWS = {name: value for name, value in vars(behaviour).items() if name.isupper() and type(value) is tuple}
WORDS = Counter(
    word
    for path in Path(behaviour.__file__).parents[1].rglob("*.py")
    for word in re.findall(r"\b[A-Z_]+\b", path.read_text())
)


def test_rows_are_refusals() -> None:
    """Each has a status of an error, a code and a text."""
    assert ROWS
    for status, code, text in (row for row in ROWS.values() if len(row) == 3):
        assert 400 <= status < 600
        assert re.fullmatch(r"[A-Z]\w+", code)
        assert [*Formatter().parse(text)]


@pytest.mark.parametrize("name", [name for name in vars(behaviour) if name.isupper()])
def test_every_line_decides_something(name: str) -> None:
    """A constant that no module of the server reads would mislead who corrects it."""
    assert WORDS[name] > 1


def test_every_tier_has_a_delay() -> None:
    """The delays are those of the guide, and settings accept no other tier."""
    assert spread_delays(None) == dict(behaviour.JOB_DELAY_SECONDS)
    assert min(behaviour.JOB_DELAY_SECONDS.values()) > 0
