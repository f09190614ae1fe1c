# ruff: noqa: T201  # printing is what it is for
"""Kill workers, schedulers and coordinators at random moments; look for what is lost, doubled or left open.

::

    python -m tests.endurance.workers --mib 2048 --paths 20000 --archives 200 --kills 9

A file is uploaded, a vault of archives is moved to a bucket, and a folder is synced and verified, by two
worker processes of a Dask scheduler. In each of the three, a worker, the scheduler and the coordinator are
killed by -9 in turns, and the same command runs again until it ends well. At the end each thing is there
once, exactly, no upload is open, and no archive has two jobs.
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
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from aioglacier.core.treehash import TreeHash
from aioglacier.server import LocalGlacier
from aioglacier.testing.served import serving

KEYS: Final = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
MIB: Final = 1024 * 1024

#: A command that is started again so often cannot end.
_MOST: Final = 60

#: What a command may end with when something was killed: a signal, or "run it again".
_STOPPED: Final = {-9, 5}


class Toll(NamedTuple):
    """The kills of a trial by kind, and what was wrong after it."""

    kills: Counter[str]
    faults: list[str]


class Rack:
    """A service, and a scheduler with two workers that are started again when they are gone."""

    def __init__(self, url: str, folder: Path, chance: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self.owed = 0
        self._latest = 6.0
        self._folder = folder
        self._chance = chance
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self._address = ""
        self._environment = {
            **KEYS,
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AIOGLACIER_ENDPOINT_URL": url,
            "AIOGLACIER_REGION": "us-east-1",
        }

    def close(self) -> None:
        """End the processes of Dask."""
        for process in (*self._workers, *filter(None, [self._scheduler])):
            process.kill()
            process.wait()

    def _start(self, *words: str, **how: Any) -> subprocess.Popen[bytes]:
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **how}
        command = [sys.executable, "-W", "ignore", "-m", *words]
        return subprocess.Popen(command, cwd=self._folder, env=self._environment, **quiet)

    def _stand_up(self) -> None:
        """Start what is gone."""
        if self._scheduler is None or self._scheduler.poll() is not None:
            self.close()
            self._workers = []
            about = self._folder / "scheduler.json"
            about.unlink(missing_ok=True)
            options = ("--host=127.0.0.1", "--port=0", "--no-dashboard", f"--scheduler-file={about}")
            self._scheduler = self._start("distributed.cli.dask_scheduler", *options)
            self._address = _read_address(about)
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        while len(self._workers) < 2:
            options = (self._address, "--nthreads=1", "--no-nanny", "--no-dashboard")
            self._workers.append(self._start("distributed.cli.dask_worker", *options))

    def run(self, *arguments: str, kills: int = 0) -> list[dict[str, Any]]:
        """Run the program to its good end, killing something so often; return its records.

        A run may end before the moment of a kill. It is owed to the next command then.
        """
        self.owed += kills
        for _ in range(_MOST):
            self._stand_up()
            words = ("aioglacier", "--quiet", "--json", "--cluster", self._address, *arguments)
            process = self._start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if self.owed:
                self.owed -= self._kill_something(process)
            output, errors = process.communicate(timeout=1800)
            if not process.returncode:
                return [json.loads(line) for line in output.splitlines()]
            assert process.returncode in _STOPPED, (arguments, errors.decode()[-2000:])
        raise AssertionError(f"{arguments} does not end")

    def _kill_something(self, coordinator: subprocess.Popen[bytes]) -> bool:
        """Kill the process whose turn it is at a random moment; return whether the command still ran."""
        time.sleep(self._chance.uniform(self._latest / 3, self._latest))
        if coordinator.poll() is not None:
            self._latest *= 0.8  # sooner the next time
            return False
        kind = ("worker", "scheduler", "coordinator")[self.kills.total() % 3]
        victims = {"worker": self._workers[0], "scheduler": self._scheduler, "coordinator": coordinator}
        victim = victims[kind]
        assert victim is not None
        victim.kill()
        self.kills[kind] += 1
        return True


def _read_address(about: Path) -> str:
    """Wait for the file of a scheduler; it is written in one go."""
    for _ in range(600):
        if about.exists() and (text := about.read_text()):
            return str(json.loads(text)["address"])
        time.sleep(0.1)
    raise AssertionError("the scheduler did not start")


def run_trial(mib: int, paths: int, archives: int, kills: int, seed: int, folder: Path) -> Toll:
    """Upload, move and verify with kills, and compare."""
    chance = random.Random(seed)  # noqa: S311  # the same each time
    expected = _write_film(folder / "film", mib, chance)
    _write_tree(folder / "tree", paths, chance)
    films = folder / "films"
    films.mkdir()
    for number in range(archives):  # half of them have several parts
        size = chance.choice([1000, 300_000, 12 * MIB, 17 * MIB])
        (films / f"{number}.mkv").write_bytes(chance.randbytes(min(size, MIB)) * max(1, size // MIB))
    local = LocalGlacier(folder / "glacier", job_delay=0, inventory_lag=0, is_durable=False)
    faults: list[str] = []
    with ExitStack() as stack:
        glacier = stack.enter_context(serving(local))
        rack = Rack(glacier.url, folder, chance)
        stack.callback(rack.close)
        rack.run("vault", "create", "films")
        rack.run("bucket", "create", "museum")
        each = kills // 3

        (made,) = rack.run("upload", "--part-size=1MiB", "films", str(folder / "film"), kills=each)[-1:]
        if made["tree_hash"] != expected.hex():
            faults.append("the film is another one")
        rack.run("upload", "films", *sorted(map(str, films.iterdir())))
        move = ["migrate", "run", "--memory-limit=128MiB", "--storage-class=DEEP_ARCHIVE"]
        move += ["--tier=Expedited", "--yes", "films", "s3://museum/films"]
        rack.run(*move, kills=each)
        report = rack.run("migrate", "report", "films", "s3://museum/films")[-1]
        if (report["lines"], report["proven"], report["findings"]) != (archives + 1, archives + 1, 0):
            faults.append(f"the report says {report}")
        jobs = Counter(job["archive_id"] for job in rack.run("jobs", "list", "films"))
        if len(jobs) != archives + 1 or set(jobs.values()) != {1}:
            faults.append(f"{len(jobs)} archives have {sum(jobs.values())} jobs")

        rack.run("vault", "create", "tree")
        rack.run("sync", str(folder / "tree"), "tree", kills=each - each // 2)
        rack.owed += kills - 3 * each  # what is left by the divisions
        verify = ["verify", "--sample=70", "--tier=Expedited", "--yes", str(folder / "tree"), "tree"]
        found = rack.run(*verify, kills=each // 2)
        while rack.owed:
            found += rack.run(*verify)
        asked = Counter((job["archive_id"], job["byte_range"]) for job in rack.run("jobs", "list", "tree"))
        if not asked or set(asked.values()) != {1}:
            faults.append(f"{len(asked)} ranges of the sample have {sum(asked.values())} jobs")
        if any(record["event"] == "finding" for record in found):
            faults.append("verify has findings")
        if status := glacier.status()["uploads"]:
            faults.append(f"{status} uploads are open")
    return Toll(rack.kills, faults)


def _write_film(path: Path, mib: int, chance: random.Random) -> bytes:
    """Write a file of blocks that all differ, and return its tree hash."""
    hasher, block = TreeHash(), bytearray(chance.randbytes(MIB))
    with path.open("wb") as file:
        for number in range(mib):
            block[:8] = number.to_bytes(8, "big")
            file.write(block)
            hasher.update(block)
    return hasher.digest()


def _write_tree(tree: Path, paths: int, chance: random.Random) -> None:
    """Write small files, and some that are archives of their own."""
    for number in range(paths):
        file = tree / f"d{number % 97}" / f"f{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(chance.randbytes(chance.choice([0, 100, 5000, 40_000])))
    for number in range(4):
        (tree / f"big{number}").write_bytes(chance.randbytes(MIB) * 80)


def main() -> None:
    """Run one trial, and print the toll."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.workers", description=__doc__)
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--paths", type=int, default=20_000)
    parser.add_argument("--archives", type=int, default=200)
    parser.add_argument("--kills", type=int, default=9)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="workers-") as folder:
        started = time.monotonic()
        toll = run_trial(**vars(options), folder=Path(folder))
    seconds = time.monotonic() - started
    print(f"{dict(toll.kills)} kills in {seconds:.0f} s; wrong: {toll.faults or 'nothing'}")
    sys.exit(bool(toll.faults))


if __name__ == "__main__":
    main()
