"""Every benchmark runs, and the published figures are the measured ones.

No timing is asserted: it depends on the machine.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.forking import forks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MIB = 1024 * 1024

#: A benchmark is a module that opens with its question.
NAMES = [
    path.stem
    for path in sorted((ROOT / "benchmarks").glob("*.py"))
    if (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0].endswith("?")
]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the benchmarks, which are not installed."""
    monkeypatch.syspath_prepend(ROOT)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m benchmarks`` with arguments, as a fork, because to load it takes seconds."""
    code, out, err = forks("benchmarks").run(words, cwd=ROOT, env=os.environ)
    return subprocess.CompletedProcess(words, code, out.decode(), err.decode())


def test_there_are_benchmarks() -> None:
    """Benchmarks are found."""
    assert {"upload_cost", "stream_memory", "local_glacier", "latency"} <= set(NAMES)


#: The next test runs the first one, and the other one starts four more programs beside ours.
_WITH_PEERS = {"upload_cost", "folder_peers", "cluster"}


@pytest.mark.parametrize(
    "name",
    [
        *sorted({*NAMES} - _WITH_PEERS),
        pytest.param("folder_peers", marks=pytest.mark.long),
        pytest.param("cluster", marks=pytest.mark.long),
    ],
)
def test_a_benchmark_runs_quickly_and_prints_figures(name: str) -> None:
    """With ``--quick`` it succeeds and prints one JSON object that describes the machine."""
    done = run(name, "--quick")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["machine"]["hash_core"]


@pytest.mark.long
def test_the_other_clients_still_work_as_they_are_used() -> None:
    """boto3, aiobotocore, glacier_upload and the AWS CLI succeed on TLS, and each reports its cost."""
    done = run("upload_cost", "--quick", "--peers", "--tls")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["machine"]["hash_core"]
    costs = figures["clients"]
    assert {"boto3", "boto3+sequential", "aiobotocore", "glacier_upload", "aws-cli"} <= costs.keys()
    assert all(cost["process_cpu_s_per_gib"][0] > 0 for cost in costs.values())


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("s3_upload", ["--size=33554432"]),
        ("download_cost", ["--size=16777216"]),
        ("migrate_cost", ["--size=33554432"]),
        ("small_archives", ["--sizes=4", "--count=50"]),
        ("start_up", ["--size=1048576"]),
    ],
)
def test_the_other_clients_still_work_beside_ours(name: str, options: list[str]) -> None:
    """The quick forms leave out other clients; a short run of the whole form has all that are installed."""
    done = run(name, "--rounds=1", *options)
    assert done.returncode == 0, done.stderr
    assert "boto3" in done.stdout


def test_output_replaces_what_the_same_command_wrote_before(
    tmp_path: Path, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of results has one line for each command, however often it ran."""
    path = tmp_path / "results.jsonl"
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--output", str(path)])
    for figure in (1, 2):
        load("measure").publish("scale", {"figure": figure})
    (line,) = path.read_text().splitlines()
    result = json.loads(line)
    assert (result["command"], result["figure"]) == ("python -m benchmarks scale --quick", 2)


def test_tables_in_readme_and_docs_are_those_of_the_results() -> None:
    """Each marked table equals the table made from the committed results."""
    done = run("report", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_each_table_is_somewhere_and_each_marker_has_its_table(load: Any) -> None:
    """Every table has a marker, and every marker has a table."""
    tables, report = load("tables"), load("report")
    marked = [name for path in report.DOCUMENTS for name in tables.marked(path.read_text())]
    assert sorted(marked) == sorted(tables.TABLES)


@pytest.mark.long
def test_plots_are_drawn_the_same_from_the_same_results(
    tmp_path: Path, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each plot is drawn, a second run gives the same bytes, and docs contain each plot."""
    plots, results = load("plots"), load("results").Results()
    first, second = tmp_path / "first", tmp_path / "second"
    plots.draw(results, first)
    expected = {f"{name}.{kind}" for name in plots.PLOTS for kind in ("svg", "png")}
    assert {path.name for path in first.iterdir()} == expected
    assert {path.name for path in (ROOT / "docs" / "plots").iterdir()} == expected
    # One function saves all, so a plot of bars and one of lines show that it leaves out time and chance.
    monkeypatch.setattr(plots, "PLOTS", {name: plots.PLOTS[name] for name in ("cpu", "concurrency")})
    plots.draw(results, second)
    for path in second.iterdir():
        assert path.read_bytes() == (first / path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", ["README.md", "docs/performance.md", "docs/scale.md"])
def test_pictures_and_links_lead_somewhere(name: str) -> None:
    """Every file that a document links to exists."""
    document = ROOT / name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_check_tells_of_each_goal() -> None:
    """Every goal has a figure and the command that made it, whether it holds or not."""
    done = run("check")
    told = done.stdout.splitlines()
    assert done.returncode in {0, 1}, done.stderr
    assert not [line for line in told if line.startswith("none")]
    goals = [line for line in told if line.startswith(("holds", "MISSED"))]
    assert len(goals) > 20
    assert sum(line.strip().startswith("python -m benchmarks") for line in told) == len(goals)
    assert done.returncode == any(line.startswith("MISSED") for line in goals)


def test_a_line_carries_no_more_than_it_is_told(load: Any) -> None:
    """Two megabytes at ten a second take a fifth of a second, less the allowed lateness, also on a link."""
    line = load("line").Line(0.0, 10e6)
    began = time.monotonic()
    for _ in range(20):
        line.carry(100_000)
    assert time.monotonic() - began >= 0.17
    shared = load("line").Line(0.0, 100e6, 10e6)
    began = time.monotonic()
    for _ in range(20):
        shared.carry(100_000)
    assert time.monotonic() - began >= 0.17


@pytest.mark.parametrize(
    ("place", "expected", "scarce"),
    [
        # One connection of 20 MB/s is idle for 0.2 s after each part of 16 MiB.
        (
            {"connections": 1, "connection": 20e6, "round_trip": 0.2},
            16 * MIB / (16 * MIB / 20e6 + 0.2),
            "any",
        ),
        # Two workers hash a GB a second each, and everything else is faster.
        ({"connections": 8, "workers": 2, "connection": 1e10}, 2e9, "cores for hashing"),
        # The link is the bottleneck.
        ({"connections": 8, "workers": 8, "connection": 1e9, "link": 1e8}, 1e8, "the line"),
        # One loop sends 4 GB a second.
        ({"connections": 16, "workers": 8, "connection": 1e10}, 4e9, "event loop"),
        # Two buffers, whatever the number of connections.
        ({"connections": 8, "memory": 32 * MIB, "connection": 20e6, "workers": 8}, 40e6, "any"),
    ],
)
def test_the_simulation_agrees_where_the_answer_is_known(
    load: Any, place: dict[str, float], expected: float, scarce: str
) -> None:
    """With one bottleneck, the rate is that of the bottleneck, and the result names it."""
    simulation = load("simulation")
    costs = simulation.Costs(hash_byte=1e-9, send_byte=0.25e-9, request=0.0)
    usual = {"workers": 1, "loops": 1, "memory": 1e12, "link": 1e12, "round_trip": 0.0}
    made = simulation.Place(**(usual | place))
    assert simulation.rate(16 * MIB, costs, made) == pytest.approx(expected, rel=0.1)
    if scarce != "any":
        assert simulation.scarce(16 * MIB, costs, made)[0] == scarce
