"""How many small archives go up in a second, and what CPU does each cost?

Bodies of 1 KiB to 1 MiB, each an archive and a request of its own, 16 at once, from one process; the first
request, which opens connections and starts workers, is not counted. The baseline is aiohttp with a signature
of a few lines: what a client could do that does nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks import measure, turns
from benchmarks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Cost

KIB = 1024
CLIENTS = ("aiohttp-small", "aioglacier-small", "boto3-small", "aiobotocore-small")


def rates(runs: Sequence[Cost], count: int) -> dict[str, Any]:
    """Return archives for each second and CPU second, CPU milliseconds of each, and waits.

    Each figure is [median, minimum, maximum].
    """
    seconds = [run.report["seconds"] for run in runs]
    cpu = [run.report["cpu_seconds"] for run in runs]
    found = {}
    for name, values in {
        "archives_per_s": [count / each for each in seconds],
        "archives_per_cpu_s": [count / each for each in cpu],
        "cpu_ms_each": [each / count * 1000 for each in cpu],
    }.items():
        found[name] = [measure.median(values), *measure.spread(values)]
    waits = [run.report["each_ms"] for run in runs]
    return {**found, "each_ms": {name: measure.median([one[name] for one in waits]) for name in waits[0]}}


def main() -> None:
    """Measure and print."""
    parser = turns.parser("small_archives", __doc__, rounds=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1, 4, 16, 64, 256, 1024], help="in KiB")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--clients", nargs="*", default=CLIENTS)
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.count, options.rounds = [4], 20, 1
        options.clients = ["aiohttp-small", "aioglacier-small"]
    points = []
    with turns.opened(Sink()) as place:
        for size in (kib * KIB for kib in options.sizes):
            count = options.count if size <= 64 * KIB else options.count // 3
            task = replace(place.task, size=size, count=count, concurrency=options.concurrency)
            costs = turns.take(options.clients, task, options.rounds)
            found = {name.removesuffix("-small"): rates(runs, count) for name, runs in costs.items()}
            points.append({"size": size, "count": count, "clients": found})
    figures = {"concurrency": options.concurrency, "rounds": options.rounds, "points": points}
    measure.publish("small_archives", figures)


if __name__ == "__main__":
    main()
