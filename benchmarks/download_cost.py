"""What does a download cost, compared with receiving, hashing once and writing?

A GiB, by ranges, 4 at once, to a file, through a reader to the null device, and by the command to standard
output, a pipe that ``cat`` empties, whose own cost is not counted. Every byte of ours is verified and the
file is synced, as is the floor's; boto3 fetches the same ranges in threads, verifies nothing and does not
sync. All write onto a file whose pages are in memory: what new pages cost is the system's, and on a virtual
machine differs by more than all else here; with ``--new`` they write onto one that has none.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

CLIENTS = (
    "floor-download",
    "floor-download+native",
    "aioglacier-download",
    "aioglacier-download+threads",
    "aioglacier-download+hashlib",
    "aioglacier-download+reader",
    "aioglacier-download-cli",
    "boto3-download",
)


def main() -> None:
    """Measure and print."""
    parser = turns.parser("download_cost", __doc__, rounds=5)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--new", action="store_true", help="onto files that have no pages yet")
    parser.add_argument("--watched", action="store_true", help="note how long loops keep others waiting")
    parser.add_argument("--clients", nargs="*", default=CLIENTS)
    options = parser.parse_args()
    if options.quick:
        options.size, options.rounds = 16 * MIB, 1
        options.clients = ["floor-download", "aioglacier-download+reader", "aioglacier-download-cli"]
    with turns.opened(Sink(), tls=options.tls) as place:
        task = replace(
            place.task,
            path=str(place.folder / "target"),
            size=options.size,
            concurrency=options.concurrency,
            is_watched=options.watched,
        )
        costs = turns.take(options.clients, task, options.rounds, has_pages=not options.new)
    found = {
        "size": options.size,
        "concurrency": options.concurrency,
        "tls": options.tls,
        **{name: True for name in ("new", "watched") if getattr(options, name)},
        "rounds": options.rounds,
        "clients": {name: turns.figures(runs, options.size) for name, runs in costs.items()},
        **({"worst_ms": turns.worst_stalls(costs)} if options.watched else {}),
        "over_floor": turns.ratios(costs, "floor-download"),
    }
    measure.publish("download_cost", found)


if __name__ == "__main__":
    main()
