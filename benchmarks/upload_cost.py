"""How much CPU does a client spend on an upload, compared with the least that any client must?

The floor reads a file, hashes it twice with hashlib and sends it with blocking ``sendall``, in one thread.
All upload the same file over loopback to the same sink, in turns. "upload" is the upload alone, from the call
to the archive, with the workers' start; "process" is everything, with interpreter and imports.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import measure, sink
from benchmarks.measure import GIB, MIB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks upload_cost", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=64 * MIB)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", nargs="*", default=["floor", "aioglacier", "aioglacier-threads"])
    options = parser.parse_args()
    if options.quick:
        options.size, options.part_size, options.rounds = 128 * MIB, 16 * MIB, 1
    gib = options.size / GIB
    costs: dict[str, list[measure.Cost]] = {name: [] for name in options.clients}
    with tempfile.TemporaryDirectory() as folder, sink.running() as url:
        path = measure.make_file(Path(folder, "source"), options.size)
        for _ in range(options.rounds):
            for name, runs in costs.items():
                arguments = [name, url, str(path), str(options.part_size), str(options.concurrency)]
                runs.append(measure.run([sys.executable, "-m", "benchmarks.clients", *arguments]))
    figures = {}
    for name, runs in costs.items():
        figures[name] = {
            "upload_wall_s_per_gib": measure.median([run.report["seconds"] / gib for run in runs]),
            "upload_cpu_s_per_gib": measure.median([run.report["cpu_seconds"] / gib for run in runs]),
            "upload_cpu_spread": measure.spread([run.report["cpu_seconds"] / gib for run in runs]),
            "process_cpu_s": measure.median([run.cpu_seconds for run in runs]),
            "peak_pss_mib": measure.median([run.peak_pss / MIB for run in runs]),
            "stall_ms_max": max(run.report.get("stall_ms_max", 0) for run in runs),
            "stall_ms_p999": max(run.report.get("stall_ms_p999", 0) for run in runs),
        }
    ratios = {
        name: measure.median(
            [
                run.report["cpu_seconds"] / least.report["cpu_seconds"]
                for run, least in zip(runs, costs["floor"], strict=True)
            ]
        )
        for name, runs in costs.items()
        if name != "floor" and "floor" in costs
    }
    measure.publish(
        "upload_cost",
        {
            "size": options.size,
            "part_size": options.part_size,
            "concurrency": options.concurrency,
            "rounds": options.rounds,
            "clients": figures,
            "cpu_over_floor": ratios,
        },
    )


if __name__ == "__main__":
    main()
