"""Moving runs of parts of a job's output to an upload through other processes.

A worker compares each part with the hash that the vault promises for it before it sends the part. This
process begins the upload, records what an answer says before it forgets the task, and completes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aioglacier.bulk.archives.job_bytes import JobBytes, send_part
from aioglacier.core.errors import IntegrityError
from aioglacier.core.planning import count_parts, part_ranges
from aioglacier.core.ranges import ByteRange
from aioglacier.core.spending import budgets
from aioglacier.transfer.download.range_run import JobLook
from aioglacier.transfer.download.retrieval_source import GlacierOutput
from aioglacier.transfer.resources import TASK_VERSION
from aioglacier.transfer.spreading import Span, Spreader
from aioglacier.transfer.upload.part_run import RunStore, UploadLook, charge_parts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aioglacier.core.models import UploadId
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import Body, Progress
    from aioglacier.transfer.download.retrieval_source import JobSource
    from aioglacier.transfer.resources import Runner, Tools
    from aioglacier.transfer.store import ArchiveStore, Destination, PartDone
    from aioglacier.transfer.upload.engine import UploadEngine
    from aioglacier.transfer.upload.part_run import RunDone

A = TypeVar("A")


class OutputRun(NamedTuple):
    """Send a run of parts of a job's output.

    Attributes:
        source: The output, of a whole archive.
        destination: The place.
        upload_id: The upload.
        part_size: Of the upload.
        first: The index of the first part.
        parts: The number of parts.
        version: See ``TASK_VERSION``.
    """

    source: JobSource
    destination: Destination
    upload_id: UploadId
    part_size: int
    first: int
    parts: int
    version: int = TASK_VERSION

    @property
    def size(self) -> int:
        """Bytes of the run."""
        return Span(self.first, self.parts).size_in(self.source.total, self.part_size)

    @property
    def title(self) -> str:
        """See ``Task``."""
        return Span(self.first, self.parts).title("move", self.destination.key or self.destination.name)

    @property
    def shared(self) -> None:
        """No file: the bytes come from the vault."""
        return

    async def perform(self, tools: Tools) -> RunDone:
        """See ``Task``."""
        resources, job = await tools.resources(), self.source
        output = GlacierOutput(
            await tools.gateway(), job.vault, job.job_id, size=job.total, tree_hash=job.tree_hash
        )
        source = JobBytes(output, resources)
        store = _PromisedStore(await tools.store(self.destination, self.part_size), self.part_size, source)

        async def feed(engine: UploadEngine[object]) -> None:
            start = self.first * self.part_size
            for part in part_ranges(self.size, self.part_size):
                await send_part(engine, source, ByteRange(start + part.start, start + part.stop))

        await store.send(self.upload_id, self.first, self.size, resources, feed)
        return store.done()


class _PromisedStore(RunStore[A]):
    """Refuses parts that are not what the vault promises."""

    def __init__(self, store: ArchiveStore[A], part_size: int, source: JobBytes) -> None:
        super().__init__(store, part_size)
        self._source = source

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> object:
        """See ``ArchiveStore``.

        Raises:
            IntegrityError: The part came damaged from the vault. It was not sent.
        """
        promised = self._source.promised.pop(start, None)
        if promised is not None and promised != hashes.tree_hash:
            byte_range = ByteRange(start, start + body.nbytes)
            raise IntegrityError(
                f"bytes {byte_range} of a job's output came damaged from the vault",
                expected=promised,
                actual=hashes.tree_hash,
                byte_range=byte_range,
            )
        return await super().put_part(upload_id, start, body, hashes, progress)


class OutputSpreader(Spreader):
    """Gives out the parts of outputs that move to one place."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._is_checked = False

    async def send(
        self,
        engine: UploadEngine[A],
        source: JobSource,
        destination: Destination,
        there: Mapping[int, bytes],
        record: Callable[[Sequence[PartDone]], Awaitable[None]],
    ) -> A:
        """Send the parts that the place lacks, and complete the upload.

        Args:
            engine: Of the upload.
            source: The output.
            destination: The place.
            there: By index, the tree hashes of the parts that the place has.
            record: Records parts; when it returns, that is on disk.

        Raises:
            ClusterError: A process cannot see the job or the upload. Nothing was sent.
            WorkerDiedError: The processes were lost. What was recorded is not sent again.
            GlacierError: A part could not be fetched or sent.
        """
        part_size = engine.part_size
        for index, tree_hash in there.items():
            engine.prove(index, min(part_size, source.total - index * part_size), tree_hash, None)
        upload_id = await engine.begin()
        await self._check(source, destination, upload_id)

        async def do(span: Span) -> float:
            task = OutputRun(source, destination, upload_id, part_size, span.first, span.parts)
            seconds = 0.0

            async def take(done: RunDone) -> None:
                nonlocal seconds
                seconds = done.seconds
                charge_parts("UploadPart", done.requests - task.parts)
                await record(done.parts)
                for index, size, hashes, receipt in done.parts:
                    engine.prove(index, size, hashes.tree_hash, receipt)

            for budget in budgets():  # here, as a worker knows no budget
                budget.receive(task.size)
            charge_parts("UploadPart", task.parts, task.size)
            await self.runner.run(task, take)
            return seconds

        missing = [index for index in range(count_parts(source.total, part_size)) if index not in there]
        with engine.stops_on_failure():
            await self.give_out(missing, part_size, do)
        return await engine.finish()

    async def _check(self, source: JobSource, destination: Destination, upload_id: UploadId) -> None:
        """Let every process look once, as a look at a bucket is a request that is billed."""
        if self._is_checked:
            return
        await self.runner.open()
        await self.runner.check(JobLook(source))
        await self.runner.check(UploadLook(destination, upload_id))
        self._is_checked = True
