"""How fast does the catalog take records, and how much memory does it need to list a million archives?

One process merges an inventory of so many archives into a new catalog, merges it again, lists it, and records
parts one by one, each on disk before the next. Memory is sampled while listing: "grown" is what listing took
beyond what the process had before it. "stall" is the longest time that the event loop served nobody else.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aioglacier.catalog import Catalog, Place
from aioglacier.core.models import Archive, ArchiveId, UploadId
from benchmarks import measure
from benchmarks.measure import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PLACE = Place("benchmark", "eu-west-1")
START = datetime(2026, 11, 22, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def archives(count: int) -> Iterator[Archive]:
    """Archives as an inventory lists them; ids and hashes are in no order."""
    for number in range(count):
        digest = hashlib.sha512(b"%d" % number).hexdigest()
        yield Archive(
            id=ArchiveId((digest + digest)[:138]),
            vault="benchmark",
            size=number + 1,
            tree_hash=bytes.fromhex(digest[:64]),
            description=f"photos/2026/{number:07}.jpg",
            created=START + number * SECOND,
        )


class Stalls:
    """The longest time in which a task that only ever yields was not run."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch during the block."""
        self.seconds = [0.0]
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._watch())
            try:
                yield
            finally:
                task.cancel()

    async def _watch(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.seconds.append(now - last - 0.001)
            last = now

    def report(self) -> dict[str, float]:
        """Milliseconds at the most, and at all but one in a thousand."""
        ordered = sorted(self.seconds)
        return {
            "stall_ms_max": round(ordered[-1] * 1000, 1),
            "stall_ms_p999": round(ordered[int(len(ordered) * 0.999)] * 1000, 1),
        }


async def merge(catalog: Catalog, count: int, inventoried: datetime) -> dict[str, Any]:
    """Merge an inventory; without the time that making up the archives takes."""
    started = time.perf_counter()
    for _ in archives(count):
        pass
    making = time.perf_counter() - started
    stalls = Stalls()
    started = time.perf_counter()
    cpu = time.process_time()
    async with stalls.watched():
        await catalog.archives.merge_inventory(PLACE, archives(count), inventoried=inventoried)
    seconds = time.perf_counter() - started - making
    return {
        "records_per_s": round(count / seconds),
        "cpu_us_per_record": round((time.process_time() - cpu - making) / count * 1e6, 1),
        **stalls.report(),
    }


async def list_all(catalog: Catalog, count: int) -> dict[str, Any]:
    """List every archive, and watch the memory."""
    stalls = Stalls()
    before = peak = measure.tree_pss(os.getpid())
    listed = 0
    started = time.perf_counter()
    async with stalls.watched():
        async for _ in catalog.archives.list_vault(PLACE):
            listed += 1
            if listed % 10_000 == 0:
                peak = max(peak, await asyncio.to_thread(measure.tree_pss, os.getpid()))
    assert listed == count
    return {
        "records_per_s": round(count / (time.perf_counter() - started)),
        "memory_before_mib": round(before / MIB, 1),
        "memory_grown_mib": round((peak - before) / MIB, 1),
        **stalls.report(),
    }


async def record_parts(catalog: Catalog, count: int) -> dict[str, Any]:
    """Record the parts of an upload one after the other, with the leaves of 16 MiB."""
    upload = await catalog.uploads.record_intent(PLACE, part_size=16 * MIB, source="/film.mkv")
    upload = await catalog.uploads.record_initiated(upload, UploadId("one"))
    times = []
    for index in range(count):
        started = time.perf_counter()
        await catalog.uploads.record_part(
            upload, index, size=16 * MIB, tree_hash=bytes(32), leaves=bytes(16 * 32)
        )
        times.append((time.perf_counter() - started) * 1000)
    return {"ms": measure.median(times), "ms_spread": measure.spread(times)}


async def run(folder: Path, count: int, parts: int) -> dict[str, Any]:
    """All of it, in one catalog."""
    path = folder / "catalog.db"
    figures: dict[str, Any] = {}
    async with Catalog.open(path) as catalog:
        figures["merge_new"] = await merge(catalog, count, START)
        figures["merge_known"] = await merge(catalog, count, START + SECOND)
    figures["size_mib"] = round(path.stat().st_size / MIB, 1)  # nobody else waits
    started = time.perf_counter()
    async with Catalog.open(path) as catalog:
        figures["open_s"] = round(time.perf_counter() - started, 3)
        figures["list"] = await list_all(catalog, count)
        figures["record_part"] = await record_parts(catalog, parts)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks catalog_writes", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--archives", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=300)
    parser.add_argument("--folder", help="where the catalog is made; by default the system's place for files")
    options = parser.parse_args()
    if options.quick:
        options.archives, options.parts = 20_000, 20
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = asyncio.run(run(Path(folder), options.archives, options.parts))
    measure.publish("catalog_writes", {"archives": options.archives, **figures})


if __name__ == "__main__":
    main()
