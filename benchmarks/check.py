"""Print each goal, its figure and the command that measured it: ``python -m benchmarks check``.

It reads the committed results, or those in the folder that ``--results`` names, and exits with 1 if a goal is
missed or was not measured. It is no test: timings depend on the machine.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import results
from benchmarks.goals import GOALS


def main() -> None:
    """Print a line for each goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks check", description=__doc__)
    parser.add_argument("--results", type=Path, default=results.FOLDER)
    options = parser.parse_args()
    found = results.Results(options.results)
    missed = 0
    for goal in GOALS:
        try:
            measured = goal.measure(found)
        except (LookupError, StopIteration):
            print(f"none   {goal.about}: {goal.bound}\n       not measured")
            missed += 1
            continue
        missed += not measured.holds
        print(f"{'holds' if measured.holds else 'MISSED':6} {goal.about}: {measured.figure} ({goal.bound})")
        print(f"       {measured.command}")
    print(f"{len(GOALS) - missed} of {len(GOALS)} hold")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
