"""The resources that machine and administrator grant this process: cores, memory, open files."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def granted_memory() -> int | None:
    """Bytes this process may use: what the machine has, or its control group if that allows less.

    ``None`` where the system does not say.
    """
    return min(_memory_limits(), default=None)


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def granted_files() -> int | None:
    """File descriptors this process may have open, ``None`` for any number."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415  # not on every system

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _memory_limits() -> Iterator[int]:
    with suppress(AttributeError, ValueError, OSError):  # not on every system
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0":
                yield from _limits_above(Path("/sys/fs/cgroup"), path, "memory.max")
            elif "memory" in controllers.split(","):
                yield from _limits_above(Path("/sys/fs/cgroup/memory"), path, "memory.limit_in_bytes")


def _limits_above(root: Path, path: str, name: str) -> Iterator[int]:
    """The limits of a control group and of all that it is in; "max" is none."""
    group = root / path.strip("/")
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError):
            yield int((folder / name).read_text())
        if folder == root:
            return
