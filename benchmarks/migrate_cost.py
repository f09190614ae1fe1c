"""What does a moved GiB cost, compared with receiving, hashing both and sending?

The output of a job goes to a bucket in parts, through one sink that plays both services, over loopback. The
floor does it in one thread with blocking sockets and one pass for both hashes; boto3 does it in threads.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

CLIENTS = ("floor-move", "aioglacier-move", "boto3-move")


def main() -> None:
    """Measure and print."""
    parser = turns.parser("migrate_cost", __doc__, rounds=3)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=16 * MIB)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--clients", nargs="*", default=CLIENTS)
    options = parser.parse_args()
    if options.quick:
        options.size, options.part_size, options.rounds = 16 * MIB, 8 * MIB, 1
        options.clients = ["floor-move", "aioglacier-move"]
    with turns.opened(Sink()) as place:
        task = replace(
            place.task,
            size=options.size,
            part_size=options.part_size,
            concurrency=options.concurrency,
            memory_limit=max(256 * MIB, (options.concurrency + 4) * options.part_size),
        )
        costs = turns.take(options.clients, task, options.rounds)
    found = {
        "size": options.size,
        "part_size": options.part_size,
        "concurrency": options.concurrency,
        "rounds": options.rounds,
        "clients": {name: turns.figures(runs, options.size) for name, runs in costs.items()},
        "over_floor": turns.ratios(costs, "floor-move"),
    }
    measure.publish("migrate_cost", found)


if __name__ == "__main__":
    main()
