"""Records one upload from intent to archive, and kills itself at the n-th thing it does to the disk.

Run as ``python -m tests.catalog.crashes FOLDER STRIDE``: it forks a child for n = 1, 2, 3, ... until one
lives to the end. Three of four points are before the catalog is open, most of them in the one transaction
that makes its tables; of these only every STRIDE-th counts. Each child has its own catalog
``FOLDER/n/share/catalog.db`` and writes each step into ``FOLDER/n/told`` once its record is made. It dies
just before the begin of a transaction, a change in it, its commit, or before a file or folder is opened,
renamed, removed or made.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aioglacier.catalog import Catalog, PartRecord
from aioglacier.core.models import UploadId
from tests.catalog.samples import NOON, PHOTOS, TREE_HASH, archive

if TYPE_CHECKING:
    from collections.abc import Callable

#: The parts that are recorded.
PARTS = 2
SOURCE = "/film.mkv"


async def record(path: Path, tell: Callable[[str], object]) -> None:
    """Take an upload from its state on record to its end."""
    async with Catalog.open(path) as catalog:
        tell("opened")
        uploads = catalog.uploads
        upload = await uploads.find_unfinished(PHOTOS, SOURCE)
        if upload is None:
            upload = await uploads.record_intent(PHOTOS, part_size=1, size=PARTS, source=SOURCE)
        tell("intent")
        if upload.upload_id is None:
            upload = await uploads.record_initiated(upload, UploadId("one"))
        tell("open")
        if upload.state == "open":
            there = {part.index async for part in uploads.list_parts(upload.number)}
            for index in set(range(PARTS)) - there:
                await uploads.record_parts(upload, [PartRecord(index, 1, TREE_HASH, TREE_HASH)])
                tell(f"part {index}")
            upload = await uploads.record_completing(upload, size=PARTS, tree_hash=TREE_HASH)
        tell("completing")
        await uploads.record_completed(upload, archive(1, size=PARTS, tree_hash=TREE_HASH))
        tell("completed")
        await catalog.archives.merge_inventory(PHOTOS, [archive(2)], inventoried=NOON)
        tell("merged")


def die_at(n: int, folder: Path) -> None:
    """Kill this process at the n-th thing it does in a folder."""
    left = n

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def execute(statement: str) -> None:
        if not statement.startswith(("SELECT", "PRAGMA")):
            step()

    class Traced(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.set_trace_callback(execute)

    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        is_change = name in {"open", "sqlite3.connect"} or name.startswith("os.")
        if is_change and any(os.fsencode(folder) in str(one).encode() for one in arguments):
            step()

    sqlite3.connect = partial(sqlite3.connect, factory=Traced)  # type: ignore[assignment]  # it is called alike
    sys.addaudithook(audit)


def live(n: int, folder: Path) -> None:
    """Run the n-th child."""
    folder.mkdir()
    told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    die_at(n, folder / "share")
    asyncio.run(record(folder / "share" / "catalog.db", lambda step: os.write(told, f"{step}\n".encode())))


def main() -> None:
    """Fork one child after the other."""
    folder, stride = Path(sys.argv[1]), int(sys.argv[2])
    with TemporaryDirectory() as elsewhere:  # or each child would load what the first use of a catalog loads
        asyncio.run(record(Path(elsewhere, "share", "catalog.db"), str))
    n = 1
    while True:
        child = os.fork()
        if child == 0:
            try:
                live(n, folder / str(n))
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return
        n += 1 if (folder / str(n) / "told").stat().st_size else stride


if __name__ == "__main__":
    main()
