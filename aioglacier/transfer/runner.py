"""Work that other processes can do, as plain data, and the protocol of what carries it there.

A task names a file that every machine sees and a place at the service, never bytes and never a credential. A
task that is done twice, by a worker that was taken for dead, has done the same thing twice: a part that is
sent again is the same part. So an engine that loses, repeats or delays tasks does no harm. What counts is
the answer, and in the end the service's own list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.core.models import JobId, UploadId
    from aioglacier.files.shared import SharedFile, SharedTarget
    from aioglacier.transfer.store import Destination, PartDone

#: Changes with the fields of tasks and answers; a worker refuses any other.
TASK_VERSION: Final = 1


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
    def size(self) -> int:
        """Bytes of the run."""
        start = self.first * self.part_size
        return min(self.parts * self.part_size, self.file.size - start)

    @property
    def title(self) -> str:
        """A name for people who look at a dashboard; the words before the first number group the tasks."""
        what = "hash" if self.upload_id is None else "send"
        name = self.file.path.rpartition("/")[2]
        return f"{what}-parts-{self.first}-to-{self.first + self.parts - 1}-of-{name}"


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


class JobSource(NamedTuple):
    """The output of a finished job as plain data.

    Attributes:
        vault: The vault.
        job_id: The job.
        total: Bytes of the output.
        tree_hash: Of the archive or range that the job retrieved; ``None`` if the service gives none.
        allows_unverified: Whether bytes without any hash are taken.
    """

    vault: str
    job_id: JobId
    total: int
    tree_hash: bytes | None
    allows_unverified: bool


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
    def size(self) -> int:
        """Bytes of the run."""
        return self.bounds[-1] - self.bounds[0]

    @property
    def title(self) -> str:
        """A name for people who look at a dashboard."""
        name = self.target.path.rpartition("/")[2]
        return f"fetch-bytes-{self.bounds[0]}-to-{self.bounds[-1] - 1}-of-{name}"


class RangesDone(NamedTuple):
    """The answer to a run of pieces, which are in the file and on disk.

    Attributes:
        proofs: The hash of each piece.
        seconds: See ``RunDone``.
        cpu_seconds: See ``RunDone``.
    """

    proofs: tuple[bytes, ...]
    seconds: float
    cpu_seconds: float


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

    async def check_file(self, file: SharedFile | SharedTarget) -> None:
        """Ask every process to look at a file.

        Raises:
            NotSharedError: It is not the same file there.
        """
        ...

    async def check_job(self, source: JobSource) -> None:
        """Ask every process to look at a job, with credentials of its own.

        Raises:
            ClusterError: It cannot see the job.
        """
        ...

    async def check_upload(self, destination: Destination, upload_id: UploadId) -> None:
        """Ask every process to look at an upload, with credentials of its own.

        Raises:
            ClusterError: It cannot see the upload.
        """
        ...

    async def run(self, task: PartRun, take: Callable[[RunDone], Awaitable[None]]) -> None:
        """Have a task done, and hand its answer to ``take``, which has recorded it when it returns.

        Only then is the task forgotten. Cancelling stops it, within seconds, wherever it is.

        Raises:
            WorkerDiedError: The processes were lost, and nothing is known of the task.
            GlacierError: The task failed, as it would here.
        """
        ...

    async def fetch(self, task: RangeRun, take: Callable[[RangesDone], Awaitable[None]]) -> None:
        """Have pieces fetched; see ``run``."""
        ...
