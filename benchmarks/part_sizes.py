"""How do time, CPU and memory of an upload change with the size of its parts?

A GiB in parts of 1 MiB to 256 MiB, 4 GiB in parts of 1 GiB, 4 at once, on plain connections.
"""

from __future__ import annotations

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

CLIENTS = ("floor+native", "aioglacier", "aioglacier+hashlib", "boto3", "aiobotocore")


def main() -> None:
    """Measure and print."""
    parser = turns.parser("part_sizes", __doc__, rounds=2)
    parser.add_argument(
        "--size", type=int, default=GIB, help="at least four parts are sent, whatever this is"
    )
    parser.add_argument(
        "--parts", type=int, nargs="*", default=[1, 4, 16, 64, 256, 1024], help="sizes in MiB"
    )
    parser.add_argument("--clients", nargs="*", default=CLIENTS)
    options = parser.parse_args()
    if options.quick:
        options.size, options.parts, options.rounds = 16 * MIB, [4], 1
        options.clients = ["aioglacier"]
    points = []
    with turns.opened(Sink()) as place:
        for part_size in (mib * MIB for mib in options.parts):
            size = max(options.size, 4 * part_size)
            costs = turns.take(options.clients, turns.upload_task(place, size, part_size, 4), options.rounds)
            found = {name: turns.figures(runs, size) for name, runs in costs.items()}
            points.append({"part_size": part_size, "size": size, "clients": found})
    measure.publish("part_sizes", {"concurrency": 4, "rounds": options.rounds, "points": points})


if __name__ == "__main__":
    main()
