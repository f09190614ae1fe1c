"""Sending the parts of a file through other processes, which are given runs of parts.

This process, the coordinator, decides and records. It begins the upload, gives out the runs, records what an
answer says before it forgets the task, and completes. Its catalog and the service's list are the memory:
after a death of the coordinator, the parts that the service lists are hashed again by the same processes, and
only the others are sent.

A run takes some seconds, so that giving it out costs little beside it. Towards the end runs become short, so
that all processes end at about the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import anyio

from aioglacier.core.errors import UploadFailedError, WorkerDiedError
from aioglacier.core.limits import MIB
from aioglacier.core.planning import count_parts
from aioglacier.core.ranges import ByteRange
from aioglacier.core.spending import Charge, budgets
from aioglacier.files.reading import FileChangedError
from aioglacier.files.shared import SharedFile
from aioglacier.files.unreadable import source_changed, source_unreadable
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.runner import PartRun
from aioglacier.transfer.upload.part import check_known_part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aioglacier.core.models import UploadId
    from aioglacier.transfer.runner import RunDone, Runner
    from aioglacier.transfer.store import SharedStore
    from aioglacier.transfer.upload.engine import UploadEngine
    from aioglacier.transfer.upload.named_file import NamedFile

A = TypeVar("A")

#: A task of some 10 s costs a scheduler of 200 tasks a second nothing, and a worker's death little.
_RUN_SECONDS: Final = 10.0

#: The first runs, of which nothing is known, are short.
_FIRST_SIZE: Final = 128 * MIB

#: A process that ends a run finds another one waiting.
_RUNS_PER_SLOT: Final = 2


class Span(NamedTuple):
    """Parts in a row: the index of the first one, and their number."""

    first: int
    parts: int


class RunSizes:
    """Cuts the parts that are to be done into runs.

    A run is as long as one process needs for ``_RUN_SECONDS`` at the rate of the last runs, and at most its
    share of half of what is left.
    """

    def __init__(self, indexes: Sequence[int], part_size: int) -> None:
        self._spans = _spans(indexes)
        self._left = len(indexes)
        self._part_size = part_size
        self._rate = _FIRST_SIZE / _RUN_SECONDS

    def next(self, slots: int) -> Span | None:
        """Return the next run where so many are done at once, ``None`` if all are given out."""
        if not self._spans:
            return None
        wanted = int(self._rate * _RUN_SECONDS) // self._part_size
        count = max(1, min(wanted, self._left // (2 * slots)))
        span = self._spans[-1]
        taken = Span(span.first, min(count, span.parts))
        self._left -= taken.parts
        if taken.parts == span.parts:
            self._spans.pop()
        else:
            self._spans[-1] = Span(span.first + taken.parts, span.parts - taken.parts)
        return taken

    def note(self, size: int, seconds: float) -> None:
        """Note how long a run took; one that says much more than the last counts in part."""
        rate = size / max(seconds, 0.001)
        self._rate = min((self._rate + rate) / 2 if rate < self._rate else rate, 4 * self._rate)


def _spans(indexes: Sequence[int]) -> list[Span]:
    """Return the rows of neighbours among ascending indexes, the first one at the end."""
    spans: list[Span] = []
    for index in indexes:
        if spans and index == spans[-1].first + spans[-1].parts:
            spans[-1] = Span(spans[-1].first, spans[-1].parts + 1)
        else:
            spans.append(Span(index, 1))
    return spans[::-1]


class PartSpreader:
    """Gives out the parts of one file, and takes the answers.

    Attributes:
        workers: Runs that are done at once; 0 before the processes are there.
    """

    def __init__(
        self, engine: UploadEngine[A], store: SharedStore[A], runner: Runner, file: NamedFile
    ) -> None:
        self.workers = 0
        self._engine = engine
        self._store = store
        self._runner = runner
        self._file = file

    async def send(self, known: Mapping[int, bytes]) -> None:
        """Send the parts that the service lacks; ``known`` are the hashes of the others, by offset.

        Raises:
            NotSharedError: The file is not the same one in every process. Nothing was sent.
            ResumeMismatchError: A part at the service is not the file's. Nothing was sent.
            UploadFailedError: The processes were lost. The upload can be resumed.
            GlacierError: A part could not be sent.
        """
        engine = self._engine
        shared = await self._look()
        self.workers = await self._runner.open()
        await self._runner.check_file(shared)
        part_size = engine.part_size
        there = sorted(start // part_size for start in known)
        await self._spread(shared, None, there, known)
        upload_id = await engine.begin()
        await self._runner.check_upload(self._store.destination, upload_id)
        missing = sorted(set(range(count_parts(shared.size, part_size))) - set(there))
        await self._spread(shared, upload_id, missing, {})

    async def _look(self) -> SharedFile:
        file = self._file
        try:
            return await run_in_thread(lambda: SharedFile.of(file.path, file.identity))
        except FileChangedError as error:
            raise source_changed(file.path, str(error)) from None
        except OSError as error:
            raise source_unreadable(file.path, 0, error) from error

    async def _spread(
        self,
        shared: SharedFile,
        upload_id: UploadId | None,
        indexes: Sequence[int],
        known: Mapping[int, bytes],
    ) -> None:
        sizes = RunSizes(indexes, self._engine.part_size)
        limiter = anyio.CapacityLimiter(1)
        operation = "UploadMultipartPart" if self._store.destination.key is None else "UploadPart"

        def charge(requests: int, size: int = 0) -> None:  # here, as a worker knows no budget
            for budget in budgets():
                for _ in range(requests):
                    budget.charge(operation, Charge(uploads=1, stored=size))
                    size = 0

        async def run_one(task: PartRun) -> None:
            async def take(done: RunDone) -> None:
                charge(done.requests - task.parts if upload_id is not None else 0)
                await self._take(done, known, is_sent=upload_id is not None)
                sizes.note(task.size, done.seconds)

            try:
                await self._runner.run(task, take)
            except WorkerDiedError as error:
                raise UploadFailedError(f"the upload could not go on: {error}") from error
            finally:
                limiter.release_on_behalf_of(task)

        with first_cause():
            async with anyio.create_task_group() as tasks:
                while True:
                    self.workers = await self._runner.open()  # they come and go
                    limiter.total_tokens = _RUNS_PER_SLOT * self.workers
                    if (span := sizes.next(self.workers)) is None:
                        break
                    task = PartRun(
                        shared,
                        self._store.destination,
                        upload_id,
                        self._engine.part_size,
                        span.first,
                        span.parts,
                    )
                    await limiter.acquire_on_behalf_of(task)
                    if upload_id is not None:
                        charge(task.parts, task.size)
                    tasks.start_soon(run_one, task)

    async def _take(self, done: RunDone, known: Mapping[int, bytes], *, is_sent: bool) -> None:
        """Record what an answer says, then count it."""
        part_size, proof = self._engine.part_size, self._store.rules.proof
        if is_sent:
            await self._store.note_parts(done.parts)
        for index, size, hashes, receipt in done.parts:
            start = index * part_size
            if not is_sent:
                byte_range = ByteRange(start, start + size)
                check_known_part(self._engine.upload_id, byte_range, known[start], proof(hashes))
            self._engine.prove(index, size, hashes.tree_hash, receipt)
