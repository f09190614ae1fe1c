"""How do time, CPU and memory of an upload change with the number of parts sent at once?

A GiB in parts of 16 MiB, 1 to 16 at once, over loopback, where more connections than cores
bring nothing: it shows the cost of too many. ``latency`` shows their gain on a long path.
"""

from __future__ import annotations

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

CLIENTS = ("aioglacier", "boto3", "aiobotocore")


def main() -> None:
    """Measure and print."""
    parser = turns.parser("concurrency", __doc__, rounds=2)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=16 * MIB)
    parser.add_argument("--concurrencies", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--clients", nargs="*", default=CLIENTS)
    options = parser.parse_args()
    if options.quick:
        options.size, options.part_size, options.rounds = 16 * MIB, 4 * MIB, 1
        options.concurrencies, options.clients = [4], ["aioglacier"]
    points = []
    with turns.opened(Sink(), tls=options.tls) as place:
        for concurrency in options.concurrencies:
            task = turns.upload_task(place, options.size, options.part_size, concurrency)
            costs = turns.take(options.clients, task, options.rounds)
            found = {name: turns.figures(runs, options.size) for name, runs in costs.items()}
            points.append({"concurrency": concurrency, "clients": found})
    measure.publish(
        "concurrency",
        {
            "size": options.size,
            "part_size": options.part_size,
            "tls": options.tls,
            "rounds": options.rounds,
            "points": points,
        },
    )


if __name__ == "__main__":
    main()
