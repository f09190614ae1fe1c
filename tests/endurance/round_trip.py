# ruff: noqa: T201  # printing is what it is for
"""Take folders to a vault and back, kill both ways at random moments, and look for any difference.

The long run, of which ``test_round_trip.py`` is a short one::

    python -m tests.endurance.round_trip --kills 8 /usr/share/doc /usr/lib/python3 /usr/lib/python3.11

Each folder, and one made of whatever is odd, goes to a vault of its own in each way of ``WAYS``: with and
without bundles, compressed, encrypted. ``sync`` is killed (SIGKILL) at random moments and run again until
it is through, and so does ``restore``. Then the two folders are compared by rsync, by diff, and by looking.
Besides: the service has no archive that is not on record, no upload is open, another ``sync`` asks for
nothing, ``verify`` finds nothing, and a restore that was killed has not paid for anything twice.

With ``--member`` a bundle of a GiB is made, and one member of 4 KiB is brought back: how much comes with it?
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyrage  # type: ignore[import-untyped]  # it has no types

from tests.bulk.conftest import make_tree
from tests.endurance.comparing import count, differences, has_rsync
from tests.endurance.served import serving
from tests.faults.proxy import proxying
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.forking import Fork

MIB: Final = 1024 * 1024

#: More options of a sync, and whether it encrypts.
WAYS: Final[dict[str, tuple[tuple[str, ...], bool]]] = {
    "bundles": ((), False),
    "compressed": (("--compress", "--bundle-size=8MiB"), False),
    "up-to-16KiB": (("--bundle-up-to=16KiB", "--bundle-size=4MiB"), False),
    "no-bundles": (("--bundle-up-to=0",), False),
    "encrypted": (("--bundle-size=16MiB",), True),
    "encrypted-compressed": (("--compress", "--bundle-up-to=64KiB", "--bundle-size=4MiB"), True),
}

#: Kills strike so long after half of what a start takes: beginnings, middles and ends are to be struck.
_WITHIN_SECONDS: Final = (0.5, 1.0, 2.0)

_TIMEOUT_SECONDS: Final = 1800.0

#: Ranges begin and end at whole MiB, so those of two runs may share one.
_SHARED: Final = 2 * MIB


@dataclass
class Tally:
    """The measurements.

    Attributes:
        trips: Folders that went there and back.
        paths: In them.
        size: Bytes in them.
        kills: Runs that a kill ended: of ``sync``, of ``restore``.
        faults: Failures, in words.
    """

    trips: int = 0
    paths: int = 0
    size: int = 0
    kills: dict[str, int] = field(default_factory=lambda: {"sync": 0, "restore": 0})
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = " and ".join(f"{number} of {name}" for name, number in self.kills.items())
        return (
            f"{self.trips} round trips of {self.paths:,} paths and {self.size / MIB:,.0f} MiB in all, "
            f"{kills} killed; {len(self.faults)} differences"
        )


class Traveller:
    """Takes folders to vaults and back by the program, with one catalog.

    Attributes:
        tally: The measurements.
    """

    def __init__(self, folder: Path, url: str, *, seed: int, kills: int) -> None:
        self.tally = Tally()
        self._folder = folder
        self._url = url
        self._kills = kills
        self._start_seconds = 0.0
        self._chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
        identity = pyrage.x25519.Identity.generate()
        self._recipient = str(identity.to_public())
        self._identity = folder / "key.txt"
        self._identity.write_text(f"{identity}\n")
        with self._started("--version"):
            pass  # the first run waits until the program is loaded, and would not tell how long a start takes

    def travel(self, source: Path, way: str) -> None:
        """Take a folder there and back in one way, and compare."""
        tally, before = self.tally, len(self.tally.faults)
        words, is_encrypted = WAYS[way]
        vault = f"{source.name}-{way}"
        back = self._folder / "back"
        begun = time.monotonic()
        self._run("vault", "create", vault)
        self._start_seconds = time.monotonic() - begun
        sync = ["sync", *words, *([f"--recipient={self._recipient}"] if is_encrypted else [])]
        sync += [str(source), vault]
        restore = ["restore", *([f"--identity={self._identity}"] if is_encrypted else []), vault, str(back)]
        killed = self._run_killed(*sync)
        again = self._run(*sync)[-1]
        if again["requests"] or again["archived"] or again["removed"]:
            self._fault(vault, f"a second sync was not idle: {again}")
        stored = self._check_vault(source, vault)
        killed_back = self._run_killed(*restore)
        again = self._run(*restore)[-1]
        if again["jobs_started"] or again["restored"]:
            self._fault(vault, f"a second restore was not idle: {again}")
        self._check_paid(vault, stored)
        for difference in differences(source, back):
            self._fault(vault, difference)
        paths, size = count(source)
        shutil.rmtree(back)
        tally.trips += 1
        tally.paths += paths
        tally.size += size
        print(
            f"{vault}: {paths:,} paths, {size / MIB:,.1f} MiB; {killed} and {killed_back} kills; "
            f"{len(tally.faults) - before} differences; {time.monotonic() - begun:.0f} s",
            flush=True,
        )

    def _check_vault(self, source: Path, vault: str) -> int:
        """Assert that the service has what is on record and nothing else; return its bytes."""
        archives = self._run("inventory", vault)
        listed = {record["archive_id"]: record["size"] for record in archives if "archive_id" in record}
        for record in self._run("catalog", "unknown", vault):
            self._fault(vault, f"an archive that no record knows: {record}")
        for record in self._run("uploads", "list", vault):
            self._fault(vault, f"an upload that is open: {record}")
        on_record = {record["archive_id"] for record in self._run("list", vault)}
        for lost in on_record - listed.keys():
            self._fault(vault, f"lost: {lost}")
        verified = self._run("verify", str(source), vault)
        for record in verified:
            if record.get("event") == "finding":
                self._fault(vault, f"verify: {record}")
        return sum(listed.values())

    def _check_paid(self, vault: str, stored: int) -> None:
        """Assert that no byte was retrieved twice, except those that share a MiB with others."""
        jobs = [job for job in self._run("jobs", "list", vault) if job["action"] == "ArchiveRetrieval"]
        paid = sum(_size(job) for job in jobs)
        if paid > stored + _SHARED * self._kills:
            self._fault(vault, f"{paid} bytes were paid for in {len(jobs)} jobs, and there are {stored}")

    def _fault(self, vault: str, what: str) -> None:
        self.tally.faults.append(f"{vault}: {what}")
        print(f"  {vault}: {what}", flush=True)

    # --- the program

    def _run_killed(self, *words: str) -> int:
        """Run a command, kill it at random moments, run it to its end, and return the number of kills."""
        kills = 0
        while True:
            limit = _TIMEOUT_SECONDS if kills == self._kills else self._some_seconds()
            with self._started(*words) as process:
                with suppress(subprocess.TimeoutExpired):
                    process.communicate(timeout=limit)
                process.kill()
                output, errors = process.communicate()
            if process.returncode >= 0:
                break
            assert kills < self._kills, f"{' '.join(words)}: no end within {_TIMEOUT_SECONDS:.0f} s"
            kills += 1
        self.tally.kills[words[0]] += kills
        _check(process, words, output, errors)
        return kills

    def _some_seconds(self) -> float:
        return self._start_seconds / 2 + self._chance.random() * self._chance.choice(_WITHIN_SECONDS)

    def _run(self, *words: str) -> list[dict[str, Any]]:
        """Run a command to its end, and return its records."""
        with self._started(*words) as process:
            output, errors = process.communicate(timeout=_TIMEOUT_SECONDS)
        _check(process, words, output, errors)
        return [json.loads(line) for line in output.splitlines()]

    def _started(self, *words: str) -> Fork:
        options = ["--endpoint-url", self._url, "--region", "us-east-1", "--json"]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "PYTHONDONTWRITEBYTECODE": "1",  # the interpreter's own folder may be what travels
            **{name: os.environ[name] for name in ("PYTHONPATH", "TMPDIR") if name in os.environ},
        }
        return forks().start([*options, *words], cwd=Path.cwd(), env=environment)


def fetch_member(folder: Path, *, files: int = 70) -> int:
    """Bring one file of 4 KiB back from a bundle of a GiB, and return the bytes of all answers."""
    chance = random.Random(1)  # noqa: S311  # the same each time
    source = folder / "gibibyte"
    source.mkdir()
    for number in range(files):
        (source / f"f{number:02}").write_bytes(chance.randbytes(15 * MIB))
    wanted = source / f"f{files // 2:02}-small"
    wanted.write_bytes(chance.randbytes(4096))
    with serving(folder / "member-depot") as server, proxying(server.url) as proxy:
        traveller = Traveller(folder, proxy.url, seed=1, kills=0)
        traveller._run("vault", "create", "member")
        done = traveller._run("sync", str(source), "member")[-1]
        assert done["archives"] == 1, done
        seen = len(proxy.seen)
        traveller._run("restore", "member", str(folder / "member-back"), wanted.name)
        asked = traveller._run("jobs", "list", "member")
        answers = sum(one.down for one in proxy.seen[seen:])
    assert (folder / "member-back" / wanted.name).read_bytes() == wanted.read_bytes()
    print(
        f"one member of 4 KiB from a bundle of {done['sent'] / MIB:,.0f} MiB: {len(asked)} job for "
        f"{sum(_size(job) for job in asked) / MIB:.0f} MiB, {answers / MIB:.2f} MiB came in answers"
    )
    return answers


def make_odd(root: Path) -> Path:
    """Make odd names, links, holes, attributes, and files that are archives themselves."""
    make_tree(root, files=400)
    chance = random.Random(2)  # noqa: S311  # the same each time
    for size in (MIB - 1, MIB, 16 * MIB, 16 * MIB + 1, 40 * MIB):
        (root / f"of-{size}").write_bytes(chance.randbytes(size))
    with (root / "big-with-holes").open("wb") as file:
        file.truncate(30 * MIB)
        file.seek(20 * MIB)
        file.write(chance.randbytes(MIB))
    os.setxattr(root / "big-with-holes", "user.note", b"\x00big\xff")
    (root / "big-linked").hardlink_to(root / f"of-{40 * MIB}")
    (root / "d0" / "set-uid").write_bytes(b"#!/bin/sh\n")
    (root / "d0" / "set-uid").chmod(0o4751)
    (root / "d2").chmod(0o1777)
    os.setxattr(root / "empty", "user.note", b"of a folder")
    os.setxattr(root, "user.note", b"of all")
    return root


def _check(process: Fork, words: Sequence[str], output: bytes, errors: bytes) -> None:
    if process.returncode != 0:
        raise SystemExit(
            f"{' '.join(words)}: exit {process.returncode}\n{output.decode()}\n{errors.decode()}"
        )


def _size(job: dict[str, Any]) -> int:
    """Return the bytes that a job retrieves."""
    if job["byte_range"] is None:
        return int(job["archive_size"])
    first, last = map(int, job["byte_range"].split("-"))
    return last - first + 1


def main() -> int:
    """Parse the command line, run, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="what is to travel, besides the odd one")
    parser.add_argument("--kills", type=int, default=5, help="of each sync and each restore, at most (5)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is random (1)")
    parser.add_argument(
        "--way", action="append", choices=WAYS, help="one of the ways; all of them if not given"
    )
    parser.add_argument("--member", action="store_true", help="bring one member of a bundle of a GiB back")
    given = parser.parse_args()
    if not has_rsync():
        print("rsync is not installed, so folders are compared by diff and by looking only")
    with tempfile.TemporaryDirectory(prefix="round-trip-") as name:
        folder = Path(name)
        if given.member:
            return int(fetch_member(folder) > 3 * MIB)
        with serving(folder / "depot") as server:
            traveller = Traveller(folder, server.url, seed=given.seed, kills=given.kills)
            for source in [make_odd(folder / "odd"), *given.folders]:
                for way in given.way or WAYS:
                    traveller.travel(source.resolve(), way)
    print(traveller.tally)
    for fault in traveller.tally.faults:
        print(f"  {fault}")
    return int(bool(traveller.tally.faults))


if __name__ == "__main__":
    sys.exit(main())
