"""Fetching the pieces of an output through other processes, which write them to a file on a shared path.

This process makes the file, gives out runs of pieces, records each answer in the journal before it forgets
the task, compares the whole, and gives the file its name. A process that takes over a task of a dead one
writes the same bytes to the same place.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioglacier.core.spending import budgets
from aioglacier.files.shared import SharedTarget
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.download.range_run import JobLook, RangeRun
from aioglacier.transfer.spreading import Spreader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from aioglacier.core.ranges import ByteRange
    from aioglacier.transfer.download.partial_file import PartialFile
    from aioglacier.transfer.download.range_run import RangesDone
    from aioglacier.transfer.download.retrieval_source import JobSource
    from aioglacier.transfer.resources import Runner
    from aioglacier.transfer.spreading import Span


class RangeSpreader(Spreader):
    """Gives out the pieces of one output, and takes the answers."""

    def __init__(self, runner: Runner, partial: PartialFile, source: JobSource, piece_size: int) -> None:
        super().__init__(runner)
        self._partial = partial
        self._source = source
        self._piece_size = piece_size

    async def fetch(
        self,
        pieces: Sequence[ByteRange],
        there: Collection[ByteRange],
        take: Callable[[ByteRange, bytes], None],
    ) -> None:
        """Fetch the pieces that are not there; ``take`` gets each with the hash that proves it.

        Raises:
            NotSharedError: The file is not the same one in every process. Nothing was fetched.
            ClusterError: A process cannot see the job. Nothing was fetched.
            WorkerDiedError: The processes were lost. What was recorded is not fetched again.
            GlacierError: A piece could not be fetched.
        """
        partial = self._partial
        status = await run_in_thread(lambda: os.fstat(partial.file))
        # A restore names the folder by a descriptor of this process, which other machines cannot follow.
        path = await run_in_thread(lambda: os.path.realpath(partial.path))
        target = SharedTarget(path, status.st_ino, status.st_size)
        self.workers = await self.runner.open()
        await self.runner.check_shared(target)
        await self.runner.check(JobLook(self._source))

        async def do(span: Span) -> float:
            run = pieces[span.first : span.first + span.parts]
            bounds = (*(piece.start for piece in run), run[-1].stop)
            task = RangeRun(target, self._source, bounds)
            seconds = 0.0

            async def record(done: RangesDone) -> None:
                nonlocal seconds
                seconds = done.seconds
                proven = list(zip(run, done.proofs, strict=True))
                await run_in_thread(lambda: partial.record_all(proven))
                for each in proven:
                    take(*each)

            for budget in budgets():  # here, as a worker knows no budget
                budget.receive(task.size)
            await self.runner.run(task, record)
            return seconds

        missing = [index for index, piece in enumerate(pieces) if piece not in there]
        await self.give_out(missing, self._piece_size, do)
