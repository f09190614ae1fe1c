"""What does it cost to upload a file, a stream or a pipe, on either loop, hashing in processes or threads?

A GiB in parts of 16 MiB, 4 at once. The stream is an async generator of blocks of 256 KiB, the pipe is fed by
``cat``, whose own cost is not counted. "aioglacier-cli" is ``aioglacier upload``, the command, all of it.
"""

from __future__ import annotations

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

CLIENTS = tuple(
    "+".join(["aioglacier", *traits])
    for traits in (
        ["processes"],
        ["threads"],
        ["processes", "stream"],
        ["threads", "stream"],
        ["processes", "stdin"],
        ["threads", "stdin"],
        ["processes", "uvloop"],
        ["threads", "uvloop"],
    )
)


def main() -> None:
    """Measure and print."""
    parser = turns.parser("ways", __doc__, rounds=3)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=16 * MIB)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--clients", nargs="*", default=["floor+native", *CLIENTS, "aioglacier-cli"])
    options = parser.parse_args()
    if options.quick:
        options.size, options.part_size, options.rounds = 16 * MIB, 4 * MIB, 1
        options.clients = ["aioglacier+processes+stream", "aioglacier+threads+uvloop+stdin", "aioglacier-cli"]
    with turns.opened(Sink(), tls=options.tls) as place:
        task = turns.upload_task(place, options.size, options.part_size, 4)
        costs = turns.take(options.clients, task, options.rounds)
    measure.publish(
        "ways",
        {
            "size": options.size,
            "part_size": options.part_size,
            "concurrency": 4,
            "tls": options.tls,
            "rounds": options.rounds,
            "clients": {name: turns.figures(runs, options.size) for name, runs in costs.items()},
        },
    )


if __name__ == "__main__":
    main()
