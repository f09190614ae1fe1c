"""What does a folder of a million small files take: memory, requests, and files a second if unchanged?

The program runs as people run it, against the local Glacier in a process of its own: a first ``sync`` of so
many files of 1 KiB into bundles, a second one with nothing changed, and of one file a ``restore``. Memory is
that of the program and its workers; "grown" is what the larger folder took beyond the smaller one.
"upload_begun_s" is when the catalog had the id of the first upload, counted from the command's start.

    python -m benchmarks folders            10,000 files, then 1,000,000
    python -m benchmarks folders --quick    50
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from benchmarks import measure
from benchmarks.local_glacier import KEYS, REGION, serving
from benchmarks.measure import MIB

_KIB: Final = 1024
_IN_A_FOLDER: Final = 1000


def make(folder: Path, count: int) -> None:
    """Make a number of different files of 1 KiB, a thousand in each folder."""
    chance = random.Random(7)  # the same each time
    for number in range(count):
        inner = folder / f"{number // _IN_A_FOLDER:04}"
        if not number % _IN_A_FOLDER:
            inner.mkdir(parents=True)
        (inner / f"{number % _IN_A_FOLDER:03}.txt").write_bytes(chance.randbytes(_KIB))


class _Begin(threading.Thread):
    """A watch that notes when the first upload of a catalog gets its id from the service."""

    def __init__(self, catalog: Path) -> None:
        super().__init__(daemon=True)
        self.seconds: float | None = None
        self._catalog = catalog
        self._since = time.perf_counter()

    def run(self) -> None:
        """Look a hundred times a second."""
        while self.seconds is None:
            with (
                suppress(sqlite3.Error),
                closing(sqlite3.connect(f"file:{self._catalog}?mode=ro", uri=True)) as found,
            ):
                if found.execute("SELECT 1 FROM uploads WHERE upload_id IS NOT NULL").fetchone():
                    self.seconds = round(time.perf_counter() - self._since, 3)
            time.sleep(0.01)


def sync_and_restore(folder: Path, count: int) -> dict[str, Any]:
    """Return the figures of a folder with a number of files."""
    make(folder / "files", count)
    with serving(folder / "glacier") as server:
        env = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": KEYS[0],
            "AWS_SECRET_ACCESS_KEY": KEYS[1],
            "AWS_DEFAULT_REGION": REGION,
        }

        def run(*words: str) -> measure.Cost:
            options = [f"--endpoint-url={server.url}", f"--catalog={folder / 'catalog.db'}", "--json"]
            return measure.run([sys.executable, "-m", "aioglacier", *options, *words], env=env)

        run("vault", "create", "files")
        begin = _Begin(folder / "catalog.db")
        begin.start()
        first = run("sync", str(folder / "files"), "files")
        again = run("sync", str(folder / "files"), "files")
        one = f"/{(count - 1) // _IN_A_FOLDER:04}/007.txt"
        run("restore", "files", str(folder / "back"), one)
    (back,) = (path for path in (folder / "back").rglob("*") if path.is_file())
    if back.read_bytes() != (folder / "files" / one[1:]).read_bytes():
        raise SystemExit(f"{one} came back as something else")
    figures = {"upload_begun_s": begin.seconds, **_figures(first)}
    return {"files": count, "first": figures, "unchanged": _figures(again)}


def _figures(cost: measure.Cost) -> dict[str, Any]:
    report = cost.report
    return {
        "requests": report["requests"],
        "sent_mib": round(report["sent"] / MIB, 1),
        "files_a_second": round(report["looked_at"] / report["seconds"]),
        "seconds": report["seconds"],
        "cpu_seconds": round(cost.cpu_seconds, 1),
        "peak_pss_mib": round(cost.peak_pss / MIB, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks folders", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--files", type=int, nargs=2, default=(10_000, 1_000_000))
    parser.add_argument("--folder", help="where files go; by default the system's place for them")
    options = parser.parse_args()
    counts = (50,) if options.quick else options.files
    folders = []
    for count in counts:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            folders.append(sync_and_restore(Path(folder), count))
    peaks = [found["first"]["peak_pss_mib"] for found in folders]
    measure.publish("folders", {"folders": folders, "grown_mib": round(peaks[-1] - peaks[0], 1)})


if __name__ == "__main__":
    main()
