"""The resources that all transfers of one connection share: a thousand archives cost no more than one.

Other processes are a resource, too. A ``Runner`` carries tasks to them. A task is plain data: it names files
that every machine sees and a place at the service, never bytes and never a credential. A worker that was
taken for dead may do a task a second time, and has done the same thing twice: a part that is sent again is
the same part. So an engine that loses, repeats or delays tasks does no harm. What counts is the answer, and
in the end the service's own list.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from aioglacier.gateway.retry.rules import Congestion
from aioglacier.transfer.budget.allowance import Allowance, Limits
from aioglacier.transfer.budget.buffers import BufferPool
from aioglacier.transfer.budget.concurrency import START, ConcurrencyController, Connections
from aioglacier.transfer.hashing.workers import Hasher, open_hasher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.files.shared import Shared
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.transfer.budget.allowance import HashIn
    from aioglacier.transfer.store import ArchiveStore, Destination

D = TypeVar("D")
D_co = TypeVar("D_co", covariant=True)

#: Changes with the fields of tasks and answers; a worker refuses any other.
TASK_VERSION: Final = 3


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

        The extra one is being filled, or is hashed and waits. More parts of a stream would take memory
        without moving. More parts of a file would be hashed long before they are read again to be sent.
        """
        return self.hash_workers + 1

    @property
    def parts_at_once(self) -> int:
        """The most parts of one archive that are held at once."""
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


class Tools(Protocol):
    """The connections and resources of a process that does a task; each is opened when first asked for."""

    async def gateway(self) -> Gateway:
        """Return the gateway to vaults, with the credentials of this process."""
        ...

    async def s3(self) -> S3Gateway:
        """Return the gateway to S3, with the credentials of this process."""
        ...

    async def resources(self) -> TransferResources:
        """Return the budget of this task."""
        ...

    async def store(self, destination: Destination, part_size: int) -> ArchiveStore[object]:
        """Return the store of an upload that the coordinator has begun."""
        ...


class Task(Protocol[D_co]):
    """Work for another process, as plain data; a worker loads its class by name."""

    @property
    def version(self) -> int:
        """See ``TASK_VERSION``."""
        ...

    @property
    def title(self) -> str:
        """A name for people who look at a dashboard; the words before the first number group the tasks."""
        ...

    @property
    def shared(self) -> Shared | None:
        """The file or folder that must be the same one in the other process."""
        ...

    async def perform(self, tools: Tools) -> D_co:
        """Do it.

        Raises:
            GlacierError: It failed. What was done of it may be done again.
        """
        ...


class Runner(Protocol):
    """Carries tasks to processes that do them, on this machine or on others."""

    @property
    def smallest(self) -> int:
        """Bytes that are worth it; less is done faster without."""
        ...

    async def open(self) -> int:
        """Return the number of tasks that are done at once; the first call starts the processes.

        Raises:
            ClusterError: There are none, or they cannot work for this connection.
        """
        ...

    async def check_shared(self, shared: Shared) -> None:
        """Ask every process to look at a file or folder.

        Raises:
            NotSharedError: It is not the same one there.
        """
        ...

    async def check(self, task: Task[None]) -> None:
        """Have a task that only looks at something done by every process, with credentials of its own.

        Raises:
            ClusterError: It failed in one of them.
        """
        ...

    async def run(self, task: Task[D], take: Callable[[D], Awaitable[None]]) -> None:
        """Have a task done, and hand its answer to ``take``, which has recorded it when it returns.

        Only then is the task forgotten. Cancelling stops it, within seconds, wherever it is.

        Raises:
            WorkerDiedError: The processes were lost, and nothing is known of the task.
            GlacierError: The task failed, as it would here.
        """
        ...
