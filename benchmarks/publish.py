"""Measure all published figures again: ``python -m benchmarks publish [NAME ...]``.

Each command runs in a process of its own; its result goes to ``benchmarks/results``, in place of those that
the benchmark had; ``report`` then makes tables and plots. It takes three quarters of an hour on an idle
machine.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from typing import Final

from benchmarks import results

_ON_TLS: Final = "--clients floor floor+native aioglacier aioglacier+hashlib boto3 aiobotocore"
_CRC: Final = "floor-s3+crc64nvme aioglacier-s3+crc64nvme awscrt-s3+crc64nvme"
_DOWN: Final = "floor-download floor-download+native aioglacier-download aioglacier-download+threads"
_WATCHED: Final = (
    "--watched --clients aioglacier-download aioglacier-download+threads aioglacier-download+reader"
)

#: Every command whose result is published.
COMMANDS: Final = (
    "upload_cost --peers",
    "upload_cost --peers --tls",
    f"upload_cost --tls --part-size 67108864 {_ON_TLS}",
    "s3_upload",
    f"s3_upload --tls --clients {_CRC}",
    "part_sizes --parts 1 4 16 64 256",
    "part_sizes --parts 1024 --clients floor+native aioglacier aioglacier+hashlib boto3",
    "concurrency",
    "archive_sizes",
    "small_archives",
    "small_parts",
    "ways",
    "ways --tls",
    "latency --round-trip-ms 50",
    "latency --round-trip-ms 200",
    "latency --round-trip-ms 50 --link 60 --concurrencies 2 4 8 16",
    "download_cost",
    f"download_cost --tls --clients {_DOWN}",
    f"download_cost --tls {_WATCHED}",
    f"download_cost {_WATCHED}",
    "stream_memory",
    "stream_memory --part-size 67108864",
    "loop_stall",
    "loop_stall --plain --clients aioglacier aioglacier+threads aioglacier+uvloop",
    "start_up",
    "local_glacier",
    "local_glacier --archives 1000000",
    "inventory_job",
    "inventory_parsing",
    "catalog_writes",
    "folders",
    "cluster --rounds 5",
)


def main() -> None:
    """Run all commands, or those of the named benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks publish", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these benchmarks")
    options = parser.parse_args()
    begun: set[str] = set()
    for command in COMMANDS:
        name, *words = shlex.split(command)
        if options.names and name not in options.names:
            continue
        began = time.monotonic()
        path = results.FOLDER / f"{name}.jsonl"
        if name not in begun:
            path.unlink(missing_ok=True)
            begun.add(name)
        run = [sys.executable, "-m", "benchmarks", name, *words, "--output", str(path)]
        done = subprocess.run(run, check=False, stdout=subprocess.DEVNULL)
        print(f"{time.monotonic() - began:6.0f} s  {shlex.join([name, *words])}", flush=True)
        if done.returncode:
            sys.exit(f"it ended with {done.returncode}")


if __name__ == "__main__":
    main()
