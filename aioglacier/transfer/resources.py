"""What all transfers of one connection share, so that a thousand archives at once cost no more than one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.errors import ConfigurationError
from aioglacier.core.limits import MIB
from aioglacier.transfer.buffers import BufferPool
from aioglacier.transfer.workers import Hasher, HashIn, default_hash_workers, open_hasher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Room for 16 parts of 16 MiB; enough for the default concurrency at any part size up to 32 MiB.
DEFAULT_MEMORY_LIMIT: Final = 256 * MIB

#: Parts sent at once. One connection to the service carries some 10 to 25 MB/s on a long path, and one core
#: hashes and sends about 600 MB/s: four fill a fast home or office line without crowding others out.
DEFAULT_MAX_CONCURRENCY: Final = 4


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """How much a connection may use.

    Attributes:
        memory_limit: Bytes of all part buffers together.
        max_concurrency: Requests with a body, up or down, at any one time.
        hash_workers: Processes or threads that hash; ``None`` is one for each core, at most 8.
        hash_in: "processes", or "threads" where those cannot be.
    """

    memory_limit: int = DEFAULT_MEMORY_LIMIT
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY
    hash_workers: int | None = None
    hash_in: HashIn = "processes"

    def __post_init__(self) -> None:
        if self.memory_limit < MIB:
            raise ConfigurationError(
                f"a memory limit is at least 1 MiB, the smallest part, not {self.memory_limit} bytes"
            )
        if self.max_concurrency < 1:
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
        connections: One token for each request with a body.
        parts_at_once: Parts of one archive that are held at any time: one for each connection, one for each
            hash worker and one being filled. More would only cost memory: they could not move.
        hash_workers: Part jobs that are done at once.
    """

    buffers: BufferPool
    hasher: Hasher
    connections: anyio.CapacityLimiter
    parts_at_once: int
    hash_workers: int


def _most_buffers() -> int | None:
    """How many buffers leave half of this process's file descriptors to others, at two for each."""
    try:
        import resource  # noqa: PLC0415  # not on every system
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else max(2, soft // 4)


@asynccontextmanager
async def open_resources(options: TransferOptions) -> AsyncIterator[TransferResources]:
    """Open what transfers share; it is all given back when the block ends."""
    workers = options.hash_workers or default_hash_workers()
    async with open_hasher(options.hash_in, workers) as hasher:
        buffers = BufferPool(options.memory_limit, hasher.make_memory, count_limit=_most_buffers())
        try:
            yield TransferResources(
                buffers,
                hasher,
                anyio.CapacityLimiter(options.max_concurrency),
                options.max_concurrency + workers + 1,
                workers,
            )
        finally:
            buffers.close()
