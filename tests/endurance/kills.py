# ruff: noqa: T201  # printing is what it is for
"""Kill uploads of files at random moments, run them again, and look for anything lost, doubled or sent twice.

The long run, of which ``test_kills.py`` is a short one::

    python -m tests.endurance.kills --seeds 300

Each seed is a file of random size and bytes. The program uploads it, is killed (SIGKILL, up to three times)
when a random number of bytes has passed a proxy and a random moment later, and is then run to its end. All
seeds share a vault and a catalog, as on a real machine.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aioglacier.core.treehash import tree_hash
from tests.endurance.served import Served, serving
from tests.faults.proxy import proxying
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.proxy import Proxy
    from tests.forking import Fork

MIB: Final = 1024 * 1024
PART_SIZE: Final = MIB
CONCURRENCY: Final = 4
VAULT: Final = "kills"

#: Kills of one upload, at most.
_MOST_KILLS: Final = 3

#: A kill strikes up to so long after its byte has passed: what follows the bytes is to be struck, too.
_LONGEST_DELAY_SECONDS: Final = 0.06

_TIMEOUT_SECONDS: Final = 120.0

#: Of a part's request, at least: signature, hashes, names.
_HEAD_SIZE: Final = 500


@dataclass
class Toll:
    """The cost of the kills.

    Attributes:
        seeds: Files uploaded.
        kills: Runs that a kill ended.
        resent: For each kill, bytes of parts that went again, on the average of its seed.
        faults: Failures, in words.
    """

    seeds: int = 0
    kills: int = 0
    resent: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        most = max(self.resent, default=0) / MIB
        return (
            f"{self.seeds} files, {self.kills} kills, {len(self.faults)} losses, wrong bytes, duplicates or "
            f"orphans; sent again per kill: {most:.1f} MiB at most ({CONCURRENCY + 1} allowed)"
        )


def run_seeds(seeds: Sequence[int], folder: Path) -> Toll:
    """Upload a file for each seed, with kills, and compare the vault with them at the end."""
    toll = Toll()
    wanted: Counter[bytes] = Counter()
    with serving(folder / "depot") as server:
        asyncio.run(_create_vault(server))
        for seed in seeds:
            chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
            data = chance.randbytes(chance.randint(2 * PART_SIZE, 10 * PART_SIZE))
            source = folder / f"file-{seed}"
            source.write_bytes(data)
            with proxying(server.url) as proxy:
                _upload(source, data, chance, proxy, toll)
            wanted[tree_hash(data)] += 1
            source.unlink()
            toll.seeds += 1
        asyncio.run(_compare(server, wanted, toll))
    return toll


def _upload(source: Path, data: bytes, chance: random.Random, proxy: Proxy, toll: Toll) -> None:
    """Upload one file, killing all runs but the last."""
    kills = 0
    for _ in range(chance.randint(1, _MOST_KILLS)):
        with _started(source, proxy.url) as process:
            _kill_at(process, proxy, chance.randint(0, len(data)), chance)
            output, errors = process.communicate(timeout=_TIMEOUT_SECONDS)
        if process.returncode >= 0 or output:  # it was through before, or has told its user so
            break
        kills += 1
    else:
        with _started(source, proxy.url) as process:
            output, errors = process.communicate(timeout=_TIMEOUT_SECONDS)
    toll.kills += kills
    if not output:
        toll.faults.append(f"{source.name}: exit {process.returncode}: {errors.decode()}")
        return
    record = json.loads(output)
    if (record["size"], record["tree_hash"]) != (len(data), tree_hash(data).hex()):
        toll.faults.append(f"{source.name}: wrong bytes: {record}")
    sent = sum(max(0, one.up - _HEAD_SIZE) for one in proxy.requests("PUT "))
    if kills:
        toll.resent.append((sent - len(data)) / kills)


def _kill_at(process: Fork, proxy: Proxy, size: int, chance: random.Random) -> None:
    """Kill a run once so many bytes have passed in all, and a random moment later."""
    give_up = time.monotonic() + _TIMEOUT_SECONDS
    before = sum(one.up for one in proxy.seen)
    while process.poll() is None and sum(one.up for one in proxy.seen) < before + size:
        assert time.monotonic() < give_up, "neither bytes nor an end came"
        time.sleep(0.002)
    time.sleep(chance.uniform(0, _LONGEST_DELAY_SECONDS))
    process.kill()


def _started(source: Path, url: str) -> Fork:
    folder = source.parent
    options = ["--endpoint-url", url, "--region", "us-east-1", "--json", f"--concurrency={CONCURRENCY}"]
    upload = ["upload", f"--part-size={PART_SIZE}", VAULT, source.name]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        **{name: os.environ[name] for name in ("PYTHONPATH", "TMPDIR") if name in os.environ},
    }
    return forks().start([*options, *upload], cwd=folder, env=environment)


async def _create_vault(server: Served) -> None:
    async with server.connect(memory_limit=MIB) as glacier:
        await glacier.create_vault(VAULT)


async def _compare(server: Served, wanted: Counter[bytes], toll: Toll) -> None:
    """Assert that each file is one archive and that the vault has nothing else."""
    async with server.connect(memory_limit=4 * MIB) as glacier:
        vault = glacier.vault(VAULT)
        job = await vault.retrieve_inventory()
        await job.wait_until_done()
        found = Counter([entry.tree_hash async for entry in job.inventory()])
        toll.faults += [f"lost: {hash_.hex()}" for hash_ in wanted - found]
        toll.faults += [f"wanted by no upload, or by one: {hash_.hex()}" for hash_ in found - wanted]
        toll.faults += [f"orphan: {upload}" async for upload in vault.uploads()]


def main() -> int:
    """Parse the command line, run, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=300, help="how many files (300)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        toll = run_seeds(range(given.first, given.first + given.seeds), Path(folder))
    print(toll)
    for fault in toll.faults:
        print(f"  {fault}")
    return int(bool(toll.faults) or max(toll.resent, default=0) > (CONCURRENCY + 1) * PART_SIZE)


if __name__ == "__main__":
    sys.exit(main())
