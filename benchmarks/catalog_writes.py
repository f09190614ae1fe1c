"""How fast does the catalog take records, and how much memory does it need to list a million archives?

One process merges an inventory into a new catalog, merges it again and lists it. Then it records the
files of a folder and reads them as a comparison with the disk does; it records archives in 200 tasks,
each of which waits for its record to be on disk, and in the same way intents, ids, ends and parts of uploads
and the steps of moves, jobs and deletions; then parts one by one. Memory is sampled while listing: "grown"
is the growth meanwhile.
"stall" is the longest time that the event loop served no other task. Python's garbage collection, which
stops everything, is timed beside it; as in the command line, loaded modules are frozen, so that the
collector skips them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import itertools
import os
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aioglacier.catalog import Catalog, PartRecord, VaultKey
from aioglacier.catalog.folders.entry_records import Entry
from aioglacier.catalog.moves.moves import Named
from aioglacier.catalog.records import ArchiveState, JobState, MovedPart, MoveState
from aioglacier.core.models import Archive, ArchiveId, JobAction, JobId, UploadId
from aioglacier.core.spending import Expense
from benchmarks import measure
from benchmarks.measure import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from aioglacier.catalog import ArchiveRecord
    from aioglacier.catalog.records import JobRecord, MovedRecord, UploadRecord

KEY = VaultKey("benchmark", "eu-west-1")
BY_TASKS = VaultKey("benchmark", "eu-west-2")
START = datetime(2026, 11, 22, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def archives(count: int) -> Iterator[Archive]:
    """Return archives as an inventory lists them; ids and hashes are in no order."""
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
    """The longest time that the event loop kept a waiting task from running."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.collected = 0.0
        self._started = 0.0

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch during the block."""
        self.seconds, self.collected = [0.0], 0.0
        gc.callbacks.append(self._collecting)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._watch())
            try:
                yield
            finally:
                gc.callbacks.remove(self._collecting)
                task.cancel()

    def _collecting(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self.collected = max(self.collected, time.perf_counter() - self._started)

    async def _watch(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.seconds.append(now - last - 0.001)
            last = now

    def report(self) -> dict[str, float]:
        """Return the maximum and the 99.9th percentile in milliseconds."""
        ordered = sorted(self.seconds)
        return {
            "stall_ms_max": round(ordered[-1] * 1000, 1),
            "stall_ms_p999": round(ordered[int(len(ordered) * 0.999)] * 1000, 1),
            "garbage_ms_max": round(self.collected * 1000, 1),
        }


async def merge(catalog: Catalog, count: int, inventoried: datetime) -> dict[str, Any]:
    """Merge an inventory; return the time without that of inventing its archives."""
    started = time.perf_counter()
    for _ in archives(count):
        pass
    making = time.perf_counter() - started
    stalls = Stalls()
    started = time.perf_counter()
    cpu = time.process_time()
    async with stalls.watched():
        await catalog.archives.merge_inventory(KEY, archives(count), inventoried=inventoried)
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
        async for _ in catalog.archives.list_vault(KEY):
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


async def by_tasks(count: int, record: Callable[[Archive], Awaitable[object]]) -> dict[str, Any]:
    """Make records in 200 tasks; each record is on disk before its task makes the next."""
    made = list(archives(count))
    rest = iter(made)
    stalls = Stalls()

    async def work() -> None:
        for archive in rest:
            await record(archive)

    started = time.perf_counter()
    cpu = time.process_time()
    async with stalls.watched():
        await asyncio.gather(*(work() for _ in range(200)))
    return {
        "records_per_s": round(count / (time.perf_counter() - started)),
        "cpu_us_per_record": round((time.process_time() - cpu) / count * 1e6, 1),
        **stalls.report(),
    }


async def entries(catalog: Catalog, count: int) -> dict[str, Any]:
    """Record the files of a folder, and read what a comparison needs of them."""
    tree = await catalog.trees.open(KEY, "/home", host="here", owner="somebody")
    run = await catalog.runs.begin(tree, "sync", {})
    adding = Stalls()
    seconds = 0.0
    async with adding.watched():
        for first in range(0, count, 5000):
            numbers = range(first, min(first + 5000, count))
            made = await asyncio.to_thread(_entries, tree.number, run, numbers)
            started = time.perf_counter()
            await catalog.entries.add(made)
            seconds += time.perf_counter() - started
    reading = Stalls()
    read = 0
    started = time.perf_counter()
    async with reading.watched():
        after = None
        while page := await catalog.entries.current_page(tree, after):
            read += len(page)
            after = page[-1][0]
    assert read == count
    return {
        "add": {"records_per_s": round(count / seconds), **adding.report()},
        "read": {"records_per_s": round(count / (time.perf_counter() - started)), **reading.report()},
    }


def _entries(tree: int, run: int, numbers: range) -> list[Entry]:
    return [entry(tree, run, number) for number in numbers]


def entry(tree: int, run: int, number: int) -> Entry:
    """Return one of many files in folders of a thousand."""
    instant = 1_700_000_000_000_000_000 + number
    return Entry(
        tree=tree,
        path=b"photos/%04d/%07d.jpg" % (number // 1000, number),
        since=run,
        kind="file",
        size=number,
        mtime_ns=instant,
        ctime_ns=instant,
        inode=number,
        device=1,
        mode=0o644,
        uid=1000,
        gid=1000,
        target=None,
        extra=None,
        content_hash=hashlib.sha256(b"%d" % number).digest(),
        upload=None,
        position=number * 1024,
        stored=1024,
        compression=None,
        encryption=None,
    )


async def record_parts(catalog: Catalog, count: int) -> dict[str, Any]:
    """Record the parts of an upload one after the other, with the leaves of 16 MiB."""
    upload = await catalog.uploads.record_intent(KEY, part_size=16 * MIB, source="/film.mkv")
    upload = await catalog.uploads.record_initiated(upload, UploadId("one"))
    times = []
    for index in range(count):
        started = time.perf_counter()
        await catalog.uploads.record_parts(upload, [PartRecord(index, 16 * MIB, bytes(32), bytes(16 * 32))])
        times.append((time.perf_counter() - started) * 1000)
    return {"ms": measure.median(times), "ms_spread": measure.spread(times)}


async def uploads(catalog: Catalog, count: int) -> dict[str, Any]:
    """Record uploads: their intents, their ids, that each is about to complete, and that it is an archive."""
    intended: list[UploadRecord] = []
    begun: list[UploadRecord] = []
    completing: list[tuple[UploadRecord, Archive]] = []

    async def intend(archive: Archive) -> None:
        intended.append(await catalog.uploads.record_intent(BY_TASKS, part_size=MIB, source=f"/{archive.id}"))

    async def begin(archive: Archive) -> None:
        begun.append(await catalog.uploads.record_initiated(intended.pop(), UploadId(archive.id)))

    async def complete(archive: Archive) -> None:
        size, tree_hash = archive.size, archive.tree_hash
        upload = await catalog.uploads.record_completing(begun.pop(), size=size, tree_hash=tree_hash)
        completing.append((upload, archive))

    async def end(_archive: Archive) -> None:
        await catalog.uploads.record_completed(*completing.pop())

    ways = {"intents": intend, "ids": begin, "completing": complete, "ends": end}
    return {name: await by_tasks(count, way) for name, way in ways.items()}


async def jobs(catalog: Catalog, count: int) -> dict[str, Any]:
    """Record jobs: their intents, their ids with what they cost, and their ends."""
    intended: list[JobRecord] = []
    begun: list[JobRecord] = []

    async def intend(archive: Archive) -> None:
        retrieval = JobAction.ARCHIVE_RETRIEVAL
        intended.append(await catalog.jobs.record_intent(BY_TASKS, retrieval, archive_id=archive.id))

    async def begin(archive: Archive) -> None:
        spent = [Expense("InitiateJob", 1, price=0.00005, currency="USD")]
        job = intended.pop()
        begun.append(await catalog.jobs.record_initiated(job, JobId(f"job {archive.id}"), spent=spent))

    async def end(_archive: Archive) -> None:
        await catalog.jobs.record_state(begun.pop(), JobState.SUCCEEDED)

    ways = {"intents": intend, "ids": begin, "ends": end}
    return {name: await by_tasks(count, way) for name, way in ways.items()}


async def parts_by_tasks(catalog: Catalog, count: int) -> dict[str, Any]:
    """Record parts of 200 uploads, each part as soon as the one before it is on disk."""
    uploads = []
    for number in range(200):
        upload = await catalog.uploads.record_intent(KEY, part_size=MIB, source=f"/{number}.mkv")
        uploads.append(await catalog.uploads.record_initiated(upload, UploadId(f"of {number}")))
    turns = itertools.count()

    async def record(_archive: Archive) -> None:
        index, number = divmod(next(turns), len(uploads))
        await catalog.uploads.record_parts(uploads[number], [PartRecord(index, MIB, bytes(32), bytes(32))])

    return await by_tasks(count, record)


async def moves(catalog: Catalog, count: int) -> dict[str, Any]:
    """Plan the archives that tasks have recorded, and take each through the states of a move."""
    move = await catalog.moves.open(BY_TASKS, "s3://museum/", {})
    figures: dict[str, Any] = {}
    started = time.perf_counter()
    page: list[ArchiveRecord] = []
    async for record in catalog.archives.list_vault(BY_TASKS):
        page.append(record)
        if len(page) == 250:
            await catalog.moves.plan(move, [Named(each, [each.archive.description]) for each in page])
            page = []
    await catalog.moves.plan(move, [Named(each, [each.archive.description]) for each in page])
    figures["plan"] = {"records_per_s": round(count / (time.perf_counter() - started))}
    planned = [moved async for moved in catalog.moves.list_moved(move)]
    ways: dict[str, Callable[[MovedRecord], Awaitable[object]]] = {
        "record": lambda moved: catalog.moves.record(moved, MoveState.REQUESTED, job_id="job"),
        "part": lambda moved: catalog.moves.record_part(moved, MovedPart(0, bytes(32), bytes(32))),
        "prove": lambda moved: catalog.manifest_lines.prove(move, moved, lambda number, _: f"line {number}"),
    }
    for name, way in ways.items():
        figures[name] = await by_tasks(len(planned), partial(_take_turn, iter(planned), way))
    return figures


async def _take_turn(
    turns: Iterator[MovedRecord], way: Callable[[MovedRecord], Awaitable[object]], _archive: Archive
) -> None:
    await way(next(turns))


async def run(location: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything in one catalog."""
    count = options.archives
    figures: dict[str, Any] = {}
    async with Catalog.open(location) as catalog:
        _ = catalog.entries  # which loads SQLAlchemy, before what is loaded is frozen
        gc.collect()
        gc.freeze()
        figures["merge_new"] = await merge(catalog, count, START)
        figures["merge_known"] = await merge(catalog, count, START + SECOND)
    if options.catalog is None:
        figures["size_mib"] = round(os.stat(location).st_size / MIB, 1)  # noqa: PTH116
    started = time.perf_counter()
    async with Catalog.open(location) as catalog:
        figures["open_s"] = round(time.perf_counter() - started, 3)
        figures["list"] = await list_all(catalog, count)
        figures["entries"] = await entries(catalog, options.entries)
        figures["by_tasks"] = await by_tasks(
            options.single, lambda archive: catalog.archives.record(BY_TASKS, archive)
        )
        figures |= await uploads(catalog, options.single)
        figures["parts_by_tasks"] = await parts_by_tasks(catalog, options.single)
        figures["moves"] = await moves(catalog, options.single)
        figures["jobs"] = await jobs(catalog, options.single)
        figures["deletions"] = await by_tasks(
            options.single,
            lambda archive: catalog.archives.record_state(BY_TASKS, archive.id, ArchiveState.DELETED),
        )
        figures["record_part"] = await record_parts(catalog, options.parts)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks catalog_writes", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--archives", type=int, default=1_000_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--single", type=int, default=20_000, help="records made one by one")
    parser.add_argument("--parts", type=int, default=300)
    parser.add_argument("--folder", help="where the catalog is made; by default the system's place for files")
    parser.add_argument("--catalog", help="an empty PostgreSQL database to use instead, by its URL")
    options = parser.parse_args()
    if options.quick:
        options.archives = options.entries = 1000
        options.single, options.parts = 50, 20
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = asyncio.run(run(options.catalog or str(Path(folder, "catalog.db")), options))
    database = "PostgreSQL" if options.catalog else "SQLite"
    measure.publish("catalog_writes", {"database": database, "archives": options.archives, **figures})


if __name__ == "__main__":
    main()
