"""How much work are a path, a small file and a part, in counts that depend on no machine?

Calls of Python functions, calls of the system's file functions, and memory that Python takes at its peak are
counted where folders and transfers spend their time: a look at an unchanged path, a file that is packed, a
file that is restored, a part that is sent. The command fails if a count is more than a tenth above the one
kept here. A change that makes one smaller keeps the new count; one that needs more says why in its commit.

    python -m benchmarks counts            a thousand files, 64 parts
    python -m benchmarks counts --quick    200 files, 16 parts
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import tracemalloc
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any, Final

import aioglacier
from aioglacier.bulk.restore.placer import Content, Placer
from aioglacier.bulk.sync.compare import Comparison
from aioglacier.bulk.sync.packing import Packed, Packer
from aioglacier.bulk.sync.scan import Scan
from aioglacier.files.small_files import write_files
from benchmarks import folder_peers, measure
from benchmarks.clients import KEYS
from benchmarks.measure import MIB
from benchmarks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_ALLOWED: Final = 1.1

#: The counts now.
KEPT: Final[dict[str, dict[str, float]]] = {
    "unchanged path": {"calls": 5.2, "system_calls": 2.1},
    "packed file": {"calls": 15.2, "system_calls": 0.1},
    "restored file": {"calls": 13.2, "system_calls": 0.1, "syncs_in_all": 2},
    # What the kernel does not take of a slice, Python 3.11 copies: to a slow receiver up to 0.5 MiB more.
    "sent part": {"calls": 690.0, "peak_mib": 0.9},
}

#: The counts of a build without a compiler, see ``files.small_files``.
KEPT_IN_PYTHON: Final[dict[str, dict[str, float]]] = {
    "packed file": {"calls": 23.3, "system_calls": 6.1},
    "restored file": {"calls": 21.3, "system_calls": 8.1, "syncs_in_all": 2},
}


@dataclass
class Counter:
    """The calls in a block, and in all threads that began in it."""

    calls: int = 0
    system_calls: int = 0

    def see(self, _frame: FrameType, event: str, function: Any) -> None:
        """Count one event of the interpreter."""
        if event == "call":
            self.calls += 1
        elif event == "c_call" and function.__module__ == "posix":
            self.system_calls += 1

    def shares(self, number: int) -> dict[str, float]:
        """Return the counts for each of so many."""
        return {"calls": round(self.calls / number, 2), "system_calls": round(self.system_calls / number, 2)}


@contextmanager
def counting() -> Iterator[Counter]:
    """Count the calls of the block."""
    counter = Counter()
    threading.setprofile(counter.see)
    sys.setprofile(counter.see)
    try:
        yield counter
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def look_and_pack(root: bytes, count: int) -> tuple[dict[str, dict[str, float]], Packed]:
    """Scan a folder, compare it with its own record, and pack it."""
    known = [(*found[:10], 1, None, None, None) for found in Scan(root)]
    with counting() as looking:
        changes = list(Comparison(Scan(root), iter(known)))
    if changes:
        raise SystemExit(f"{len(changes)} of {count} paths differ from their own record")
    changes = list(Comparison(Scan(root), iter(())))
    packer = Packer(root, tree=1, run=1)
    with counting() as packing:
        packed = packer.pack(changes)
    packer.close()
    return {"unchanged path": looking.shares(count), "packed file": packing.shares(count)}, packed


def place(root: bytes, target: Path, packed: Packed, count: int) -> dict[str, float]:
    """Restore what was packed into an empty folder."""
    files = [entry for entry in packed.entries if entry.kind == "file"]
    contents = [Path(os.fsdecode(root + b"/" + entry.path)).read_bytes() for entry in files]
    target.mkdir()
    placer = Placer(os.fsencode(target), overwrite=False)
    syncs = 0
    sync = placer.sync

    def count_syncs() -> None:
        nonlocal syncs
        syncs += 1
        sync()

    placer.sync = count_syncs  # type: ignore[method-assign]
    with counting() as placing:
        placer.write_files(
            Content(entry, entry.path, content) for entry, content in zip(files, contents, strict=True)
        )
        placed = placer.land()
    placer.close()
    if len(placed) != len(files) or any(one.error for one in placed):
        raise SystemExit("a file was not restored")
    return {**placing.shares(count), "syncs_in_all": syncs}


async def upload(url: str, path: Path) -> None:
    """Send a file in parts of 1 MiB, one after the other."""
    limits = aioglacier.Limits(memory=8 * MIB, concurrency=1)
    async with aioglacier.connect(endpoint_url=url, limits=limits, hash_in="threads", **KEYS) as glacier:
        await glacier.vault("v").upload(path, part_size=MIB)


def send(folder: Path, parts: int) -> dict[str, float]:
    """Return the work of one part: of an upload of so many more parts than another, the least of three.

    The memory is that of Python's objects during a whole upload. A part lies in a buffer of its own, so one
    that is copied on the way shows as a MiB and more.
    """
    short = measure.make_file(folder / "short", parts * MIB)
    long = measure.make_file(folder / "long", 2 * parts * MIB)
    with Sink().running() as url:
        asyncio.run(upload(url, short))  # what is made once is not counted
        found: dict[Path, list[Counter]] = {short: [], long: []}
        for _ in range(3):
            for path, counters in found.items():
                with counting() as counter:
                    asyncio.run(upload(url, path))
                counters.append(counter)
        peaks = []
        for _ in range(3):
            tracemalloc.start()
            asyncio.run(upload(url, long))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        if min(peaks) > KEPT["sent part"]["peak_mib"] * _ALLOWED * MIB:
            print("where the memory went:", *largest_blocks(url, long), sep="\n  ", file=sys.stderr)
    least = {path: min(counter.calls for counter in counters) for path, counters in found.items()}
    return {"calls": round((least[long] - least[short]) / parts, 2), "peak_mib": round(min(peaks) / MIB, 2)}


def largest_blocks(url: str, path: Path) -> list[tracemalloc.Statistic]:
    """Return the lines that held most in the moment of an upload in which Python's objects held most."""
    highest = 0.0
    largest: list[tracemalloc.Statistic] = []
    is_over = threading.Event()

    def watch() -> None:
        nonlocal highest, largest
        while not is_over.wait(0.001):
            held, _ = tracemalloc.get_traced_memory()
            if held > 1.1 * highest:
                highest, largest = held, tracemalloc.take_snapshot().statistics("lineno")[:5]

    watcher = threading.Thread(target=watch)
    tracemalloc.start()
    watcher.start()
    try:
        asyncio.run(upload(url, path))
    finally:
        is_over.set()
        watcher.join()
        tracemalloc.stop()
    return largest


def main() -> None:
    """Count, compare and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks counts", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output")
    options = parser.parse_args()
    count, parts = (200, 16) if options.quick else (1000, 64)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder_peers.make(f"files:{count}:4096", folder / "files")
        root = os.fsencode(folder / "files")
        counts, packed = look_and_pack(root, count)
        counts["restored file"] = place(root, folder / "back", packed, count)
        counts["sent part"] = send(folder, parts)
    measure.publish("counts", {"files": count, "parts": parts, "counts": counts})
    kept = KEPT if isinstance(write_files, BuiltinFunctionType) else KEPT | KEPT_IN_PYTHON
    risen = [
        f"{what}: {name} is {value}, kept is {kept[what][name]}"
        for what, found in counts.items()
        for name, value in found.items()
        if value > kept[what][name] * _ALLOWED
    ]
    if risen:
        raise SystemExit("\n".join(risen))


if __name__ == "__main__":
    main()
