"""From how many cores on do processes that send beside the event loop make an upload faster?

One file goes up in parts of 16 MiB, 4 at once, by the loop alone and with one to three sender processes:
hashed on the way and, to see sending alone, with hashes that are taken as known. "own_cpu" is that of the
process with the loop: where it is as long as the whole takes, there is something for senders to take over.
Sink, workers and senders share the cores of this machine, so the times hold for as many cores only; the CPU
seconds say what it takes elsewhere.
"""

from __future__ import annotations

import os

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

WAYS = ("aioglacier", "aioglacier-sending")
SENDERS = (0, 1, 2, 3)


def main() -> None:
    """Measure and print."""
    parser = turns.parser("senders", __doc__, rounds=3)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=16 * MIB)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--senders", type=int, nargs="*", default=SENDERS)
    options = parser.parse_args()
    if options.quick:
        options.size, options.rounds, options.senders = 64 * MIB, 1, [0, 1]
    names = {
        (way, count): f"{way}+senders={count}" if count else way for way in WAYS for count in options.senders
    }
    with turns.opened(Sink(), tls=options.tls) as place:
        task = turns.upload_task(place, options.size, options.part_size, options.concurrency)
        costs = turns.take(list(names.values()), task, options.rounds)
    found = {
        "size": options.size,
        "part_size": options.part_size,
        "concurrency": options.concurrency,
        "tls": options.tls,
        "rounds": options.rounds,
        "cores": os.cpu_count(),
        "clients": {name: turns.figures(runs, options.size) for name, runs in costs.items()},
    }
    for way in WAYS:
        found[f"over_{way}"] = turns.ratios(costs, way)
    measure.publish("senders", found)


if __name__ == "__main__":
    main()
