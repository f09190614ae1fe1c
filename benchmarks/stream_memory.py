"""How much memory does an upload of a stream take, whatever the stream's length?

A process streams bytes of unknown length from a pipe to the sink; the memory of its whole tree, workers
included, is sampled as PSS, where a page that processes share counts once. The formula in docs/design.md
says: at most ``memory_limit`` plus a constant.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from benchmarks import measure, sink
from benchmarks.measure import GIB, MIB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks stream_memory", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--sizes", type=int, nargs="*", default=[GIB, 4 * GIB])
    parser.add_argument("--part-size", type=int, default=8 * MIB)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--memory-limit", type=int, default=256 * MIB)
    options = parser.parse_args()
    if options.quick:
        options.sizes = [64 * MIB, 192 * MIB]
    figures = {}
    with sink.running() as url:
        for size in options.sizes:
            cost = _stream(url, size, options)
            figures[str(size)] = {
                "peak_pss_mib": round(cost.peak_pss / MIB, 1),
                "above_limit_mib": round((cost.peak_pss - options.memory_limit) / MIB, 1),
                "wall_s_per_gib": round(cost.report["seconds"] / size * GIB, 2),
                "stall_ms_max": cost.report["stall_ms_max"],
                "stall_ms_p999": cost.report["stall_ms_p999"],
            }
    measure.publish(
        "stream_memory",
        {
            "memory_limit": options.memory_limit,
            "part_size": options.part_size,
            "concurrency": options.concurrency,
            "streams": figures,
        },
    )


def _stream(url: str, size: int, options: argparse.Namespace) -> measure.Cost:
    source = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
    assert source.stdout
    with source, source.stdout as stream:
        return measure.run(
            [
                sys.executable,
                "-m",
                "benchmarks.clients",
                "aioglacier",
                url,
                "-",
                str(options.part_size),
                str(options.concurrency),
            ],
            stdin=stream.fileno(),
            env=os.environ | {"BENCHMARK_MEMORY_LIMIT": str(options.memory_limit)},
        )


if __name__ == "__main__":
    main()
