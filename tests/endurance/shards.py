# ruff: noqa: T201  # printing is what it is for
"""Kill shards of a sync and of a migration at random moments; look for what is lost, doubled or paid twice.

::

    python -m tests.endurance.shards --paths 20000 --archives 200 --shards 4 --kills 12

Four processes sync one folder to one vault, and four move another vault to a bucket, all over one catalog in
PostgreSQL. Processes are killed by -9 at random moments and started again with the same command. At the end
the folder is restored and compared, each archive has one object and one job, and no upload is open.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio.from_thread

from aioglacier.server import LocalGlacier
from aioglacier.testing.served import serving
from tests.bulk.conftest import picture
from tests.catalog import servers

KEYS: Final = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}

#: A run that is started again so often cannot end.
_MOST: Final = 50


class Toll(NamedTuple):
    """The kills of a trial, and what was wrong after it."""

    kills: int
    faults: list[str]


class Site:
    """The program at a service and a catalog, as a shell starts it."""

    def __init__(self, url: str, catalog: str, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **KEYS,
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AIOGLACIER_ENDPOINT_URL": url,
            "AIOGLACIER_REGION": "us-east-1",
            "AIOGLACIER_CATALOG": catalog,
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the program."""
        return subprocess.Popen(
            [sys.executable, "-m", "aioglacier", "--quiet", *arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str) -> list[dict[str, Any]]:
        """Run the program to its good end; return its records."""
        process = self.start("--json", *arguments)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output.decode()
        return [json.loads(line) for line in output.splitlines()]

    def run_shards(self, commands: list[list[str]], kills: int, chance: random.Random) -> int:
        """Run commands side by side until each has ended well; kill so many of them; return the kills."""
        running = {number: self.start(*command) for number, command in enumerate(commands)}
        struck, starts = 0, Counter(running.keys())
        while running:
            if struck < kills:
                time.sleep(chance.uniform(0.2, 1.5))  # a random moment
                victim = running[chance.choice(list(running))]
                if victim.poll() is None:
                    victim.kill()
                    struck += 1
            for number, process in list(running.items()):
                if struck < kills and process.poll() is None:
                    continue
                output, _ = process.communicate(timeout=600)
                del running[number]
                if process.returncode:
                    starts[number] += 1
                    assert process.returncode in {-9, 5}, output.decode()
                    assert starts[number] < _MOST, output.decode()
                    running[number] = self.start(*commands[number])
        return struck


def run_trial(paths: int, archives: int, shards: int, kills: int, seed: int, folder: Path) -> Toll:
    """Sync and migrate by shards that are killed, and compare."""
    chance = random.Random(seed)  # noqa: S311  # the same each time
    tree = folder / "tree"
    for number in range(paths):
        file = tree / f"d{number % 97}" / f"f{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(chance.randbytes(chance.choice([0, 100, 5000, 40_000])))
    for number in range(shards):
        (tree / f"big{number}").write_bytes(chance.randbytes(20 * 1024 * 1024))
    films = folder / "films"
    films.mkdir()
    for number in range(archives):
        (films / f"{number}.mkv").write_bytes(chance.randbytes(chance.choice([10, 1000, 300_000])))
    bin_ = servers.programs()
    assert bin_ is not None, "PostgreSQL is not installed here"
    local = LocalGlacier(folder / "glacier", job_delay=0, inventory_lag=0, is_durable=False)
    with servers.running(bin_) as server, serving(local) as glacier:
        with anyio.from_thread.start_blocking_portal() as portal:
            portal.call(servers.ask, f"{server.url}/postgres", "CREATE DATABASE shards")
        site = Site(glacier.url, f"{server.url}/shards", folder)
        site.run("vault", "create", "photos")
        site.run("vault", "create", "films")
        site.run("bucket", "create", "museum")
        site.run("upload", "films", *sorted(map(str, films.iterdir())))
        each = [f"--shard={number}/{shards}" for number in range(1, shards + 1)]
        move = ["--storage-class=DEEP_ARCHIVE", "--tier=Expedited", "--yes", "films", "s3://museum/films"]
        commands = [["sync", shard, str(tree), "photos"] for shard in each]
        commands += [["migrate", "run", shard, *move] for shard in each]
        struck = site.run_shards(commands, kills, chance)
        site.run("restore", "--tier=Expedited", "--yes", "photos", str(folder / "back"))
        faults = [] if picture(folder / "back") == picture(tree) else ["the folder came back otherwise"]
        if any(record["event"] == "finding" for record in site.run("verify", str(tree), "photos")):
            faults.append("verify has findings")
        status = site.run("migrate", "status", "films")[0]["states"]
        if {state: sums["archives"] for state, sums in status.items()} != {"proven": archives}:
            faults.append(f"the archives of the move are {status}")
        report = site.run("migrate", "report", "films", "s3://museum/films")[-1]
        if (report["lines"], report["proven"], report["findings"]) != (archives, archives, 0):
            faults.append(f"the report says {report}")
        jobs = Counter(job["archive_id"] for job in site.run("jobs", "list", "films"))
        if len(jobs) != archives or set(jobs.values()) != {1}:
            faults.append(f"{len(jobs)} archives have {sum(jobs.values())} jobs")
        if glacier.status()["uploads"]:
            faults.append("an upload is open")
    return Toll(struck, faults)


def main() -> None:
    """Run one trial, and print the toll."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.shards", description=__doc__)
    parser.add_argument("--paths", type=int, default=20_000)
    parser.add_argument("--archives", type=int, default=200)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shards-") as folder:
        started = time.monotonic()
        toll = run_trial(**vars(options), folder=Path(folder))
    print(f"{toll.kills} kills in {time.monotonic() - started:.0f} s; wrong: {toll.faults or 'nothing'}")
    sys.exit(bool(toll.faults))


if __name__ == "__main__":
    main()
