"""The limits of a connection: those that a caller sets, within what the system grants."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from aioglacier.core.errors import ConfigurationError
from aioglacier.core.limits import MIB
from aioglacier.core.rate_schedule import LEAST_RATE, RateSchedule
from aioglacier.transfer.budget.concurrency import START

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where parts are hashed: see ``connect()``.
HashIn = Literal["auto", "processes", "threads"]

#: Room for 16 parts of 16 MiB. One connection to the service carries some 10 to 25 MB/s on a long path, so
#: this is what 2 or 3 Gbit/s take, and a laptop can spare.
_USUAL_MEMORY: Final = 256 * MIB

#: A machine with 64 GiB or more spares four times as much, which a path of 10 Gbit/s and 200 ms needs.
_MOST_MEMORY: Final = 1024 * MIB
_SHARE_OF_A_LARGE_MACHINE: Final = 64

#: A small container keeps three quarters for everything else, of which this process needs 96 MiB.
_SHARE_OF_A_SMALL_MACHINE: Final = 4

#: Descriptors that a process has open apart from workers, buffers and connections: 20 were seen.
_OTHER_FILES: Final = 24

#: The most bodies at once, if the caller sets no limit: more than 64 were never needed to fill a path, and
#: with fewer a service throttles less. A part of a file needs no buffer, only half a MiB to be read into, and
#: a connection has buffers of its own; so there is at most one body for each MiB of the memory limit. Buffers
#: limit parts of streams and pieces of downloads further.
_MOST_CONCURRENCY: Final = 64
_A_CONNECTION: Final = MIB


#: Eight cores hash 7 GB/s with hashlib.
_MOST_HASH_WORKERS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that a connection may use; ``None`` chooses.

    Attributes:
        memory: Bytes of all part buffers together. Peak memory is this plus a constant, see the design page.
            Chosen: 256 MiB; 512 MiB and 1 GiB on machines with 32 and 64 GiB, a quarter of the memory where
            there is less than 1 GiB.
        concurrency: Requests with a body at once, up and down together. Chosen: as many as the path carries,
            which is measured while it is used; at most one for each MiB of ``memory``, and 64.
        bandwidth: Bytes a second of all bodies together, up and down, at least 1,024; a ``RateSchedule`` has
            rates by the time of day. Chosen: no limit.
        shares_bandwidth: Share one ``bandwidth`` with all connections of this user on this machine that set
            this, in any process. If their values differ, each applies its own to its share.
        hash_workers: Processes or threads that hash. Chosen: one for each core, at most 8.
        processes: Processes that send, each with an event loop of its own. They are started by Dask for the
            first file of a GiB or more, and only files go through them. Chosen: 1, this process alone.

    Raises:
        ConfigurationError: A value is too small.
    """

    memory: int | None = None
    concurrency: int | None = None
    bandwidth: int | RateSchedule | None = None
    shares_bandwidth: bool = False
    hash_workers: int | None = None
    processes: int | None = None

    def __post_init__(self) -> None:
        if self.memory is not None and self.memory < MIB:
            raise ConfigurationError(
                f"Limits.memory is {self.memory} bytes; it must be at least 1 MiB, the smallest part"
            )
        for name, least in (
            ("concurrency", 1),
            ("bandwidth", LEAST_RATE),
            ("hash_workers", 1),
            ("processes", 1),
        ):
            value = getattr(self, name)
            value = value.least if isinstance(value, RateSchedule) else value
            if value is not None and value < least:
                raise ConfigurationError(f"Limits.{name} is {value}; it must be at least {least:,}")


def default_hash_workers() -> int:
    """Return one for each core that this process may use, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_HASH_WORKERS, cores)


def default_memory_limit() -> int:
    """Return the memory limit that this machine gets: a power of two, so that parts fill it."""
    granted = granted_memory()
    if granted is None:
        return _USUAL_MEMORY
    wanted = max(_USUAL_MEMORY, min(_MOST_MEMORY, granted // _SHARE_OF_A_LARGE_MACHINE))
    least = max(MIB, min(wanted, granted // _SHARE_OF_A_SMALL_MACHINE))
    return 1 << (least.bit_length() - 1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The resources that transfers may use: the limits, within what the system grants.

    Attributes:
        memory_limit: Bytes of all part buffers.
        concurrency: Requests with a body at once, at most.
        hash_workers: Part jobs at once.
        buffers: Part buffers at once, ``None`` for as many as the memory holds.
    """

    memory_limit: int
    concurrency: int
    hash_workers: int
    buffers: int | None

    @classmethod
    def of(cls, limits: Limits, hash_in: HashIn = "auto") -> Allowance:
        """Compare the limits with what the system grants.

        Raises:
            ConfigurationError: ``hash_in`` is unknown, or too few files may be open for what was asked for.
        """
        if hash_in not in get_args(HashIn):
            raise ConfigurationError(f'hash_in is {hash_in!r}; it must be "auto", "processes" or "threads"')
        memory_limit = limits.memory or default_memory_limit()
        workers = limits.hash_workers or default_hash_workers()
        wanted = limits.concurrency or max(START, min(_MOST_CONCURRENCY, memory_limit // _A_CONNECTION))
        files = granted_files()
        if files is None:
            return cls(memory_limit, wanted, workers, None)
        # A worker is two pipes; a buffer that it shares is two descriptors, and a connection is one.
        is_shared = hash_in != "threads"
        per_part, ahead = (3, workers + 1) if is_shared else (1, 0)
        others = _OTHER_FILES + (2 * workers if is_shared else 0)
        possible = (files - others) // per_part - ahead
        least = limits.concurrency or 1
        if possible < least:
            raise ConfigurationError(
                f"only {files} files may be open at once (ulimit -n), and {least} connections with {workers} "
                f"hash workers take {others + per_part * (least + ahead)}; raise that limit"
                + (f", or ask for a concurrency of {possible} at most" if possible > 0 else "")
            )
        concurrency = min(wanted, possible)
        buffers = (files - others - concurrency) // 2 if is_shared else None
        return cls(memory_limit, concurrency, workers, buffers)


def granted_memory() -> int | None:
    """Return the memory of the machine, or of a control group that allows less; ``None`` if unknown."""
    return min(_memory_limits(), default=None)


def granted_files() -> int | None:
    """Return how many files this process may have open, ``None`` for any number."""
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
    """Yield the limits of a control group and of all that it is in; "max" is none."""
    group = root / path.strip("/")
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError):
            yield int((folder / name).read_text())
        if folder == root:
            return
