"""The tables of docs/scale.md, each calculated from measured costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import scale
from benchmarks.many_workers import Site, simulate
from benchmarks.measure import GIB, MIB
from benchmarks.table_rows import markdown

if TYPE_CHECKING:
    from benchmarks.results import Results

#: A task opens its connections each time, on a long line with some round trips of 50 ms.
_OPENING_SECONDS: Final = 0.2


def costs(results: Results) -> str:
    """The unit costs of the simulation."""
    rows = []
    for way, tls in (("plain", False), ("TLS", True)):
        unit = scale.unit_costs(results, tls=tls)
        each = (unit.hash_byte * GIB, unit.send_byte * GIB, unit.request * 1000)
        rows.append([way, *(f"{one:.2f}" for one in each)])
    return markdown(
        ["transport", "read and hash, CPU s/GiB", "send, CPU s/GiB of the loop", "a request, CPU ms"], rows
    )


def archives(results: Results) -> str:
    """Large archives."""
    rows = [
        [
            one["case"],
            f"{one['gb_per_s']:.3g} GB/s",
            f"{one['hours_for_40_tb']:,.0f} h",
            f"{one['cores_busy']:.2g}",
            f"{one['buffers_gib']:.2f} GiB" if one["buffers_gib"] else "none",
            f"{one['cache_gib']:.2f} GiB" if one["cache_gib"] else "none",
            f"{one['scarce']} (doubled: {one['gain_if_doubled']:.2f}x)",
        ]
        for one in scale.big_archives(results)
    ]
    return markdown(
        ["where", "speed", "40 TB take", "cores busy", "buffers", "page cache", "first to run out"], rows
    )


def files(results: Results) -> str:
    """A million files."""
    rows = [
        [
            one["case"],
            f"{one['requests']:,}",
            f"${one['dollars']:,.2f}",
            f"{one['minutes']:,.1f}",
            one["scarce"],
        ]
        for one in scale.many_files(results)
    ]
    return markdown(["a million files of 16 KiB", "requests", "billed", "minutes", "first to run out"], rows)


def cluster(results: Results) -> str:
    """The measured cost of other processes."""
    found = results.find("cluster", size=GIB)
    low, high = found["ratio"][1:]
    rows = [
        ["1 GiB, this process alone", f"{found['alone_cpu_s'][0]:.2f} CPU s"],
        ["1 GiB, by one worker", f"{found['spread_cpu_s'][0]:.2f} CPU s"],
        ["ratio (lowest and highest of the rounds)", f"{found['ratio'][0]:.2f} ({low:.2f} to {high:.2f})"],
        ["start of scheduler and one worker", f"{found['start_cpu_s']:.1f} CPU s"],
        ["a task, in the coordinator", f"{found['coordinator_cpu_ms_a_task']:.1f} CPU ms"],
        ["a task of 1 MiB, in the worker", f"{found['worker_cpu_ms_a_task']:.0f} CPU ms"],
    ]
    return markdown(["measured", "cost"], rows)


def workers(results: Results) -> str:
    """A simulation of many workers with the measured costs."""
    found = results.find("cluster", size=GIB)
    coordinator = found["coordinator_cpu_ms_a_task"] / 1000
    rows = []
    for workers in (1, 4, 16, 64, 256):
        cells = [f"{workers}"]
        for rate, parts in ((20e6, 120_000), (600e6, 3_600_000)):
            site = Site(workers, rate, found["task_ms"] / 1000 + _OPENING_SECONDS, coordinator)
            run = simulate(site, parts, 16 * MIB)
            cells += [f"{run.tasks:,}", f"{run.efficiency:.2f}"]
        rows.append(cells)
    return markdown(
        ["workers", "2 TB, 20 MB/s each: tasks", "busy", "60 TB, 600 MB/s each: tasks", "busy"], rows
    )
