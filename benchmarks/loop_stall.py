"""For how long does an upload block the event loop?

A task that only sleeps for a millisecond notes how much later it runs, while 2 GiB go up in parts of 64 MiB,
4 at once, on TLS, where the loop has to encrypt as well. Stalls include the wait for a core: the sink and the
workers want the same two.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

CLIENTS = ("aioglacier", "aioglacier+threads", "aioglacier+uvloop", "aiobotocore")


def main() -> None:
    """Measure and print."""
    parser = turns.parser("loop_stall", __doc__, rounds=3)
    parser.add_argument("--size", type=int, default=2 * GIB)
    parser.add_argument("--part-size", type=int, default=64 * MIB)
    parser.add_argument("--plain", action="store_true", help="without TLS")
    parser.add_argument("--clients", nargs="*", default=CLIENTS)
    options = parser.parse_args()
    if options.quick:
        options.size, options.part_size, options.rounds = 16 * MIB, 4 * MIB, 1
        options.clients = ["aioglacier+uvloop"]
    with turns.opened(Sink(), tls=not options.plain) as place:
        task = replace(turns.upload_task(place, options.size, options.part_size, 4), is_watched=True)
        costs = turns.take(options.clients, task, options.rounds)
    measure.publish(
        "loop_stall",
        {
            "size": options.size,
            "part_size": options.part_size,
            "concurrency": 4,
            "tls": not options.plain,
            "rounds": options.rounds,
            "clients": {name: turns.figures(runs, options.size) for name, runs in costs.items()},
            "worst_ms": turns.worst_stalls(costs),
        },
    )


if __name__ == "__main__":
    main()
