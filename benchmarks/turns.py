"""Clients that take turns at one task: each round runs all clients, so other load affects all of them.

Figures are medians over the rounds; ratios are taken within each round before their median is.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import certificates, clients, measure
from benchmarks.measure import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.clients import Task
    from benchmarks.measure import Cost
    from benchmarks.sink import Sink

#: The clients to compare. A command has no clock inside, so all of it counts as transfer.
_WANTED: Final[dict[str, Callable[[Cost], float]]] = {
    "wall": lambda cost: cost.report.get("seconds", cost.wall_seconds),
    "cpu": lambda cost: cost.report.get("cpu_seconds", cost.cpu_seconds),
    "own_cpu": lambda cost: cost.report.get("own_cpu_seconds", cost.cpu_seconds),
    "process_wall": lambda cost: cost.wall_seconds,
    "process_cpu": lambda cost: cost.cpu_seconds,
    "memory": lambda cost: cost.peak_pss,
}


@dataclass(frozen=True)
class Place:
    """The surroundings of transfers: a sink, and files in a folder.

    Attributes:
        task: With the sink's URL and what clients trust; the rest is up to the benchmark.
    """

    folder: Path
    task: Task

    def source(self, size: int) -> str:
        """Return the path of a file of the given size in the page cache."""
        path = measure.make_file(self.folder / f"source-{size}", size)
        with path.open("rb", buffering=0) as file:
            while file.read(16 * MIB):
                pass
        return str(path)


@contextmanager
def opened(sink: Sink, *, tls: bool = False) -> Iterator[Place]:
    """Run a sink, with files beside it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authority = None
        if tls:
            issued = certificates.issue(folder)
            sink, authority = replace(sink, certificate=issued.server), issued.authority
        url = stack.enter_context(sink.running())
        yield Place(folder, clients.Task(url=url, certificates=authority))


def take(names: Sequence[str], task: Task, rounds: int, *, has_pages: bool = True) -> dict[str, list[Cost]]:
    """Let clients do one task in turns; return the cost of each client in each round."""
    return take_each(dict.fromkeys(names, task), rounds, has_pages=has_pages)


def take_each(tasks: Mapping[str, Task], rounds: int, *, has_pages: bool = True) -> dict[str, list[Cost]]:
    """Let clients do their own tasks in turns; return the cost of each client in each round.

    ``has_pages`` says whether the file that a download writes onto has its pages in memory, or none at all.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            costs[name].append(_take(name, task, has_pages=has_pages))
    return costs


def _take(name: str, task: Task, *, has_pages: bool) -> Cost:
    if name == "aioglacier-download-cli":
        drain = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # not counted
        with drain, drain.stdin as pipe:  # type: ignore[union-attr]
            return clients.run(name, task, stdout=pipe.fileno())
    if "-download" in name:
        _lay_pages(name, Path(task.path), task.size if has_pages else 0)
    if "stdin" not in name.split("+"):
        return clients.run(name, task)
    with subprocess.Popen(["cat", task.path], stdout=subprocess.PIPE) as source:  # whose cost is not counted
        assert source.stdout
        return clients.run(name, replace(task, path="-"), stdin=source.stdout.fileno())


def _lay_pages(name: str, target: Path, size: int) -> None:
    """Prepare the target of a download: a file with pages in memory, or an empty one for a size of 0."""
    partial = target.with_name(f".{target.name}.aioglacier")  # where ours keeps what it has not verified
    if partial.exists():
        partial.replace(target)  # a reader has left it there
    measure.make_file(target, size)
    if name.startswith("aioglacier"):
        target.replace(partial)


def figures(runs: Sequence[Cost], size: int) -> dict[str, Any]:
    """Return a client's cost as [median, minimum, maximum]: seconds for a GiB, memory, stalls of its loop."""
    gib = size / GIB
    found: dict[str, Any] = {}
    for name, of in _WANTED.items():
        if name == "memory":
            values, key = [of(run) / MIB for run in runs], "peak_mib"
        else:
            values, key = [of(run) / gib for run in runs], f"{name}_s_per_gib"
        found[key] = [measure.median(values), *measure.spread(values)]
    if stalls := [run.report["stall_ms"] for run in runs if "stall_ms" in run.report]:
        found["stall_ms"] = {name: measure.median([one[name] for one in stalls]) for name in stalls[0]}
    return found


def worst_stalls(costs: Mapping[str, Sequence[Cost]]) -> dict[str, float]:
    """Return the longest wait for the loop in any round, in ms, of each watched client."""
    waits = {
        name: [run.report["stall_ms"]["max"] for run in runs if "stall_ms" in run.report]
        for name, runs in costs.items()
    }
    return {name: max(found) for name, found in waits.items() if found}


def upload_task(place: Place, size: int, part_size: int, concurrency: int | None) -> Task:
    """Upload a file; aioglacier may use as many buffers as it can."""
    return replace(
        place.task,
        path=place.source(size),
        size=size,
        part_size=part_size,
        concurrency=concurrency,
        memory_limit=max(256 * MIB, ((concurrency or 4) + 4) * part_size),
    )


def ratios(costs: dict[str, list[Cost]], baseline: str) -> dict[str, dict[str, float]]:
    """Return the ratio of each client's figures to the baseline's: round by round, then the median.

    Return nothing if the baseline was not measured.
    """
    if baseline not in costs:
        return {}
    others = costs[baseline]
    return {
        name: {
            wanted: measure.median([of(run) / of(other) for run, other in zip(runs, others, strict=True)])
            for wanted, of in _WANTED.items()
        }
        for name, runs in costs.items()
        if name != baseline
    }


def parser(name: str, description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """Return the options of every benchmark."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=description)
    made.add_argument("--quick", action="store_true", help="seconds, and figures of no worth")
    made.add_argument("--output", help="a file of results to add this one to")
    made.add_argument("--rounds", type=int, default=rounds, help=f"how often each client runs, {rounds}")
    return made
