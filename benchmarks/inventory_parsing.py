"""How fast is an inventory read on one core, and does memory grow with it?

Each reader parses the same synthetic vault (seeded), from a file in blocks of 64 KiB. The baseline is
``json.loads`` of the whole document: faster, because it checks nothing and makes no ``Archive``, and in need
of memory for all of it. Peak memory growth is the resident set's, in a process of its own for each reader.

    python -m benchmarks inventory_parsing            7 runs of 200,000 archives (70 MB)
    python -m benchmarks inventory_parsing --quick    2 runs of 2,000 archives
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.inventory.inventory_parser import open_inventory_reader
from aioglacier.core.models import InventoryFormat
from benchmarks import measure as published

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED: Final = 20121112
READERS: Final = ("json", "csv", "json.loads")
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_HEAD: Final = (
    '{"VaultARN":"arn:aws:glacier:us-east-1:012345678901:vaults/demo",'
    '"InventoryDate":"2026-11-22T03:10:05Z","ArchiveList":['
)


def generate_entries(count: int) -> Iterator[tuple[str, str, str, int, str]]:
    """Yield the fields of archives in the order of CSV; a tenth of the descriptions needs escaping."""
    source = random.Random(SEED)
    for number in range(count):
        name = f"backup/2019/11/img_{number:08d}.cr2"
        day = f"20{source.randint(12, 26)}-{source.randint(1, 12):02d}-{source.randint(1, 28):02d}"
        clock = f"{source.randint(0, 23):02d}:{source.randint(0, 59):02d}:{source.randint(0, 59):02d}"
        yield (
            "".join(source.choices(_ALPHABET, k=138)),
            f'photos, "2019"\\{name}' if number % 10 == 0 else name,
            f"{day}T{clock}Z",
            source.randint(1, 10**10),
            source.randbytes(32).hex(),
        )


def write_json(count: int) -> bytes:
    """Return the inventory byte for byte as the service writes JSON."""
    keys = ("ArchiveId", "ArchiveDescription", "CreationDate", "Size", "SHA256TreeHash")
    entries = (
        json.dumps(dict(zip(keys, entry, strict=True)), separators=(",", ":"))
        for entry in generate_entries(count)
    )
    return (_HEAD + ",".join(entries) + "]}").encode()


def write_csv(count: int) -> bytes:
    """Return the inventory as the service writes CSV: it escapes a quote and not the backslash."""
    lines = ["ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash\n"]
    for archive_id, description, created, size, tree_hash in generate_entries(count):
        text = '"' + description.replace('"', '\\"') + '"' if "," in description else description
        lines.append(f"{archive_id},{text},{created},{size},{tree_hash}\n")
    return "".join(lines).encode()


def parse(reader_name: str, path: Path, block_size: int) -> int:
    """Read the document and return how many archives it lists."""
    if reader_name == "json.loads":
        return len(json.loads(path.read_bytes())["ArchiveList"])
    reader = open_inventory_reader(InventoryFormat(reader_name.upper()))
    count = 0
    with path.open("rb", buffering=0) as document:
        while block := document.read(block_size):
            count += len(reader.feed(block))
    return count + len(reader.close())


def measure(reader_name: str, path: Path, count: int, block_size: int, runs: int) -> dict[str, Any]:
    """Return the speed over the runs and the growth of memory."""
    size = path.stat().st_size
    before = peak_memory()
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        assert parse(reader_name, path, block_size) == count
        seconds.append(time.perf_counter() - began)
    speeds = [size / each / 1e6 for each in seconds]
    return {
        "reader": reader_name,
        "archives": count,
        "bytes": size,
        "seconds": round(statistics.median(seconds), 4),
        "megabytes_per_second": {
            "median": round(statistics.median(speeds), 1),
            "lowest": round(min(speeds), 1),
            "highest": round(max(speeds), 1),
        },
        "peak_memory_growth": peak_memory() - before,
    }


def peak_memory() -> int:
    """Return the largest resident set of this process so far, in bytes.

    Linux's own counter, where there is one: getrusage goes on counting from before this program was loaded.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    """Measure every reader in a fresh process, and print one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds, figures of no worth")
    parser.add_argument("--output")
    parser.add_argument("--archives", type=int, help="how many archives the vault holds")
    parser.add_argument("--block-size", type=int, default=65536, help="bytes fed at once (64 KiB)")
    options = parser.parse_args()
    count = options.archives or (2_000 if options.quick else 200_000)
    runs = 2 if options.quick else 7
    spawn = multiprocessing.get_context("spawn")
    results = []
    with tempfile.TemporaryDirectory() as directory:
        for reader_name in READERS:
            path = Path(directory) / "inventory"
            path.write_bytes(write_csv(count) if reader_name == "csv" else write_json(count))
            with spawn.Pool(1) as pool:
                results.append(pool.apply(measure, (reader_name, path, count, options.block_size, runs)))
    found = {"block_size": options.block_size, "runs": runs, "readers": results}
    published.publish("inventory_parsing", found)


if __name__ == "__main__":
    main()
