"""Fetches one run of pieces of an output into a file, in the process that got the run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio

from aioglacier.core.ranges import ByteRange
from aioglacier.files.reading import FileChangedError
from aioglacier.files.unreadable import source_changed
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.download.retrieval_source import GlacierOutput, PiecePlaces
from aioglacier.transfer.download.slices import SLICE_SIZE, SlicedPiece
from aioglacier.transfer.resources import TASK_VERSION

if TYPE_CHECKING:
    from aioglacier.files.shared import SharedTarget
    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.download.retrieval_source import JobSource
    from aioglacier.transfer.resources import Tools, TransferResources


class RangeRun(NamedTuple):
    """Fetch a run of pieces of a job's output into a file.

    Attributes:
        target: The file.
        source: The output.
        bounds: The start of each piece, and the end of the last one.
        version: See ``TASK_VERSION``.
    """

    target: SharedTarget
    source: JobSource
    bounds: tuple[int, ...]
    version: int = TASK_VERSION

    @property
    def shared(self) -> SharedTarget:
        """See ``Task``."""
        return self.target

    @property
    def size(self) -> int:
        """Bytes of the run."""
        return self.bounds[-1] - self.bounds[0]

    @property
    def title(self) -> str:
        """See ``Task``."""
        name = self.target.path.rpartition("/")[2]
        return f"fetch-bytes-{self.bounds[0]}-to-{self.bounds[-1] - 1}-of-{name}"

    async def perform(self, tools: Tools) -> RangesDone:
        """See ``Task``."""
        return await perform_ranges(self, await tools.gateway(), await tools.resources())


class RangesDone(NamedTuple):
    """The answer to a run of pieces, which are in the file and on disk.

    Attributes:
        proofs: The hash of each piece.
        seconds: From the start of the task to its end.
        cpu_seconds: Of the worker's process.
    """

    proofs: tuple[bytes, ...]
    seconds: float
    cpu_seconds: float


class JobLook(NamedTuple):
    """Look at a job, which costs nothing."""

    source: JobSource
    version: int = TASK_VERSION
    title: str = "look-at-job"
    shared: None = None

    async def perform(self, tools: Tools) -> None:
        """See ``Task``."""
        await (await tools.gateway()).describe_job(self.source.vault, self.source.job_id)


@dataclass(frozen=True, slots=True)
class OpenTarget:
    """A file that is written to.

    Attributes:
        path: Its path.
        file: Its descriptor.
    """

    path: Path
    file: int


async def perform_ranges(run: RangeRun, gateway: Gateway, resources: TransferResources) -> RangesDone:
    """Do a run with the resources of this process.

    Raises:
        SourceChangedError: The file is another one.
        IntegrityError: Bytes kept differing from their hashes.
        TargetError: The file cannot be written.
        GlacierError: A piece could not be fetched.
    """
    began, cpu = time.monotonic(), time.process_time()
    source = run.source
    output = GlacierOutput(
        gateway,
        source.vault,
        source.job_id,
        size=source.total,
        tree_hash=source.tree_hash,
        allows_unverified=source.allows_unverified,
    )
    pieces = [ByteRange(start, stop) for start, stop in pairwise(run.bounds)]
    places = PiecePlaces(resources, max(piece.size for piece in pieces))
    proofs: dict[ByteRange, bytes] = {}
    try:
        descriptor = await run_in_thread(run.target.open_here)
    except FileChangedError as error:
        raise source_changed(run.target.path, str(error)) from None
    target = OpenTarget(Path(run.target.path), descriptor)

    async def fetch(piece: ByteRange, buffer: PartBuffer) -> None:
        try:
            sliced = SlicedPiece(output, resources, piece, buffer, partial=target, count=_ignore)
            proofs[piece] = await sliced.fetch()
        finally:
            resources.buffers.release(buffer)
            places.release()

    try:
        with first_cause():
            async with anyio.create_task_group() as tasks:
                for piece in pieces:
                    await places.acquire()
                    try:
                        size = min(SLICE_SIZE, piece.size)
                        buffer = await resources.buffers.acquire(size, is_private=True)
                    except BaseException:
                        places.release()
                        raise
                    tasks.start_soon(fetch, piece, buffer)
        # Other machines read only synced bytes, and the coordinator is about to count these as done.
        await run_in_thread(lambda: os.fsync(descriptor))
    finally:
        os.close(descriptor)
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    return RangesDone(tuple(proofs[piece] for piece in pieces), seconds, used)


def _ignore(moved: int) -> None:
    """Count nothing: the coordinator counts what is done."""
