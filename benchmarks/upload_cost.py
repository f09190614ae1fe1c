"""What does an upload cost in time, CPU and memory, beside the floor and other clients?

The floor reads a file, hashes it twice and sends it with blocking ``sendall``, in one thread. All upload the
same file, cached, over loopback to the same sink, in turns. "wall" and "cpu" are the transfer alone, from the
call to the archive, workers' start included; "process" is everything from the command's start to its end.
``--peers`` adds the other clients.
"""

from __future__ import annotations

from typing import Any

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

OURS = ("floor", "floor+native", "aioglacier", "aioglacier+hashlib", "aioglacier+threads")
PEERS = (
    "boto3+sequential",
    "boto3",
    "boto3+combined",
    "aiobotocore",
    "aiobotocore+combined",
    "glacier_upload",
    "aws-cli",
)


def main() -> None:
    """Measure and print."""
    parser = turns.parser("upload_cost", __doc__, rounds=3)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=16 * MIB)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--peers", action="store_true", help="beside the other clients")
    parser.add_argument("--clients", nargs="*", help="these and no others")
    options = parser.parse_args()
    names = options.clients or [*OURS, *(PEERS if options.peers else ())]
    if options.quick:
        options.size, options.rounds = 16 * MIB, 1
        # Their code runs as other clients too, here or in another quick benchmark.
        spared = {"aioglacier+hashlib", "aioglacier+threads", "boto3+combined"}
        names = [name for name in names if name not in spared]
    with turns.opened(Sink(), tls=options.tls) as place:
        task = turns.upload_task(place, options.size, options.part_size, options.concurrency)
        costs = turns.take(names, task, options.rounds)
    found: dict[str, Any] = {
        "size": options.size,
        "part_size": options.part_size,
        "concurrency": options.concurrency,
        "tls": options.tls,
        "rounds": options.rounds,
        "clients": {name: turns.figures(runs, options.size) for name, runs in costs.items()},
    }
    for baseline in ("floor", "floor+native", "boto3", "aiobotocore"):
        if baseline in costs:
            found[f"over_{baseline}"] = turns.ratios(costs, baseline)
    measure.publish("upload_cost", found)


if __name__ == "__main__":
    main()
