"""What does a folder cost, first, again and back, beside restic, borg and tar on the same files?

Each program runs as a whole command, in turns, on a copy of the same folder. ``aioglacier`` talks to a local
Glacier in a process of its own, whose CPU is reported apart; restic and borg write to a repository on the
same disk and encrypt, compress or deduplicate as they do by default (borg: lz4, no encryption). "tar" is the
floor of a backup: tar through both hashes to a socket that discards, and of a comparison: one thread that
reads and hashes each file once. A program that is not installed is left out, with a word on standard error.

    python -m benchmarks folder_peers                       this machine's /usr/share/doc, five rounds
    python -m benchmarks folder_peers --tree files:100000:4096   so many synthetic files of so many bytes
    python -m benchmarks folder_peers --quick               50 files of 4 KiB, one round, without borg
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import measure
from benchmarks.clients import Task
from benchmarks.local_glacier import KEYS, REGION, Server, serving
from benchmarks.measure import MIB
from benchmarks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_A_FOLDER: Final = 1000  #: files in one folder of a synthetic tree
_CHANGED: Final = 100  #: one file in so many changes before the third run
_SECRET: Final = "benchmark"

#: Reads and hashes each regular file of the current folder once.
_HASH_PASS: Final = """
import hashlib, os
room = bytearray(1 << 20)
view = memoryview(room)
for folder, _, names in os.walk("."):
    for name in names:
        path = os.path.join(folder, name)
        if os.path.islink(path):
            continue
        hasher, file = hashlib.sha256(), os.open(path, os.O_RDONLY)
        while count := os.readv(file, [room]):
            hasher.update(view[:count])
        os.close(file)
        hasher.digest()
"""


@dataclass(frozen=True)
class Tool:
    """One program, as its commands.

    Attributes:
        name: The row of the table.
        first: Archives the folder; the same command again finds it unchanged or changed.
        restore: Makes the command that brings all, or one path, back into a folder; ``None``: it cannot.
        verify: Reads and compares all bytes; ``None``: it has no such command.
        environment: Added to that of the process.
        folder: Where its commands run.
        server: The server whose CPU is counted apart.
    """

    name: str
    first: Sequence[str]
    restore: Callable[[Path, str | None], Sequence[str]] | None = None
    verify: Sequence[str] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    server: Server | None = None

    def run(self, command: Sequence[str], folder: Path | None = None) -> dict[str, float]:
        """Run one command, in a folder of its own if it needs one, and return its cost."""
        before = self.server.cost()[0] if self.server else 0.0
        cost = measure.run(command, env=os.environ | self.environment, folder=folder or self.folder)
        figures = {"s": cost.wall_seconds, "cpu_s": cost.cpu_seconds, "peak_mib": cost.peak_pss / MIB}
        if self.server:
            figures["server_cpu_s"] = self.server.cost()[0] - before
        return {name: round(value, 3) for name, value in figures.items()}


# --- the folders


def make(tree: str, folder: Path) -> None:
    """Make the folder: a copy of a real one, or ``files:COUNT:SIZE``."""
    if not tree.startswith("files:"):
        shutil.copytree(tree, folder, symlinks=True, ignore_dangling_symlinks=True)
        return
    count, size = (int(word) for word in tree.split(":")[1:])
    seeded = random.Random(7)  # the same each time
    for number in range(count):
        inner = folder / f"{number // _A_FOLDER:04}"
        if not number % _A_FOLDER:
            inner.mkdir(parents=True)
        (inner / f"{number % _A_FOLDER:03}.bin").write_bytes(seeded.randbytes(size))


def change(folder: Path) -> str:
    """Append to one regular file in a hundred; return the path of the first one, below the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for path in files[::_CHANGED]:
        with path.open("ab") as file:
            file.write(b"changed")
    return str(files[0].relative_to(folder))


def describe(folder: Path) -> dict[str, int]:
    """Return the number of paths and the bytes of regular files."""
    paths = list(folder.rglob("*"))
    size = sum(path.stat().st_size for path in paths if path.is_file() and not path.is_symlink())
    return {"paths": len(paths), "size": size}


# --- the programs


@contextmanager
def aioglacier(folder: Path, files: Path) -> Iterator[Tool]:
    """Yield our own command, with a local Glacier in a process of its own."""
    environment = {
        "AWS_ACCESS_KEY_ID": KEYS[0],
        "AWS_SECRET_ACCESS_KEY": KEYS[1],
        "AWS_DEFAULT_REGION": REGION,
    }
    with serving(folder / "glacier") as server:
        command = [sys.executable, "-m", "aioglacier", f"--endpoint-url={server.url}"]
        command += [f"--catalog={folder / 'catalog.db'}", "--json", "--quiet"]

        def restore(target: Path, path: str | None) -> Sequence[str]:
            return [*command, "restore", "files", str(target), *([f"/{path}"] if path else [])]

        tool = Tool(
            "aioglacier",
            [*command, "sync", str(files), "files"],
            restore,
            [*command, "verify", str(files), "files"],
            environment,
            server=server,
        )
        tool.run([*command, "vault", "create", "files"])
        yield tool


@contextmanager
def restic(folder: Path, files: Path) -> Iterator[Tool]:
    """Yield restic with a repository in a folder."""
    environment = {
        "RESTIC_REPOSITORY": str(folder / "restic"),
        "RESTIC_PASSWORD": _SECRET,
        "RESTIC_CACHE_DIR": str(folder / "restic-cache"),
    }

    def restore(target: Path, path: str | None) -> Sequence[str]:
        chosen = ["--include", f"/{path}"] if path else []
        return ["restic", "-q", "restore", "latest", "--target", str(target), *chosen]

    command = ["restic", "-q", "backup", "."]
    tool = Tool("restic", command, restore, ["restic", "-q", "check", "--read-data"], environment, files)
    tool.run(["restic", "-q", "init"])
    yield tool


@contextmanager
def borg(folder: Path, files: Path) -> Iterator[Tool]:
    """Yield borg with a repository in a folder, compressing with lz4, without encryption."""
    environment = {"BORG_REPO": str(folder / "borg"), "BORG_BASE_DIR": str(folder / "borg-base")}

    def restore(_target: Path, path: str | None) -> Sequence[str]:
        newest = "borg extract ::$(borg list --last 1 --short)"
        return ["sh", "-c", f"{newest} {shlex.quote(path)}" if path else newest]

    command = ["borg", "create", "--compression", "lz4", "::{now:%s.%f}", "."]
    tool = Tool("borg", command, restore, ["borg", "check", "--verify-data"], environment, files)
    tool.run(["borg", "init", "--encryption=none"])
    yield tool


@contextmanager
def tar(_folder: Path, files: Path) -> Iterator[Tool]:
    """Yield the floor: tar through both hashes to a server that discards."""
    with Sink().running() as url:
        task = Task(url=url, path="/dev/stdin", part_size=16 * MIB)
        send = shlex.join(
            [sys.executable, "-m", "benchmarks.clients", "floor+native", json.dumps(asdict(task))]
        )
        environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
        yield Tool(
            "tar",
            ["sh", "-c", f"tar -cf - . | {send}"],
            verify=[sys.executable, "-c", _HASH_PASS],
            environment=environment,
            folder=files,
        )


PROGRAMS: Final = {"aioglacier": aioglacier, "restic": restic, "borg": borg, "tar": tar}


# --- the runs


def measure_once(name: str, tree: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Return the cost of each step of one program on a fresh copy of the tree, in a folder that stays."""
    files = folder / "files"
    shutil.copytree(tree, files, symlinks=True)
    with PROGRAMS[name](folder, files) as tool:
        costs = {"first": tool.run(tool.first), "unchanged": tool.run(tool.first)}
        one = change(files)
        costs["changed"] = tool.run(tool.first)
        if tool.verify:
            costs["verify"] = tool.run(tool.verify)
        if tool.restore:
            for step, path in (("restore", None), ("restore one", one)):
                target = folder / step
                target.mkdir()
                costs[step] = tool.run(tool.restore(target, path), target)
                check(files, target, one if path else None)
    return costs


def check(files: Path, target: Path, path: str | None) -> None:
    """Require that every file that was to come back did, with its bytes."""
    for found in sorted(files.rglob("*")):
        name = found.relative_to(files)
        if found.is_file() and not found.is_symlink() and path in {None, str(name)}:
            back = target / name
            if not back.is_file() or back.read_bytes() != found.read_bytes():
                raise SystemExit(f"{name} did not come back as it was")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks folder_peers", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--tree", default="/usr/share/doc", help="a folder to copy, or files:COUNT:SIZE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    options = parser.parse_args()
    if options.quick:
        options.tree, options.rounds = "files:50:4096", 1
        options.programs = [name for name in options.programs if name != "borg"]  # the slowest
    programs = [name for name in options.programs if name == "aioglacier" or shutil.which(name)]
    for name in sorted(set(options.programs) - set(programs)):
        print(f"{name} is not installed and is left out", file=sys.stderr)
    runs: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        make(options.tree, tree)
        described = describe(tree)
        for number in range(options.rounds):
            for name in programs:
                # Nothing is deleted before the end: for minutes, ext4 steps over inodes that were freed, and
                # takes ten times as long to make a file.
                place = Path(folder) / f"{name} {number}"
                place.mkdir()
                runs[name].append(measure_once(name, tree, place))
    figures: dict[str, Any] = {
        name: {
            step: {
                figure: [measure.median(values), *measure.spread(values)]
                for figure in costs[0][step]
                for values in ([cost[step][figure] for cost in costs],)
            }
            for step in costs[0]
        }
        for name, costs in runs.items()
    }
    measure.publish("folder_peers", {"tree": described, "rounds": options.rounds, "programs": figures})


if __name__ == "__main__":
    main()
