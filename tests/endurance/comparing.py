"""Compare two folders by rsync, by diff, and by everything that lstat returns."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Differences are described for so many paths at most.
_TOLD: Final = 20

_BLOCK: Final = 1024 * 1024

#: Everything that a restore promises, times to the nanosecond, hard links and attributes; contents are read.
_RSYNC: Final = ("rsync", "-naciHX", "--delete", "--numeric-ids", "--modify-window=-1")


def differences(source: Path, back: Path) -> list[str]:
    """Return the differences in words.

    Without rsync, see ``has_rsync``, the other two compare.
    """
    found = [f"{source}: {path!r} {what}" for path, what in _unlike(source, back)][:_TOLD]
    commands = [["diff", "-r", "--no-dereference", "--", str(source), str(back)]]
    if has_rsync():
        commands.append([*_RSYNC, "--", f"{source}/", f"{back}/"])
    for command in commands:
        done = subprocess.run(command, capture_output=True, check=False)
        lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        found += [f"{command[0]}: {line}" for line in lines][:_TOLD]
        if done.returncode and not lines:
            found.append(f"{command[0]}: exit code {done.returncode}")
    return found


def has_rsync() -> bool:
    """Return whether rsync is installed here."""
    return shutil.which(_RSYNC[0]) is not None


def count(root: Path) -> tuple[int, int]:
    """Return the number of paths of a folder, itself included, and the bytes in its files."""
    status = [os.lstat(path) for path in _paths(os.fsencode(root))]
    return len(status), sum(one.st_size for one in status if stat.S_ISREG(one.st_mode))


def _unlike(source: Path, back: Path) -> Iterator[tuple[bytes, str]]:
    here, there = _look(os.fsencode(source)), _look(os.fsencode(back))
    for path in sorted(here.keys() | there.keys()):
        if path not in there:
            yield path, "is missing"
        elif path not in here:
            yield path, "is too much"
        else:
            for name, value in here[path].items():
                if there[path][name] != value:
                    yield path, f"has {name} {there[path][name]!r} in place of {value!r}"


def _look(root: bytes) -> dict[bytes, dict[str, object]]:
    """Return everything of each path that a restore must bring back."""
    found: dict[bytes, dict[str, object]] = {}
    names: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)
    files: dict[bytes, tuple[int, int]] = {}
    for path in _paths(root):
        status = os.lstat(path)
        below = os.path.relpath(path, root)
        is_file, is_link = stat.S_ISREG(status.st_mode), stat.S_ISLNK(status.st_mode)
        found[below] = {
            "mode": f"{status.st_mode:o}",
            "owner": (status.st_uid, status.st_gid),
            "mtime": status.st_mtime_ns,
            "target": os.readlink(path) if is_link else None,  # noqa: PTH115  # of any bytes
            "content": _hash(path) if is_file else None,
            "size": status.st_size if is_file else None,
            "holes": is_file and _has_holes(status),
            "attributes": {} if is_link else _attributes(path),
        }
        if is_file:
            files[below] = (status.st_dev, status.st_ino)
            names[files[below]].append(below)
    for below, inode in files.items():
        found[below]["names"] = sorted(names[inode])
    return found


def _has_holes(status: os.stat_result) -> bool:
    """Return whether a good part of a file is not on disk; file systems differ about small holes."""
    return status.st_blocks * 512 < status.st_size // 2


def _attributes(path: bytes) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path) if name.startswith("user.")}


def _hash(path: bytes) -> str:
    hasher = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123  # of any bytes
        while block := file.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def _paths(root: bytes) -> Iterator[bytes]:
    yield root
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield os.path.join(folder, name)  # noqa: PTH118  # of any bytes
