"""Every benchmark still runs, so none rots."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: A benchmark is a module that opens with its question.
NAMES = [
    path.stem
    for path in sorted((ROOT / "benchmarks").glob("*.py"))
    if (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0].endswith("?")
]


def test_there_are_benchmarks() -> None:
    """The list is not empty by mistake."""
    assert {"upload_cost", "local_glacier"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_quickly_and_prints_figures(name: str) -> None:
    """With ``--quick`` it ends well and prints one JSON object, with what it ran on."""
    command = [sys.executable, "-m", "benchmarks", name, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["machine"]
