# ruff: noqa: T201  # printing is what it is for
"""Commands, killed at every crash point and run again: is anything lost, doubled, or paid twice?

::

    python -m tests.endurance.crash_points --times 2

``sync`` of a folder, ``restore`` and ``catalog recover`` of it, ``upload`` of three files and ``download`` of
one, with a vault and with a bucket in GLACIER, are each killed the first, second, ... time that they pass
each point of ``files.crashpoints``, and then run to their end. A point that a command does not pass kills
nothing and is not counted. Where the outcome of an upload is unknown (exit 3), an inventory settles it, or
``--restart`` decides. Every result is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aioglacier
from aioglacier.core.models import JobAction
from aioglacier.files.crashpoints import POINTS
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MIB: Final = 1024 * 1024
VAULT: Final = "v"
BUCKET: Final = "s3://crashes"
FILES: Final = ("one", "two", "three")
IN_GLACIER: Final = "--storage-class=GLACIER"
SYNC: Final = ["sync", "tree", f"{BUCKET}/t", IN_GLACIER]

#: The words of each command, and of what has to be done before it.
COMMANDS: Final[dict[str, tuple[list[str], list[list[str]]]]] = {
    "sync": (["sync", "tree", VAULT], []),
    "restore": (["restore", VAULT, "back"], [["sync", "tree", VAULT]]),
    "recover": (
        ["catalog", "recover", VAULT, "--yes"],
        [["sync", "tree", VAULT], ["forget"], ["inventory", VAULT]],
    ),
    "upload of three files": (["upload", "--part-size=1048576", VAULT, *FILES], []),
    "download": (["download", VAULT, "ID", "back"], [["upload", VAULT, "three"]]),
    "sync to a bucket": (SYNC, []),
    "restore from a bucket": (["restore", f"{BUCKET}/t", "back"], [SYNC]),
    "recover of a bucket": (["catalog", "recover", f"{BUCKET}/t", "--yes"], [SYNC, ["forget"]]),
    "upload of three files to a bucket": (
        ["upload", "--part-size=8388608", f"{BUCKET}/f/", *FILES, IN_GLACIER],
        [],
    ),
    "download from a bucket": (["download", BUCKET, "one", "back"], [["upload", BUCKET, "one", IN_GLACIER]]),
}


@dataclass
class Tally:
    """The result of one command.

    Attributes:
        kills: How often it was killed.
        unknown: How often the second run could not tell the outcome of an upload.
        faults: What must not have happened.
    """

    kills: int = 0
    unknown: int = 0
    faults: list[str] = field(default_factory=list)


class House:
    """A local Glacier, a catalog and files in one folder, which can be put back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self._kept = folder / "kept"

    def prepare(self, before: Sequence[list[str]]) -> None:
        """Make the files and run what comes before the command."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "tree" / "sub").mkdir(parents=True)
        for number in range(8):
            (self.folder / "tree" / "sub" / f"f{number}").write_bytes(os.urandom(1000))
        (self.folder / "tree" / "big").write_bytes(os.urandom(17 * MIB))
        for number, name in enumerate(FILES):
            (self.folder / name).write_bytes(os.urandom(1 + number * 5 * MIB))
        assert self.run("vault", "create", VAULT) == 0
        assert self.run("bucket", "create", BUCKET) == 0
        for words in before:
            if words == ["forget"]:
                (self.folder / "catalog.db").unlink()
            else:
                assert self.run(*words) == 0, words
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.folder, self._kept)

    def put_back(self) -> None:
        """Return to the state before the command."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept, self.folder)

    def run(self, *words: str, crash_at: str = "") -> int:
        """Run the program; return its exit code."""
        environment = {**os.environ, "HOME": str(self.folder), "AIOGLACIER_CRASH_AT": crash_at}
        options = [f"--local={self.folder / 'depot'}", f"--catalog={self.folder / 'catalog.db'}"]
        return forks().run([*options, *words], cwd=self.folder, env=environment)[0]

    async def look(self) -> tuple[Counter[bytes], Counter[object], int]:
        """Return the tree hashes of all archives, the retrievals, and the number of open uploads."""
        async with aioglacier.connect(endpoint_url=f"local:{self.folder / 'depot'}") as glacier:
            vault = glacier.vault(VAULT)
            jobs: Counter[object] = Counter(
                [
                    (job.archive_id, job.byte_range)
                    async for job in vault.jobs()
                    if job.action is JobAction.ARCHIVE_RETRIEVAL
                ]
            )
            uploads = [upload.id async for upload in vault.uploads()]
            job = await vault.retrieve_inventory()
            await job.wait_until_done()
            hashes = Counter([archive.tree_hash async for archive in job.inventory()])
            bucket = glacier.bucket("crashes")
            for key in [entry.key async for entry in bucket.objects()]:
                restore = await bucket.retrieve(key)
                await restore.wait_until_done()
                async with restore.open_reader() as reader:
                    hashes[aioglacier.tree_hash(await reader.read())] += 1
            uploads += [upload.id async for upload in bucket.uploads()]
            return hashes, jobs + self._restores(), len(uploads)

    async def only_archive(self) -> str:
        """Return the id of the only archive in the vault."""
        async with aioglacier.connect(endpoint_url=f"local:{self.folder / 'depot'}") as glacier:
            job = await glacier.vault(VAULT).retrieve_inventory()
            await job.wait_until_done()
            return (await anext(job.inventory())).id

    def _restores(self) -> Counter[object]:
        """Return how often each object's restore is on record as asked for."""
        if not (self.folder / "catalog.db").exists():
            return Counter()
        with closing(sqlite3.connect(self.folder / "catalog.db")) as catalog:
            asked = "SELECT archive_id FROM jobs WHERE days IS NOT NULL AND job_id IS NOT NULL"
            return Counter(key for (key,) in catalog.execute(asked))


def same(one: Path, other: Path) -> bool:
    """Return whether two folders have the same files."""
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    return names == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file()) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


def is_complete(house: House, name: str, hashes: set[bytes]) -> bool:
    """Return whether the command has done everything."""
    folder = house.folder
    if name.startswith("download"):
        source = folder / ("three" if name == "download" else "one")
        return (folder / "back").exists() and (folder / "back").read_bytes() == source.read_bytes()
    if name.startswith("upload"):
        return all(aioglacier.tree_hash((folder / each).read_bytes()) in hashes for each in FILES)
    is_restore, place = name.startswith("restore"), f"{BUCKET}/t" if "bucket" in name else VAULT
    back = folder / ("back" if is_restore else "again")
    if not is_restore and house.run("restore", place, "again") != 0:
        return False
    return same(folder / "tree", back)


def run_command(name: str, house: House, times: int, tally: Tally) -> None:
    """Kill one command at every point, and compare."""
    words, before = COMMANDS[name]
    house.prepare(before)
    if "ID" in words:
        archive_id = asyncio.run(house.only_archive())
        words = [archive_id if word == "ID" else word for word in words]
    for point in POINTS:
        for time in range(1, times + 1):
            house.put_back()
            if house.run(*words, crash_at=f"{point}:{time}") != -9:
                break  # it passes the point less often
            tally.kills += 1
            where = f"{name} at {point}:{time}"
            code = house.run(*words)
            if code == 3 and name.startswith("upload"):
                tally.unknown += 1
                house.run("inventory", VAULT)
                code = house.run(*words) and house.run(*words, "--restart")
            if code != 0:
                tally.faults.append(f"{where}: exit {code}")
            hashes, jobs, uploads = asyncio.run(house.look())
            complaints: dict[str, Callable[[], bool]] = {
                "lost": lambda hashes=hashes: not is_complete(house, name, {*hashes}),  # type: ignore[misc]
                "doubled": lambda hashes=hashes: max(hashes.values(), default=0) > 1,  # type: ignore[misc]
                "paid twice": lambda jobs=jobs: max(jobs.values(), default=0) > 1,  # type: ignore[misc]
                "left open": lambda uploads=uploads: uploads > 0,  # type: ignore[misc]
            }
            tally.faults += [f"{where}: {what}" for what, has in complaints.items() if has()]


def main() -> int:
    """Parse the command line, run, and print the table of ``docs/promises.md``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=2, help="how often each point is passed at most (2)")
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), help="which commands (all)")
    given = parser.parse_args()
    faults: list[str] = []
    print("| command | kills | lost | doubled | paid twice | other | outcome unknown at first |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="crashes-") as folder:
        for name in given.commands:
            tally = Tally()
            run_command(name, House(Path(folder)), given.times, tally)
            kinds = Counter(fault.rpartition(": ")[2] for fault in tally.faults)
            named = [kinds.pop(kind, 0) for kind in ("lost", "doubled", "paid twice")]
            cells = (name, tally.kills, *named, kinds.total(), tally.unknown)
            print("|", " | ".join(map(str, cells)), "|", flush=True)
            faults += tally.faults
    print("\n".join(faults))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
