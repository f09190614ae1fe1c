# ruff: noqa: T201  # printing is what it is for
"""Leave a vault of many archives while everything goes wrong; look for anything lost, changed or paid twice.

::

    python -m tests.endurance.leaving --archives 2000 --largest 200

A vault is filled with archives whose descriptions are those of several programs. ``migrate`` moves it to a
bucket and is killed at random crash points, while the service throttles, flips bits and cuts connections, and
once the clock moves by two days, so that outputs expire. Then every object is compared with the archive that
it was, and ``delete-proven`` deletes the archives and the vault.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aioglacier import tree_hash
from aioglacier.migrate.object_metadata import description_of
from tests.bulk.archives.conftest import cloud_berry, fast_glacier, mt_aws
from tests.endurance.served import Served, serving
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB: Final = 1024 * 1024
VAULT: Final = "old"
TARGET: Final = "s3://museum/old"

#: One run of the program may take so long.
_LONGEST_SECONDS: Final = 7200

#: Where a run is killed, and how often each point is passed at most before.
POINTS: Final = (
    "job initiated", "job id recorded", "move initiated", "part moved", "move completing", "object made",
    "move proven",
)  # fmt: skip

TROUBLE: Final[Sequence[dict[str, Any]]] = (
    {
        "operation": "InitiateJob",
        "code": "ThrottlingException",
        "status": 400,
        "count": None,
        "probability": 0.05,
    },
    {"operation": "GetJobOutput", "kind": "flip", "count": None, "probability": 0.02, "after_bytes": 3},
    {"operation": "UploadPart", "kind": "reset", "count": None, "probability": 0.05},
    {"operation": "PutObject", "code": "SlowDown", "status": 503, "count": None, "probability": 0.05},
    {"operation": "PutObject", "kind": "reset", "moment": "after_commit", "count": None, "probability": 0.03},
)


class Tenant:
    """The program with a catalog, beside a server."""

    def __init__(self, folder: Path, served: Served) -> None:
        self._folder = folder
        self._served = served

    def run(self, *words: str, crash_at: str = "") -> tuple[int, list[dict[str, Any]], str]:
        """Run the program; return its exit code, its records and its messages."""
        environment = {
            **os.environ,
            "HOME": str(self._folder),
            "AIOGLACIER_CRASH_AT": crash_at,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        }
        options = [f"--endpoint-url={self._served.url}", "--region=us-east-1", "--json", "--quiet"]
        options += [f"--catalog={self._folder / 'catalog.db'}"]
        with forks().start([*options, *words], cwd=self._folder, env=environment) as process:
            try:
                out, err = process.communicate(timeout=_LONGEST_SECONDS)
            finally:
                process.kill()
        records = [json.loads(line) for line in (out or b"").splitlines()]
        return process.returncode or 0, records, (err or b"").decode()

    def migrate(self, *words: str, crash_at: str = "") -> tuple[int, list[dict[str, Any]], str]:
        """Run ``migrate`` for the vault and the bucket."""
        return self.run("migrate", *words, f"--to-endpoint-url={self._served.url}", crash_at=crash_at)


def describe(number: int) -> str:
    """Return a description as one of several programs writes it."""
    name = f"d{number % 7}/file {number}"
    makers = (mt_aws, fast_glacier, cloud_berry, lambda name: json.dumps({"path": name}), str)
    return makers[number % len(makers)](name) if number % 11 else f"same  name {number % 3}"


async def fill(served: Served, count: int, largest: int, chance: random.Random) -> Counter[tuple[str, str]]:
    """Upload archives, and make the bucket; return the descriptions and tree hashes."""
    made: Counter[tuple[str, str]] = Counter()
    async with served.connect(memory_limit=256 * MIB) as glacier:
        vault = await glacier.create_vault(VAULT)
        await glacier.create_bucket("museum")
        for number in range(count):
            size = chance.randrange(MIB, largest * MIB) if number % 50 == 0 else chance.randrange(1, 20_000)
            content = chance.randbytes(size)
            await vault.upload(content, description=describe(number))
            made[describe(number), tree_hash(content).hex()] += 1
    return made


async def moved(served: Served) -> Counter[tuple[str, str]]:
    """Return the descriptions and tree hashes of the objects."""
    found: Counter[tuple[str, str]] = Counter()
    async with served.connect(memory_limit=256 * MIB) as glacier:
        bucket = glacier.bucket("museum", "DEEP_ARCHIVE", "old/")
        assert [upload.key async for upload in bucket.uploads()] == []
        async for entry in bucket.objects():
            if not entry.key.startswith(".aioglacier/"):
                metadata = (await bucket.head(entry.key)).metadata
                found[description_of(metadata), metadata["aioglacier-tree-hash"]] += 1
    return found


def move(tenant: Tenant, served: Served, chance: random.Random, kills: int) -> Counter[str]:
    """Run ``migrate`` until it is done, killed at random points before."""
    counts: Counter[str] = Counter()
    words = (VAULT, TARGET, "--storage-class=DEEP_ARCHIVE")
    while True:
        crash_at = f"{chance.choice(POINTS)}:{chance.randrange(1, 12)}" if counts["kills"] < kills else ""
        started = time.monotonic()
        code, records, err = tenant.migrate(*words, crash_at=crash_at)
        counts["runs"] += 1
        print(f"exit {code} after {time.monotonic() - started:.0f} s {crash_at}", file=sys.stderr, flush=True)
        if code == -9:
            counts["kills"] += 1
            if counts["kills"] == kills // 2:
                served.control("POST", "clock", {"advance_seconds": 48 * 3600})
                counts["clock moved"] += 1
            continue
        counts[f"exit {code}"] += 1
        if code == 0:
            return counts
        if counts["runs"] > 20 * kills + 20:
            raise SystemExit(f"no end: exit {code}: {err} {records[-1:]}")


def main() -> int:
    """Parse the command line, run, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--archives", type=int, default=300, help="how many (300)")
    parser.add_argument("--largest", type=int, default=40, help="MiB of the largest (40)")
    parser.add_argument("--kills", type=int, default=12, help="how often the move is killed (12)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)  # noqa: S311  # the same each time
    with tempfile.TemporaryDirectory(prefix="leaving-") as name, serving(Path(name) / "glacier") as served:
        tenant = Tenant(Path(name), served)
        made = asyncio.run(fill(served, given.archives, given.largest, chance))
        assert tenant.run("inventory", VAULT)[0] == 0
        served.control(
            "POST", "faults", [*TROUBLE, {"operation": "InitiateJob", "kind": "delay", "count": None}]
        )
        started = time.monotonic()
        counts = move(tenant, served, chance, given.kills)
        faults = served.control("GET", "status")["faults"]
        print(f"moved in {time.monotonic() - started:.0f} s: {dict(counts)}")
        print("trouble:", [(each["operation"], each["kind"], each["struck"]) for each in faults[:-1]])
        print("jobs asked for, with refusals:", faults[-1]["met"])
        served.control("DELETE", "faults")
        found = asyncio.run(moved(served))
        print(f"archives {made.total()}, objects {found.total()}, lost or changed {(made - found).total()}")
        code, (*findings, report), _ = tenant.migrate("report", VAULT, TARGET)
        print(f"report: exit {code}, {report}, {findings[:3]}")
        code, (*_, deleted), err = tenant.migrate("delete-proven", VAULT, TARGET, "--yes", "--delete-vault")
        print(f"delete-proven --delete-vault: exit {code}, {deleted} {err.strip()}")
        return int(code or made != found or bool(findings) or report["lines"] != made.total())


if __name__ == "__main__":
    sys.exit(main())
