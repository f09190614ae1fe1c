"""Fetching the sampled MiB of a vault through other processes, which answer with hashes.

This process, which has the record, decides what the hashes mean. It fetches a MiB again by itself if its hash
differs from the record, so a worker that gets other bytes causes no finding.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

import anyio

from aioglacier.core.errors import GlacierError
from aioglacier.core.ranges import ByteRange
from aioglacier.core.spending import budgets
from aioglacier.core.treehash import tree_hash
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.download.range_run import JobLook
from aioglacier.transfer.download.retrieval_source import GlacierOutput
from aioglacier.transfer.resources import TASK_VERSION
from aioglacier.transfer.spreading import Spreader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.transfer.download.retrieval_source import JobSource
    from aioglacier.transfer.resources import Tools

#: Outputs of a MiB that one task fetches at once.
_AT_ONCE: Final = 8


class SampleRun(NamedTuple):
    """Fetch outputs of at most a few MiB, and hash them.

    Attributes:
        outputs: The outputs.
        version: See ``TASK_VERSION``.
    """

    outputs: tuple[JobSource, ...]
    version: int = TASK_VERSION

    @property
    def title(self) -> str:
        """See ``Task``."""
        return f"sample-outputs-{len(self.outputs)}-of-{self.outputs[0].vault}"

    @property
    def shared(self) -> None:
        """No file: the bytes come from the vault."""
        return

    async def perform(self, tools: Tools) -> SampleDone:
        """See ``Task``."""
        gateway, began = await tools.gateway(), time.monotonic()
        hashes: list[bytes | None] = [None] * len(self.outputs)
        rest = iter(range(len(self.outputs)))

        async def fetch() -> None:
            for at in rest:
                hashes[at] = await _hash_output(gateway, self.outputs[at])

        with first_cause():
            async with anyio.create_task_group() as tasks:
                for _ in range(min(_AT_ONCE, len(self.outputs))):
                    tasks.start_soon(fetch)
        return SampleDone(tuple(hashes), time.monotonic() - began)


class SampleDone(NamedTuple):
    """The answer to a run of outputs.

    Attributes:
        hashes: The tree hash of each output; ``None`` for one that cannot be fetched.
        seconds: From the start of the task to its end.
    """

    hashes: tuple[bytes | None, ...]
    seconds: float


async def _hash_output(gateway: Gateway, source: JobSource) -> bytes | None:
    output = GlacierOutput(
        gateway, source.vault, source.job_id, size=source.total, tree_hash=None, allows_unverified=True
    )
    try:
        async with output.open(ByteRange(0, source.total)) as blocks:
            content = b"".join([block async for block in blocks])
    except GlacierError:
        return None
    return await run_in_thread(lambda: tree_hash(content))


class Fetchable(Protocol):
    """Something whose bytes a job has retrieved."""

    @property
    def size(self) -> int:
        """Its bytes."""
        ...

    @property
    def source(self) -> JobSource:
        """The output."""
        ...


F = TypeVar("F", bound=Fetchable)


class SampleSpreader(Spreader, Generic[F]):
    """Gives out the outputs of one sample."""

    async def hash(self, outputs: AsyncIterator[F], take: Callable[[F, bytes | None], None]) -> None:
        """Fetch outputs; ``take`` gets the tree hash of each, ``None`` if it has none.

        Raises:
            ClusterError: A process cannot see a job with its credentials.
            WorkerDiedError: The processes were lost.
        """

        async def do(run: Sequence[F]) -> float:
            seconds = 0.0

            async def note(done: SampleDone) -> None:
                nonlocal seconds
                seconds = done.seconds
                for each, found in zip(run, done.hashes, strict=True):
                    take(each, found)

            for budget in budgets():  # here, as a worker knows no budget
                budget.receive(sum(each.size for each in run))
            await self.runner.run(SampleRun(tuple(each.source for each in run)), note)
            return seconds

        await self.give_items(self._checked(outputs), do)

    async def _checked(self, outputs: AsyncIterator[F]) -> AsyncIterator[F]:
        """Let every process look at the first job."""
        is_first = True
        async for each in outputs:
            if is_first:
                await self.runner.open()
                await self.runner.check(JobLook(each.source))
            is_first = False
            yield each
