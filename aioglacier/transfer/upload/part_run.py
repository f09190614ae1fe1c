"""Hashes one run of parts of a file and sends it, in the process that got the run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, NamedTuple, NoReturn, TypeVar

import anyio

from aioglacier.core.errors import GlacierError
from aioglacier.core.planning import part_ranges
from aioglacier.core.ranges import ByteRange
from aioglacier.core.spending import Charge, RequestCounter, budgets, spending
from aioglacier.tasks.groups import first_cause
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom
from aioglacier.transfer.resources import TASK_VERSION
from aioglacier.transfer.spreading import Span
from aioglacier.transfer.store import PartDone
from aioglacier.transfer.upload.engine import UploadEngine
from aioglacier.transfer.upload.named_file import NamedFile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aioglacier.core.models import UploadId
    from aioglacier.core.treehash import PartHashes
    from aioglacier.files.shared import SharedFile
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Progress
    from aioglacier.transfer.resources import Tools, TransferResources
    from aioglacier.transfer.store import ArchiveStore, Destination, StoreRules

A = TypeVar("A")


class PartRun(NamedTuple):
    """Send a run of parts of a file, or hash it.

    Attributes:
        file: The file.
        destination: The place.
        upload_id: The upload; ``None`` to hash what the place has already.
        part_size: Of the upload.
        first: The index of the first part.
        parts: The number of parts.
        version: See ``TASK_VERSION``.
    """

    file: SharedFile
    destination: Destination
    upload_id: UploadId | None
    part_size: int
    first: int
    parts: int
    version: int = TASK_VERSION

    @property
    def shared(self) -> SharedFile:
        """See ``Task``."""
        return self.file

    @property
    def size(self) -> int:
        """Bytes of the run."""
        return Span(self.first, self.parts).size_in(self.file.size, self.part_size)

    @property
    def title(self) -> str:
        """See ``Task``."""
        what = "hash" if self.upload_id is None else "send"
        return Span(self.first, self.parts).title(what, self.file.path)

    async def perform(self, tools: Tools) -> RunDone:
        """See ``Task``."""
        return await perform_run(
            self, await tools.store(self.destination, self.part_size), await tools.resources()
        )


class RunDone(NamedTuple):
    """The answer to a run.

    Attributes:
        parts: All of them.
        requests: Requests that are billed, repetitions included.
        seconds: From the start of the task to its end.
        cpu_seconds: Of the worker's process; of all tasks in it, if it does several at once.
    """

    parts: tuple[PartDone, ...]
    requests: int
    seconds: float
    cpu_seconds: float


def charge_parts(operation: str, requests: int, size: int = 0) -> None:
    """Charge requests for parts of so many bytes in all to the budgets here, as a worker knows none.

    Raises:
        CostLimitError: A budget does not allow them.
    """
    for budget in budgets():
        for number in range(requests):
            budget.charge(operation, Charge(parts=1, stored=0 if number else size))


class UploadLook(NamedTuple):
    """Look at an upload. In a vault that costs nothing."""

    destination: Destination
    upload_id: UploadId
    version: int = TASK_VERSION
    title: str = "look-at-upload"
    shared: None = None

    async def perform(self, tools: Tools) -> None:
        """See ``Task``."""
        await has_parts(tools, self.destination, self.upload_id)


async def has_parts(tools: Tools, destination: Destination, upload_id: UploadId) -> bool:
    """Return whether an upload has any part."""
    name, key, _, owner, is_requester_pays = destination
    if key is None:
        return bool((await (await tools.gateway()).list_parts(name, upload_id, limit=1))[1].items)
    from aioglacier.core.s3.objects import BucketRef  # noqa: PLC0415  # a program for vaults loads this module

    bucket = BucketRef(name, owner, is_requester_pays)
    return bool((await (await tools.s3()).list_parts(bucket, key, upload_id, limit=1))[1].items)


async def perform_run(run: PartRun, store: ArchiveStore[A], resources: TransferResources) -> RunDone:
    """Do a run with the resources of this process.

    Raises:
        SourceChangedError: The file is not what it was.
        GlacierError: A part could not be read or sent.
    """
    file = NamedFile(run.file.path, run.file.identity_here())
    start = run.first * run.part_size
    ranges = [
        ByteRange(start + part.start, start + part.stop) for part in part_ranges(run.size, run.part_size)
    ]
    noting = RunStore(store, run.part_size)
    if run.upload_id is None:
        await hash_parts(resources, store.rules, file, ranges, noting.note)
        return noting.done()

    async def feed(engine: UploadEngine[A]) -> None:
        for byte_range in ranges:
            await engine.submit_file(file, byte_range)

    await noting.send(run.upload_id, run.first, run.size, resources, feed)
    return noting.done()


async def hash_parts(
    resources: TransferResources,
    rules: StoreRules,
    file: NamedFile,
    ranges: Sequence[ByteRange],
    take: Callable[[ByteRange, PartHashes], None],
) -> None:
    """Hash parts of a file as the place lists them; ``take`` gets each, in any order.

    Raises:
        GlacierError: A part could not be read, or ``take`` refused it; the first one in the file.
    """
    failures: list[tuple[int, GlacierError]] = []
    slots = anyio.Semaphore(resources.parts_ahead)

    async def hash_part(byte_range: ByteRange) -> None:
        place = ReadFrom(file.path, byte_range.start, file.identity)
        try:
            take(byte_range, await resources.hasher.run(PartJob(byte_range.size, place, rules.known_hashes)))
        except GlacierError as error:
            failures.append((byte_range.start, error))
        finally:
            slots.release()

    with first_cause():
        async with anyio.create_task_group() as tasks:
            for byte_range in ranges:
                if failures:
                    break
                await slots.acquire()
                tasks.start_soon(hash_part, byte_range)
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]


class RunStore(Generic[A]):
    """Sends the parts of one run, and notes them. It neither begins nor ends an upload."""

    def __init__(self, store: ArchiveStore[A], part_size: int) -> None:
        self.rules = store.rules
        self._store = store
        self._part_size = part_size
        self._parts: list[PartDone] = []
        self._requests = 0
        self._began = time.monotonic(), time.process_time()

    async def send(
        self,
        upload_id: UploadId,
        first: int,
        size: int | None,
        resources: TransferResources,
        feed: Callable[[UploadEngine[A]], Awaitable[None]],
    ) -> None:
        """Send parts from ``first`` on, which ``feed`` submits to an engine.

        ``size`` is the number of their bytes, ``None`` if it is not known before.

        Raises:
            GlacierError: A part could not be read or sent.
        """
        engine = UploadEngine(
            self,
            resources,
            part_size=self._part_size,
            buffer_size=self._part_size,
            size=size,
            keep_unfinished=True,
        )
        counter = RequestCounter()
        with spending(counter):
            async with engine:
                engine.resume(upload_id, {}, first_part=first)
                with engine.stops_on_failure():
                    await feed(engine)
                await engine.finish_run(-(-engine.snapshot().taken // self._part_size))
        self._requests = counter.requests

    def note(self, byte_range: ByteRange, hashes: PartHashes, receipt: object = None) -> None:
        """Note a part."""
        index = byte_range.start // self._part_size
        self._parts.append(PartDone(index, byte_range.size, hashes, receipt))

    def done(self) -> RunDone:
        """Return the answer."""
        parts = sorted(self._parts, key=lambda each: each.part)
        wall, cpu = self._began
        return RunDone(tuple(parts), self._requests, time.monotonic() - wall, time.process_time() - cpu)

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> object:
        """See ``ArchiveStore``."""
        receipt = await self._store.put_part(upload_id, start, body, hashes, progress)
        self.note(ByteRange(start, start + body.nbytes), hashes, receipt)
        return receipt

    async def store_whole(
        self, body: Body, hashes: PartHashes, progress: Progress | None, before_last: BeforeLast | None = None
    ) -> A:
        """Refuse."""
        del body, hashes, progress, before_last
        _refuse()

    async def initiate(self, part_size: int) -> UploadId:
        """Refuse."""
        del part_size
        _refuse()

    async def complete(
        self, upload_id: UploadId, size: int, tree_hash: bytes, receipts: Sequence[object] = ()
    ) -> A:
        """Refuse."""
        del upload_id, size, tree_hash, receipts
        _refuse()

    async def abort(self, upload_id: UploadId) -> None:
        """Refuse."""
        del upload_id
        _refuse()


def _refuse() -> NoReturn:
    raise AssertionError("only the coordinator begins and ends an upload")
