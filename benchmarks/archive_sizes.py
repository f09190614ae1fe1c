"""How do time, CPU and memory of an upload change with the size of the archive?

One file after the other, 1 MiB to 4 GiB, each by a process of its own, part size and concurrency left to the
client; boto3 is given parts of 16 MiB and 4 threads.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks import measure, turns
from benchmarks.measure import MIB
from benchmarks.sink import Sink

CLIENTS = ("aioglacier", "boto3")


def main() -> None:
    """Measure and print."""
    parser = turns.parser("archive_sizes", __doc__, rounds=2)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[1, 4, 16, 64, 256, 1024, 4096], help="in MiB"
    )
    parser.add_argument("--clients", nargs="*", default=CLIENTS)
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.rounds, options.clients = [4], 1, ["aioglacier"]
    points = []
    with turns.opened(Sink()) as place:
        for size in (mib * MIB for mib in options.sizes):
            defaults = replace(place.task, path=place.source(size), size=size, concurrency=None)
            given = replace(defaults, part_size=16 * MIB, concurrency=4)
            costs = turns.take_each(
                {name: given if name.startswith("boto3") else defaults for name in options.clients},
                options.rounds,
            )
            found = {name: turns.figures(runs, size) for name, runs in costs.items()}
            points.append({"size": size, "clients": found})
    measure.publish("archive_sizes", {"rounds": options.rounds, "points": points})


if __name__ == "__main__":
    main()
