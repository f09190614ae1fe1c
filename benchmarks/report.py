"""Turn the committed results into tables and plots: ``python -m benchmarks report``.

Tables go between their markers in README.md and docs, plots to docs/plots as SVG and PNG; both are the same
whenever the results are. ``--plots`` writes only plots, to a folder; ``--check`` writes nothing and fails if
a document has tables that are not those of the results.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from benchmarks import results, tables

ROOT: Final = Path(__file__).parents[1]

#: Documents with marked tables.
DOCUMENTS: Final = (
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("catalog", "design", "folders", "performance", "scale")),
)


def main() -> None:
    """Write tables and plots."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("--results", type=Path, default=results.FOLDER)
    parser.add_argument("--plots", type=Path, help="write only plots, into this folder")
    parser.add_argument("--check", action="store_true", help="only compare the tables")
    options = parser.parse_args()
    found = results.Results(options.results)
    if options.check:
        sys.exit(_differences(found))
    if options.plots is None:
        for path in DOCUMENTS:
            path.write_text(tables.fill_in(path.read_text(), found))
    from benchmarks import plots  # noqa: PLC0415  # to compare tables needs no matplotlib

    plots.draw(found, options.plots or ROOT / "docs" / "plots")


def _differences(found: results.Results) -> str | None:
    """Return the documents whose tables differ from the results, as ``sys.exit`` takes them."""
    stale = [path.name for path in DOCUMENTS if tables.fill_in(path.read_text(), found) != path.read_text()]
    return f"{', '.join(stale)}: run python -m benchmarks report" if stale else None


if __name__ == "__main__":
    main()
