"""A folder of many real paths to a bucket that is read at once, and back; and what one member of it costs.

::

    python -m tests.endurance.bucket_folder --files 50000
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import aioglacier
from aioglacier.bulk import FolderRestore, FolderSync, FolderVerify, RestoreOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.catalog import Catalog
from aioglacier.core.spending import Budget
from aioglacier.server import LocalGlacier
from tests.bulk.conftest import picture
from tests.counting import counting

PRICES = load_prices("us-east-1")


class Travelled(NamedTuple):
    """The figures of one trip."""

    paths: int
    sync_seconds: float
    restore_seconds: float
    member_sent: int  # bytes that the server sent for one member, with all that surrounds it
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


async def travel(folder: Path, files: int) -> Travelled:
    """Take files to a bucket and back; then one of them alone."""
    tree = make_files(folder / "tree", files)
    async with (
        LocalGlacier(folder / "server", is_durable=False) as server,
        counting(server.url) as counted,
        Catalog.open(folder / "catalog.db") as catalog,
        aioglacier.connect(
            endpoint_url=server.url,
            s3_endpoint_url=counted.url,
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            catalog=catalog,
            hash_in="threads",
        ) as glacier,
    ):
        bucket = await glacier.create_bucket("folders", "GLACIER_IR")
        began = time.monotonic()
        sync = FolderSync(bucket, tree)
        await sync.run()
        synced = time.monotonic()
        restore = FolderRestore(bucket, folder / "back", Budget(PRICES))
        await restore.run()
        restored = time.monotonic()
        verify = FolderVerify(bucket, tree, Budget(PRICES))
        await verify.run()
        counted.sent = 0
        options = RestoreOptions(selection=SelectionOptions(patterns=[f"/0/0/{files // 2 % 100}"]))
        one = FolderRestore(bucket, folder / "one", Budget(PRICES), options)
        await one.run()
        sent = counted.sent
    assert (sync.failures, restore.failures, one.failures) == ([], [], [])
    before, after = picture(tree), picture(folder / "back")
    return Travelled(
        len(before), synced - began, restored - synced, sent, before == after, len(verify.findings)
    )


def main() -> int:
    """Run, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=50_000)
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        done = asyncio.run(travel(Path(folder), files))
    sys.stdout.write(
        f"{done.paths:,} paths: sync {done.sync_seconds:.1f} s, restore {done.restore_seconds:.1f} s, "
        f"{done.member_sent / 1024:,.0f} KiB sent for one member, "
        f"{'the same' if done.is_same else 'ANOTHER FOLDER'}, {done.findings} findings\n"
    )
    return 0 if done.is_same and not done.findings else 1


if __name__ == "__main__":
    raise SystemExit(main())
