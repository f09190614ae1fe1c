"""The committed results, found by benchmark and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "results"


class Results:
    """Return all results of a folder of ``--output`` files."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._found: list[dict[str, Any]] = [
            json.loads(line)
            for path in sorted(folder.glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]

    def find(self, benchmark: str, **settings: Any) -> dict[str, Any]:
        """Return the last result of a benchmark that was run with these settings.

        Raises:
            LookupError: No result exists.
        """
        found = self.find_all(benchmark, **settings)
        if not found:
            raise LookupError(f"no result of {benchmark} with {settings}: run it with --output")
        return found[-1]

    def find_all(self, benchmark: str, **settings: Any) -> list[dict[str, Any]]:
        """Return all results of a benchmark that was run with these settings."""
        return [
            result
            for result in self._found
            if result["benchmark"] == benchmark
            and all(result.get(name) == value for name, value in settings.items())
        ]

    def points(self, benchmark: str, by: str, **settings: Any) -> list[dict[str, Any]]:
        """Return the points of a curve in order, from one result or several."""
        points = [point for result in self.find_all(benchmark, **settings) for point in result["points"]]
        return sorted(points, key=lambda point: int(point[by]))

    def __iter__(self) -> Any:
        return iter(self._found)
