"""The resources that all transfers of one connection share: a thousand archives cost no more than one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioglacier.gateway.retry.rules import Congestion
from aioglacier.transfer.budget.allowance import Allowance, Limits
from aioglacier.transfer.budget.buffers import BufferPool
from aioglacier.transfer.budget.concurrency import START, ConcurrencyController, Connections
from aioglacier.transfer.hashing.workers import Hasher, open_hasher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.transfer.budget.allowance import HashIn
    from aioglacier.transfer.runner import Runner


@dataclass(frozen=True, slots=True)
class TransferResources:
    """The things that transfers share: memory, hashing, and the right to send or fetch.

    Attributes:
        buffers: The memory budget.
        hasher: Does part jobs off the loop, and stores what arrives.
        connections: One place for each request with a body.
        hash_workers: Part jobs that are done at once.
        runner: Other processes that do work; ``None`` if this process does all.
    """

    buffers: BufferPool
    hasher: Hasher
    connections: Connections
    hash_workers: int
    runner: Runner | None = None

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
        return self.connections.controller.ceiling + self.parts_ahead


@asynccontextmanager
async def open_resources(
    limits: Limits, hash_in: HashIn = "auto", congestion: Congestion | None = None
) -> AsyncIterator[TransferResources]:
    """Open what transfers share, and release it when the block ends.

    ``congestion`` is where the gateway's retry layer counts.

    Raises:
        ConfigurationError: ``hash_in`` is unknown, or the system grants too little for these limits.
    """
    allowance = Allowance.of(limits, hash_in)
    controller = ConcurrencyController(ceiling=allowance.concurrency, start=limits.concurrency or START)
    async with open_hasher(hash_in, allowance.hash_workers) as hasher:
        buffers = BufferPool(allowance.memory_limit, hasher.make_memory, count_limit=allowance.buffers)
        try:
            yield TransferResources(
                buffers, hasher, Connections(controller, congestion or Congestion()), allowance.hash_workers
            )
        finally:
            buffers.close()
