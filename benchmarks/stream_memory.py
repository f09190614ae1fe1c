"""Is the memory of an uploaded stream independent of its length?

A process streams bytes of unknown length from a pipe to the sink; the memory of its whole tree, workers
included, is sampled as PSS, where a page that processes share counts once. The formula in docs/design.md
says: at most ``memory_limit`` plus a constant.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks import clients, measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

if TYPE_CHECKING:
    from benchmarks.clients import Task


def main() -> None:
    """Measure and print."""
    parser = turns.parser("stream_memory", __doc__, rounds=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[GIB, 2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB])
    parser.add_argument("--part-size", type=int, default=8 * MIB)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--memory-limit", type=int, default=256 * MIB)
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.rounds = [16 * MIB, 32 * MIB], 1
    figures: dict[str, dict[str, Any]] = {}
    with turns.opened(Sink()) as place:
        task = replace(
            place.task,
            path="-",
            part_size=options.part_size,
            concurrency=options.concurrency,
            memory_limit=options.memory_limit,
        )
        for size in options.sizes:
            runs = [_stream(task, size) for _ in range(options.rounds)]
            peaks = [run.peak_pss / MIB for run in runs]
            figures[str(size)] = {
                "peak_mib": [measure.median(peaks), *measure.spread(peaks)],
                "wall_s_per_gib": measure.median([run.report["seconds"] / size * GIB for run in runs]),
            }
    peaks = [figure["peak_mib"][0] for figure in figures.values()]
    measure.publish(
        "stream_memory",
        {
            "memory_limit": options.memory_limit,
            "part_size": options.part_size,
            "concurrency": options.concurrency,
            "rounds": options.rounds,
            "streams": figures,
            "growth_mib": round(max(peaks) - peaks[0], 1),
        },
    )


def _stream(task: Task, size: int) -> measure.Cost:
    source = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
    assert source.stdout
    with source, source.stdout as stream:
        return clients.run("aioglacier", task, stdin=stream.fileno())


if __name__ == "__main__":
    main()
