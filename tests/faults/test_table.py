"""The table of faults is complete: every row has tests, and they exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text()

#: The number of faults of each kind. A new fault needs a row and a test.
COUNTS = {"IN": 26, "PR": 18, "NE": 21, "SV": 34, "CR": 12, "DC": 24, "CC": 13, "SE": 12, "FO": 25, "OB": 17}

#: Each row: its id, and the tests that it names.
ROWS = {
    match[1]: re.findall(r"`(tests/[\w/]+\.py::\w+)`", match[0])
    for match in re.finditer(r"^\| ([A-Z]{2}-\d\d) \|.*\|$", PAGE, re.MULTILINE)
}


@cache
def names(path: str) -> set[str]:
    """Return the tests of a file."""
    tree = ast.parse((ROOT / path).read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


def test_every_fault_has_its_row() -> None:
    """All ids exist, once and in order."""
    expected = [f"{kind}-{number:02}" for kind, count in COUNTS.items() for number in range(1, count + 1)]
    assert re.findall(r"^\| ([A-Z]{2}-\d\d) \|", PAGE, re.MULTILINE) == expected


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_tests_that_exist(row: str) -> None:
    """Every fault has a test with a body."""
    assert ROWS[row]
    for test in ROWS[row]:
        path, _, name = test.partition("::")
        assert name in names(path), test


def test_tests_named_after_a_row_are_in_it() -> None:
    """A row names all its tests."""
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        relative = str(path.relative_to(ROOT))
        for name in names(relative):
            if match := re.match(r"test_([a-z]{2})_(\d\d)_", name):
                row = f"{match[1].upper()}-{match[2]}"
                assert f"{relative}::{name}" in ROWS[row], f"{name} is not in the row {row}"
