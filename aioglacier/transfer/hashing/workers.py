"""The hashing of parts: in worker processes, or in threads where processes cannot start or would not pay.

Hashing must stay off the event loop: both hashes of 64 MiB take it 75 ms at the very best. Processes are the
default because their only contact with the loop is one line a part; bytes are never sent to them. But each
takes as long to start as a thread to hash 16 MiB, so threads do what is done before they are there.

A worker is an ordinary child process that runs this interpreter on ``worker.py``. It is not a process of
``multiprocessing``, whose "spawn" runs the user's main module again, whose "fork" copies locks of threads
that do not exist in the child, and whose pool is ruined by one dead worker. It is started in a session of its
own, so that Ctrl-C on the terminal reaches only the parent.

A worker is watched: one that dies, or says nothing for a minute, is killed and replaced and its job is given
to another one, because the bytes are still there. Cancelling a job kills its worker, since nothing else would
keep it from writing to a buffer that another part already uses. A thread ends after the block of 256 KiB to
1 MiB that it has in hand, and cancelling waits for that: for ever if a disk never answers, as sending does.
"""

from __future__ import annotations

import logging
import sys
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from aioglacier.core.errors import WorkerDiedError
from aioglacier.core.treehash import PartHashes
from aioglacier.files.reading import FileChangedError
from aioglacier.files.unreadable import source_changed, source_unreadable
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.budget.buffers import private_memory, shared_memory
from aioglacier.transfer.hashing.hash_threads import HashThreads
from aioglacier.transfer.hashing.part_job import CRC, CRC_OF_SENT, PartJob, perform
from aioglacier.transfer.hashing.worker import encode_request
from aioglacier.transfer.hashing.worker_process import CannotStartError, WorkerLostError, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aioglacier.core.errors import SourceUnreadableError
    from aioglacier.transfer.budget.allowance import HashIn
    from aioglacier.transfer.budget.buffers import PartBuffer

_log: Final = logging.getLogger("aioglacier.transfer")

_NOT_HASHED: Final = PartHashes(b"", b"", b"")

#: A job that has killed this many workers is given up: it is the job, or the machine has no memory left.
MAX_DEATHS: Final = 3

#: Parts up to this are hashed in a thread even where workers run: a worker costs more than it saves.
SMALL_PART_SIZE: Final = 1024 * 1024

#: Bodies up to this are hashed where they are: 64 microseconds, half a millisecond on a CPU without SHA
#: instructions, where to wake a thread and be woken by it costs 100 and more.
TINY_PART_SIZE: Final = 128 * 1024

#: To start a worker takes 17 ms of CPU and some 15 ms of time, in which a thread hashes 16 MiB. So this much
#: goes to a thread as long as no worker is there; more waits for one, which unlike a thread can be killed.
LARGEST_IN_THREAD: Final = 16 * 1024 * 1024

#: Workers are started for more than this: 64 MiB took 65 ms with two of them and 56 with threads, 256 MiB 187
#: and 195, but 507 and 483 ms of CPU, a GiB 690 and 720 (medians of nine, two cores).
WORTH_WORKERS: Final = 256 * 1024 * 1024


@asynccontextmanager
async def open_hasher(hash_in: HashIn, workers: int) -> AsyncIterator[Hasher]:
    """Open a hasher; workers start when there is enough to hash, and have ended when the block ends.

    Threads hash where this interpreter cannot be started again (a frozen or an embedding program), and where
    memory cannot be shared with it (anywhere but on Linux).

    Args:
        hash_in: "auto" for worker processes where they pay, "processes" for every part above 1 MiB,
            "threads" for none.
        workers: Parts that are hashed at once.
    """
    can_start = sys.executable and not getattr(sys, "frozen", False) and sys.platform == "linux"
    if hash_in == "processes" and not can_start:
        _log.warning("this program cannot start worker processes; hashing in threads instead")
    largest = SMALL_PART_SIZE if hash_in == "processes" else LARGEST_IN_THREAD
    hasher = Hasher(workers, largest, has_workers=hash_in != "threads" and bool(can_start))
    try:
        yield hasher
    finally:
        await hasher.aclose()


class Hasher:
    """Does part jobs off the event loop, and makes the kind of memory that they reach.

    A fixed number of worker processes, started when they pay and replaced when they die. Until then, for
    small parts, and with ``has_workers=False`` always, as many threads.

    Attributes:
        threads: Also store what arrives.
    """

    def __init__(self, workers: int, largest_in_thread: int, *, has_workers: bool) -> None:
        self._has_workers = has_workers
        self._largest_in_thread = largest_in_thread
        self._limiter = anyio.CapacityLimiter(workers)
        self._idle: list[WorkerProcess] = []
        self._launched: list[WorkerProcess] = []  # not known to be ready yet
        self._engaged = 0
        self._expected = 0
        self.threads = HashThreads(workers)

    def in_threads(self) -> Hasher:
        """Return a hasher that shares the threads and starts no worker; it needs no closing."""
        hasher = Hasher(1, self._largest_in_thread, has_workers=False)
        hasher.threads = self.threads
        return hasher

    def make_memory(self, size: int) -> PartBuffer:
        """Return memory for a part, which workers can map if it is large enough to be for them."""
        is_shared = self._has_workers and size > SMALL_PART_SIZE
        return shared_memory(size) if is_shared else private_memory(size)

    def expect(self, size: int, part_size: int) -> None:
        """Say that ``size`` bytes are to come, in jobs of ``part_size`` bytes at most.

        Workers start with the first of these jobs where that pays.
        """
        if part_size > SMALL_PART_SIZE:  # workers do no others
            self._expected += size

    async def run(self, job: PartJob, buffer: PartBuffer | None = None) -> PartHashes:
        """Do the job, in a buffer or, if all it does is to hash what a file has, without.

        When this returns or raises, nothing touches the buffer any more. Cancelling kills the worker that has
        the job, or waits for a thread's block.

        Raises:
            SourceUnreadableError: The file to read could not be opened or read.
            SourceChangedError: The file to read has changed since the job was planned.
            WorkerDiedError: Worker after worker died or froze over this job.
        """
        if job.hashes == CRC_OF_SENT and job.read_from is not None and buffer is None:
            return _NOT_HASHED  # the gateway makes the checksum, and reads the file only once
        deaths = 0
        while True:
            # A thread makes a CRC of 16 MiB in 2 ms: to start and ask workers was a seventh of all CPU.
            is_crc = job.hashes in {CRC, CRC_OF_SENT}
            if not self._has_workers or job.length <= SMALL_PART_SIZE or is_crc:
                return await self._run_in_thread(job, buffer)
            try:
                async with self._limiter:
                    worker = await self._find(job, buffer)
                    if worker is None:
                        return await self._run_in_thread(job, buffer)
                    # A worker that dies of a mapped file is replaced by one that reads, which tells why.
                    mapped = PartJob(job.length, job.read_from, job.hashes, may_map=deaths == 0)
                    return await self._run_in_worker(worker, mapped, buffer)
            except CannotStartError as error:
                if self._has_workers:  # or another job has said so
                    _log.warning("no worker process can be used (%s); hashing in threads instead", error)
                self._has_workers = False
            except WorkerLostError as error:
                deaths += 1
                _log.warning("a hash worker %s; attempt %d of %d", error, deaths, MAX_DEATHS)
                if deaths == MAX_DEATHS:
                    raise WorkerDiedError(
                        f"{deaths} hash workers in a row failed over the same {job.length} bytes, the "
                        f"last one {error}; see if memory runs out (dmesg), or hash in threads",
                        exit_code=error.exit_code,
                    ) from None

    async def aclose(self) -> None:
        """End all workers and threads. Jobs must be done or cancelled before."""
        self.threads.close()
        self._idle += self._launched
        self._launched.clear()
        for worker in self._idle:
            worker.kill()  # all at once, and even where nothing can be waited for any more
        with anyio.CancelScope(shield=True):
            while self._idle:
                await self._idle.pop().aclose()

    async def _run_in_thread(self, job: PartJob, buffer: PartBuffer | None) -> PartHashes:
        view = buffer.view if buffer is not None else None
        if job.length <= TINY_PART_SIZE and job.read_from is None:
            return perform(job, view)
        is_given_up = False

        def give_up() -> None:
            nonlocal is_given_up
            is_given_up = True

        def report(done: int) -> None:
            if is_given_up:  # the job then ends at this block
                raise _GivenUpError(f"after {done} bytes")

        try:
            return await self.threads.run(partial(perform, job, view, report), give_up=give_up)
        except FileChangedError as error:
            raise source_changed(_source(job), str(error)) from None
        except OSError as error:
            raise _file_error(job, error) from error

    async def _find(self, job: PartJob, buffer: PartBuffer | None) -> WorkerProcess | None:
        """Return a worker for a job, or ``None`` if a thread hashes it before a worker could have started."""
        while dead := next((worker for worker in self._idle if not worker.is_alive), None):
            self._idle.remove(dead)  # it died idle, so this job did not kill it
            await dead.aclose()
        if (worker := self._take_idle(buffer.serial if buffer else 0)) is not None:
            return worker
        waits = job.length > self._largest_in_thread
        if waits:
            while not self._launched:
                await self._launch()
        elif self._expected > WORTH_WORKERS:
            count = len(self._idle) + len(self._launched) + self._engaged
            if count < self._limiter.total_tokens:
                await self._launch()
        for worker in self._launched:
            if waits or worker.has_spoken:
                self._launched.remove(worker)
                return await self._when_ready(worker)
        return None

    async def _run_in_worker(
        self, worker: WorkerProcess, job: PartJob, buffer: PartBuffer | None
    ) -> PartHashes:
        serial, locator, size = (buffer.serial, buffer.locator, buffer.size) if buffer else (0, "", 0)
        with self._engaging():
            try:
                worker.mapped.add(serial)
                answer = await worker.exchange(encode_request(serial, locator, size, job))
            except BaseException:
                await worker.aclose()
                raise
        self._idle.append(worker)
        return _read_answer(job, answer)

    async def _launch(self) -> None:
        """Start a worker, and do not wait for it."""
        with self._engaging():
            try:
                await run_in_thread(lambda: self._launched.append(WorkerProcess.launch()))
            except OSError as error:
                raise CannotStartError(str(error)) from error

    async def _when_ready(self, worker: WorkerProcess) -> WorkerProcess:
        """Wait until a launched worker, which is in no list any more, can be used."""
        with self._engaging():
            try:
                await worker.wait_until_ready()
            except BaseException:
                await worker.aclose()
                raise
        return worker

    @contextmanager
    def _engaging(self) -> Iterator[None]:
        """Count a worker while it is in no list."""
        self._engaged += 1
        try:
            yield
        finally:
            self._engaged -= 1

    def _take_idle(self, serial: int) -> WorkerProcess | None:
        """Return an idle worker, if possible one that has mapped the buffer, which saves 18 ms."""
        for worker in reversed(self._idle):
            if serial in worker.mapped:
                self._idle.remove(worker)
                return worker
        return self._idle.pop() if self._idle else None


class _GivenUpError(Exception):
    """The task that waited for these hashes was cancelled."""


def _read_answer(job: PartJob, answer: dict[str, Any]) -> PartHashes:
    if "hashes" in answer:
        return PartHashes(*(bytes.fromhex(text) for text in answer["hashes"]))
    if "changed" in answer:
        raise source_changed(_source(job), answer["changed"])
    if "unmapped" in answer:
        raise CannotStartError(f"its memory cannot be shared: {answer['unmapped']}")
    raise _file_error(job, OSError(answer["errno"], answer["strerror"]))


def _file_error(job: PartJob, error: OSError) -> SourceUnreadableError:
    return source_unreadable(_source(job), job.read_from.offset if job.read_from else 0, error)


def _source(job: PartJob) -> str:
    return job.read_from.path if job.read_from else "?"
