"""A folder of many real paths to a bucket and back; and the cost of one member of it.

::

    python -m tests.endurance.bucket_folder --files 50000 --storage-class DEEP_ARCHIVE
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from aioglacier.bulk import FolderRestore, FolderSync, FolderVerify, RestoreOptions, SyncOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.core.spending import Budget
from aioglacier.server import LocalGlacier
from tests.bulk.conftest import MIB, connected, picture
from tests.counting import counting

PRICES = load_prices("us-east-1")


class Travelled(NamedTuple):
    """The figures of one trip."""

    paths: int
    sync_seconds: float
    restore_seconds: float
    member_sent: int  # bytes that the server sent for one member, with all that surrounds it
    restored: int  # objects that S3 restored for that member
    objects: int  # bundles in the bucket
    is_same: bool
    findings: int


def make_files(root: Path, files: int) -> Path:
    """Files of up to 4 KiB, a hundred in each folder."""
    chance = random.Random(files)  # noqa: S311  # the same each time
    for number in range(files):
        folder = root / f"{number // 10_000}" / f"{number // 100 % 100}"
        if number % 100 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number}").write_bytes(chance.randbytes(chance.randrange(4096)))
    return root


async def travel(folder: Path, files: int, storage_class: str = "GLACIER_IR") -> Travelled:
    """Take files to a bucket and back; then one of them alone."""
    tree = make_files(folder / "tree", files)
    async with (
        LocalGlacier(folder / "server", is_durable=False, job_delay=0) as server,
        counting(server.url) as counted,
        connected(server.url, folder / "catalog.db", counted.url) as glacier,
    ):
        bucket = await glacier.create_bucket("folders", storage_class)
        began = time.monotonic()
        sync = FolderSync(bucket, tree, SyncOptions(bundle_size=16 * MIB))  # for several bundles
        await sync.run()
        synced = time.monotonic()
        restore = FolderRestore(bucket, folder / "back", Budget(PRICES))
        await restore.run()
        back = time.monotonic()
        verify = FolderVerify(bucket, tree, Budget(PRICES))
        await verify.run()
        bundles = [each async for each in bucket.objects() if each.storage_class == storage_class]
        await server.advance(timedelta(days=9))  # restored copies expire
        counted.sent = 0
        options = RestoreOptions(selection=SelectionOptions(patterns=[f"/0/0/{files // 2 % 100}"]))
        one = FolderRestore(bucket, folder / "one", Budget(PRICES), options)
        await one.run()
        sent, restored = counted.sent, one.snapshot().jobs_started
    assert (sync.failures, restore.failures, one.failures) == ([], [], [])
    before, after = picture(tree), picture(folder / "back")
    return Travelled(
        len(before),
        synced - began,
        back - synced,
        sent,
        restored,
        len(bundles),
        before == after,
        len(verify.findings),
    )


def main() -> int:
    """Run, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--storage-class", default="GLACIER_IR")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        done = asyncio.run(travel(Path(folder), given.files, given.storage_class))
    sys.stdout.write(
        f"{done.paths:,} paths: sync {done.sync_seconds:.1f} s, restore {done.restore_seconds:.1f} s, "
        f"{done.member_sent / 1024:,.0f} KiB sent and {done.restored} of {done.objects} bundles restored "
        f"for one member, "
        f"{'the same' if done.is_same else 'ANOTHER FOLDER'}, {done.findings} findings\n"
    )
    return 0 if done.is_same and not done.findings else 1


if __name__ == "__main__":
    raise SystemExit(main())
