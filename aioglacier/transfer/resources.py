"""What all transfers of one connection share, so that a thousand archives at once cost no more than one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import ConfigurationError
from aioglacier.core.limits import MIB
from aioglacier.transfer.budget.buffers import BufferPool
from aioglacier.transfer.budget.concurrency import START, ConcurrencyController, Connections
from aioglacier.transfer.budget.machine import granted_files, granted_memory
from aioglacier.transfer.hashing.storing import StoringThreads
from aioglacier.transfer.hashing.workers import Hasher, HashIn, default_hash_workers, open_hasher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.retry.congestion import Congestion

#: Room for 16 parts of 16 MiB. One connection to the service carries some 10 to 25 MB/s on a long path, so
#: this is what 2 or 3 Gbit/s take, and a laptop can spare.
DEFAULT_MEMORY_LIMIT: Final = 256 * MIB

#: A machine with 64 GiB or more spares four times as much, which a path of 10 Gbit/s and 200 ms needs.
_MOST_MEMORY: Final = 1024 * MIB
_SHARE_OF_A_LARGE_MACHINE: Final = 64

#: A small container keeps three quarters for everything else, of which this process needs 96 MiB.
_SHARE_OF_A_SMALL_MACHINE: Final = 4

#: Descriptors that a process has open apart from workers, buffers and connections: 20 were seen.
_OTHER_FILES: Final = 24

#: The most bodies at once where nobody says how many: more than 64 were never needed to fill a path, and a
#: service that throttles is kinder to fewer. A part of a file needs no buffer but half a MiB to be read into,
#: and a connection has buffers of its own: so no more than one for each MiB of the memory limit. Parts of
#: streams and pieces of downloads are held to fewer by their buffers.
_MOST_CONCURRENCY: Final = 64
_A_CONNECTION: Final = MIB


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """How much a connection may use.

    Attributes:
        memory_limit: Bytes of all part buffers together; ``None`` is ``default_memory_limit()``.
        max_concurrency: Requests with a body, up or down, at any one time; ``None`` finds out how many the
            path carries, see ``concurrency``.
        hash_workers: Processes or threads that hash; ``None`` is one for each core, at most 8.
        hash_in: "processes", or "threads" where those cannot be.
    """

    memory_limit: int | None = None
    max_concurrency: int | None = None
    hash_workers: int | None = None
    hash_in: HashIn = "processes"

    def __post_init__(self) -> None:
        if self.memory_limit is not None and self.memory_limit < MIB:
            raise ConfigurationError(
                f"a memory limit is at least 1 MiB, the smallest part, not {self.memory_limit} bytes"
            )
        if self.max_concurrency is not None and self.max_concurrency < 1:
            raise ConfigurationError(f"concurrency is at least 1, not {self.max_concurrency}")
        if self.hash_workers is not None and self.hash_workers < 1:
            raise ConfigurationError(f"hash workers are at least 1, not {self.hash_workers}")
        if self.hash_in not in {"processes", "threads"}:
            raise ConfigurationError(f'hash_in is "processes" or "threads", not {self.hash_in!r}')


@dataclass(frozen=True, slots=True)
class TransferResources:
    """The shared parts: memory, hashing, and the right to send or fetch.

    Attributes:
        buffers: The memory budget.
        hasher: Does part jobs off the loop.
        storing: Hashes and writes what arrives.
        connections: One place for each request with a body.
        hash_workers: Part jobs that are done at once.
    """

    buffers: BufferPool
    hasher: Hasher
    storing: StoringThreads
    connections: Connections
    hash_workers: int

    @property
    def parts_ahead(self) -> int:
        """Parts of one archive that are taken without a connection: one for each hash worker, and one more.

        That one is being filled, or is hashed and waits. Of a stream more would only cost memory: they could
        not move. Of a file they would be hashed long before they are read again to be sent.
        """
        return self.hash_workers + 1

    @property
    def parts_at_once(self) -> int:
        """Parts of one archive that are held at any time, if the path carries as many as it may."""
        return self.connections.ceiling + self.parts_ahead


def default_memory_limit() -> int:
    """256 MiB; 512 MiB and 1 GiB on machines with 32 and 64 GiB; where there is less than 1 GiB, a quarter.

    Always a power of two, so that parts fill it.
    """
    granted = granted_memory()
    if granted is None:
        return DEFAULT_MEMORY_LIMIT
    wanted = max(DEFAULT_MEMORY_LIMIT, min(_MOST_MEMORY, granted // _SHARE_OF_A_LARGE_MACHINE))
    least = max(MIB, min(wanted, granted // _SHARE_OF_A_SMALL_MACHINE))
    return 1 << (least.bit_length() - 1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What transfers may use here and now: what was asked for, within what the system grants.

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
    def of(cls, options: TransferOptions) -> Allowance:
        """See what there is.

        Raises:
            ConfigurationError: Too few files may be open for what was asked for, or for anything.
        """
        memory_limit = options.memory_limit or default_memory_limit()
        workers = options.hash_workers or default_hash_workers()
        wanted = options.max_concurrency or max(START, min(_MOST_CONCURRENCY, memory_limit // _A_CONNECTION))
        files = granted_files()
        if files is None:
            return cls(memory_limit, wanted, workers, None)
        # A worker is two pipes; a buffer that it shares is two descriptors, and a connection is one.
        is_shared = options.hash_in == "processes"
        per_part, ahead = (3, workers + 1) if is_shared else (1, 0)
        others = _OTHER_FILES + (2 * workers if is_shared else 0)
        possible = (files - others) // per_part - ahead
        least = options.max_concurrency or 1
        if possible < least:
            raise ConfigurationError(
                f"only {files} files may be open at once (ulimit -n), and {least} connections with {workers} "
                f"hash workers take {others + per_part * (least + ahead)}; raise that limit"
                + (f", or ask for a concurrency of {possible} at most" if possible > 0 else "")
            )
        concurrency = min(wanted, possible)
        buffers = (files - others - concurrency) // 2 if is_shared else None
        return cls(memory_limit, concurrency, workers, buffers)


@asynccontextmanager
async def open_resources(
    options: TransferOptions, congestion: Congestion | None = None
) -> AsyncIterator[TransferResources]:
    """Open what transfers share; it is all given back when the block ends.

    ``congestion`` is where the gateway's retries count signs of it.

    Raises:
        ConfigurationError: The system grants too little for what was asked for.
    """
    allowance = Allowance.of(options)
    controller = ConcurrencyController(ceiling=allowance.concurrency, start=options.max_concurrency or START)
    async with open_hasher(options.hash_in, allowance.hash_workers) as hasher:
        storing = StoringThreads(allowance.hash_workers)
        buffers = BufferPool(allowance.memory_limit, hasher.make_memory, count_limit=allowance.buffers)
        try:
            yield TransferResources(
                buffers, hasher, storing, Connections(controller, congestion), allowance.hash_workers
            )
        finally:
            storing.close()
            buffers.close()
