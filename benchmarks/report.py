"""Turn the committed results into tables and plots: ``python -m benchmarks report``.

Tables go between their markers in README.md and docs, plots to docs/plots as SVG and PNG; both are the same
whenever the results are. ``--results`` reads another folder, ``--plots`` writes only plots, to a folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from benchmarks import plots, results, tables

ROOT: Final = Path(__file__).parents[1]

#: Where marked tables are.
DOCUMENTS: Final = (ROOT / "README.md", ROOT / "docs" / "performance.md", ROOT / "docs" / "scale.md")


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("--results", type=Path, default=results.FOLDER)
    parser.add_argument("--plots", type=Path, help="write only plots, into this folder")
    options = parser.parse_args()
    found = results.Results(options.results)
    if options.plots is None:
        for path in DOCUMENTS:
            path.write_text(tables.fill_in(path.read_text(), found))
    plots.draw(found, options.plots or ROOT / "docs" / "plots")


if __name__ == "__main__":
    main()
