"""What does a part of 1 MiB cost beyond hashing and sending it?

The floor with the same hashing is taken off: what is left is signing, the request, and the way through the
workers. The start of the workers is part of it, spread over the parts of a GiB.
"""

from __future__ import annotations

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

#: Each of ours, and the floor that hashes as it does.
FLOORS = {
    "aioglacier": "floor+native",
    "aioglacier+threads": "floor+native",
    "aioglacier+hashlib": "floor",
    "boto3": "floor",
    "aiobotocore": "floor",
}


def main() -> None:
    """Measure and print."""
    parser = turns.parser("small_parts", __doc__, rounds=5)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=MIB)
    options = parser.parse_args()
    floors = FLOORS
    if options.quick:
        options.size, options.rounds = 16 * MIB, 1
        floors = {"aioglacier+hashlib": "floor"}
    parts = options.size // options.part_size
    with turns.opened(Sink()) as place:
        task = turns.upload_task(place, options.size, options.part_size, 4)
        costs = turns.take(sorted({*floors.values(), *floors}, reverse=True), task, options.rounds)
    above = {}
    for name, floor in floors.items():
        pairs = zip(costs[name], costs[floor], strict=True)
        values = [
            (run.report["cpu_seconds"] - least.report["cpu_seconds"]) / parts * 1000 for run, least in pairs
        ]
        above[name] = [measure.median(values), *measure.spread(values)]
    measure.publish(
        "small_parts",
        {
            "size": options.size,
            "part_size": options.part_size,
            "concurrency": 4,
            "rounds": options.rounds,
            "cpu_ms_a_part_above_floor": above,
            "clients": {name: turns.figures(runs, options.size) for name, runs in costs.items()},
        },
    )


if __name__ == "__main__":
    main()
