"""The engine that carries the parts of one archive from their buffers, or from a file, to the store.

The way of a part: ``acquire`` lends a buffer, the caller fills it and hands it to ``submit``; a task then
hashes it, waits for a connection, sends it, records it in the ledger and gives the buffer back. A part of a
named file needs no buffer: it is read once to be hashed and, soon after, again to be sent. Parts overtake
each other freely: the ledger puts them in order.

Rules:

- An upload begins only when a second part does. A body that fits one part goes in one request, which is
  billed once instead of three times, and nothing is left behind if it never goes.
- The first part that fails for good stops the others, and is what every later call raises. The caller's own
  task is never cancelled for it: it learns of it at its next call.
- The engine completes an upload only in ``finish``. Leaving the block without it aborts the upload, or keeps
  it for a resume: where that was asked for, and where the service could not be reached or the credentials ran
  out, because then an abort could hardly be delivered and what has gone up is worth keeping; and where it is
  unclear whether the archive was made, because an abort would destroy what can still settle that.
"""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

import anyio
import anyio.lowlevel

from aioglacier.core.errors import (
    EmptyArchiveError,
    ResumeMismatchError,
    ServiceError,
    UploadFailedError,
    WriterClosedError,
)
from aioglacier.core.ledger import UploadLedger
from aioglacier.core.ranges import ByteRange
from aioglacier.tasks.dropped import OwnerTask, warn_dropped
from aioglacier.tasks.see_through import GRACE_SECONDS, see_through
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom
from aioglacier.transfer.snapshot import TransferSnapshot
from aioglacier.transfer.store import FinishedUpload
from aioglacier.transfer.upload.abandon import leave_upload
from aioglacier.transfer.upload.carriers import Carriers
from aioglacier.transfer.upload.failure import as_failed_upload
from aioglacier.transfer.upload.idle_watch import IdleWatch
from aioglacier.transfer.upload.part import LARGEST_BUFFERED_SIZE, Part, check_known_part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from types import TracebackType
    from typing import NoReturn

    from aioglacier.core.models import UploadId
    from aioglacier.core.treehash import PartHashes
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.open_file import OpenFile

_log: Final = logging.getLogger("aioglacier.transfer")


class UploadEngine:
    """Carries the parts of one archive; used with ``async with``, by one task at a time."""

    def __init__(
        self,
        store: ArchiveStore,
        resources: TransferResources,
        *,
        part_size: int,
        buffer_size: int | None = None,
        size: int | None = None,
        keep_unfinished: bool = False,
    ) -> None:
        self._store = store
        self._resources = resources
        self._buffer_size = buffer_size or part_size
        self._size = size
        self._keep_unfinished = keep_unfinished
        self._ledger = UploadLedger(part_size)
        self._upload_id: UploadId | None = None
        self._known: Mapping[int, bytes] = {}
        self._held: Part | None = None
        self._in_flight: set[Part] = set()
        self._none_in_flight = anyio.Event()
        self._ahead = anyio.Semaphore(resources.parts_ahead, fast_acquire=True)
        self._next_index = 0
        self._taken = 0
        self._failure: BaseException | None = None
        self._finished: FinishedUpload | None = None
        self._settling = False
        self._ending = False
        self._drain_until: float | None = None
        self._stoppable: set[anyio.CancelScope] = set()
        self._tasks = anyio.create_task_group()
        self._carriers = Carriers(
            self._tasks, self._stoppable, carry=self._carry, stopped=self._part_stopped, end=self._end
        )
        self._owner: OwnerTask | None = None
        self._idle: IdleWatch | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._owner = OwnerTask()
        if self._size is not None:
            self._resources.hasher.expect(self._size, self.part_size)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._owner is not None and self._owner.has_dropped(kind):
            self._drop()
            return
        try:
            if self._drain_until is not None:
                await self._all_ended()  # each has its deadline
        finally:
            self._stop(error or WriterClosedError("the writer was closed before it was completed"))
            self._cancel_all()
            await self._leave(error)

    def _drop(self) -> None:
        """Let go of everything where nothing can be waited for. The upload stays at the service."""
        self._stop(WriterClosedError("the writer was dropped"))
        self._cancel_all()
        if self._held is not None:
            self._give_back(self._held)
        if self._finished is None:
            where = f", with upload {self._upload_id} still at the service" if self._upload_id else ""
            warn_dropped(f"an unfinished archive{where},", source=self)

    async def _leave(self, error: BaseException | None) -> None:
        # Parts end within milliseconds of a stop. They never raise, so nothing but the caller's own error
        # leaves the block, and it does so unwrapped.
        self._tasks.cancel_scope.shield = True
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:  # it raises where the caller was cancelled, too
            if self._held is not None:
                self._give_back(self._held)
            if self._finished is None and self._upload_id is not None:
                is_unclear = self._settling and not isinstance(error, ServiceError)
                keep = self._keep_unfinished or is_unclear
                await leave_upload(self._store, self._upload_id, error, sent=self._ledger.sent, keep=keep)

    # --- what the caller sees

    @property
    def part_size(self) -> int:
        """Bytes of every part but the last."""
        return self._ledger.part_size

    @property
    def upload_id(self) -> UploadId | None:
        """The upload, once it has begun."""
        return self._upload_id

    @property
    def finished(self) -> FinishedUpload | None:
        """The proof, once there is one."""
        return self._finished

    def snapshot(self) -> TransferSnapshot:
        """The counters now."""
        return TransferSnapshot(
            size=self._size,
            taken=self._taken,
            moved=self._ledger.sent + sum(part.moved for part in self._in_flight),
            done=self._ledger.sent,
            parts_done=self._ledger.parts_sent,
            parts_in_flight=len(self._in_flight),
        )

    def resume(self, upload_id: UploadId, known: Mapping[int, bytes]) -> None:
        """Continue an upload whose parts, by offset, have these tree hashes at the service.

        A known part is hashed when it comes by, compared, and not sent again.
        """
        self._upload_id = upload_id
        self._known = known
        self._watch_idle(upload_id)

    def skip(self, length: int, tree_hash: bytes) -> None:
        """Take the next part as proven to be at the service with this tree hash."""
        self._ledger.prove(self._next_index, length, tree_hash)
        self._next_index += 1
        self._taken += length

    async def acquire(self) -> PartBuffer:
        """Lend a buffer for the next part, waiting while all are in use or the memory budget is spent.

        Calling it says that there will be another part. Cancelling leaves nothing borrowed; any other
        failure is final.

        Raises:
            TooManyPartsError: 10,000 parts are taken already.
            GlacierError: What stopped the engine, if something has.
        """
        try:
            with self.stops_on_failure():
                return await self._borrow()
        except Exception as error:  # noqa: BLE001  # whatever it is: an archive without these bytes is none
            self.fail(error)
        raise AssertionError(self._failure)

    def discard(self, buffer: PartBuffer) -> None:
        """Give back a buffer that will not become a part."""
        self._resources.buffers.release(buffer)
        self._ahead.release()

    async def submit_file(self, file: OpenFile, byte_range: ByteRange) -> None:
        """Hand over the next part: these bytes of a file, waiting as ``acquire`` does.

        Only little is hashed ahead of what is sent: the system then still has in memory what is read again.
        To be called within ``stops_on_failure``, which costs more than all else here: once for all parts.

        Raises:
            GlacierError: As ``acquire``.
        """
        self.check()
        buffer = None
        try:
            if self._buffer_size <= LARGEST_BUFFERED_SIZE:
                buffer = await self._borrow()
            else:
                await self._await_turn()
        except Exception as error:  # noqa: BLE001  # as in acquire
            self.fail(error)
        place = ReadFrom(file.file.path, byte_range.start, file.file.identity, file)
        self._take(Part(self._next_index, PartJob(byte_range.size, place), buffer, file))

    def submit(self, buffer: PartBuffer, length: int) -> None:
        """Hand over the next part: the first ``length`` bytes of the buffer."""
        self._take(Part(self._next_index, PartJob(length), buffer))

    def check(self) -> None:
        """Raise what stopped the engine, if something has."""
        if self._failure is not None:
            raise self._failure

    def fail(self, error: BaseException) -> NoReturn:
        """Stop every part for good, and raise the error, or what had stopped the engine before."""
        self._stop(error)
        self.check()
        raise AssertionError(error)

    @contextmanager
    def stops_on_failure(self) -> Iterator[None]:
        """Run a block that the first failure of any part ends, and raise that failure."""
        self.check()
        with anyio.CancelScope() as scope:
            self._stoppable.add(scope)
            try:
                yield
            finally:
                self._stoppable.discard(scope)
        if scope.cancelled_caught:
            if self._drain_until is not None:
                self._failure = self._failure or _drained()
            self.check()

    async def finish(self, confirm: Callable[[], Awaitable[None]] | None = None) -> FinishedUpload:
        """Wait for all parts, complete the upload, and return its proof.

        ``confirm`` is called when every byte has been read and nothing is decided yet; it may still raise.
        If cancelled while the service may already be making the archive, that is given 10 more seconds.

        Raises:
            EmptyArchiveError: No part was submitted. Nothing was sent.
            ResumeMismatchError: The service has parts beyond the last one.
            GlacierError: What stopped the engine, or the completion.
        """
        with self.stops_on_failure():
            self._ending = True
            if self._next_index == 0:
                raise EmptyArchiveError("the source gave no bytes")
            if self._held is not None:
                return await self._store_whole(self._held, confirm)
            await self._all_ended()
            self.check()
            if self._ledger.parts_sent < self._next_index:  # some were cancelled, and this task is being
                await anyio.lowlevel.checkpoint_if_cancelled()
                self.fail(_drained())
            if confirm is not None:
                await confirm()
            return await self._complete()
        raise AssertionError(self._failure)

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Take nothing more, give parts that are being sent so long to arrive, and keep the upload.

        What is called next, or waits now, raises ``UploadFailedError``, which leaving the block completes:
        it takes as long as the last such part. If all parts have been taken, the archive may still be made
        within the time. May be called again, for a shorter time.
        """
        deadline = anyio.current_time() + seconds
        self._drain_until = min(deadline, self._drain_until or deadline)
        self._keep_unfinished = True
        takers = self._stoppable - {part.scope for part in self._in_flight if part.scope is not None}
        if not self._ending:
            self._failure = self._failure or _drained()
        for scope in takers:
            scope.deadline = self._drain_until if self._ending else -math.inf
        for part in self._in_flight:
            is_dropped = part.is_ahead and not self._ending
            if part.scope is not None:
                part.scope.deadline = -math.inf if is_dropped else self._drain_until

    def abort(self) -> None:
        """Stop every part; leaving the block will abort the upload, even one that was to be kept."""
        self._keep_unfinished = False
        self._stop(WriterClosedError("the writer was aborted"))

    # --- carrying

    async def _borrow(self) -> PartBuffer:
        await self._await_turn()
        try:
            return await self._resources.buffers.acquire(self._buffer_size)
        except BaseException:
            self._ahead.release()
            raise

    async def _await_turn(self) -> None:
        """Wait until another part may be taken."""
        self._ledger.part_range(self._next_index, self.part_size)
        await self._begin()
        await self._ahead.acquire()

    def _take(self, part: Part) -> None:
        if self._size is None:
            self._resources.hasher.expect(part.job.length, self.part_size)
        self._next_index += 1
        self._taken += part.job.length
        if part.index == 0 and self._upload_id is None:
            self._held = part
        else:
            self._start(part)

    async def _begin(self) -> None:
        """Begin the upload in parts if the first of them waits for that."""
        if self._held is None:
            return

        async def initiate() -> None:
            self._upload_id = await self._store.initiate(self.part_size)
            self._watch_idle(self._upload_id)

        if self._upload_id is None:
            # An upload whose id is lost to a cancellation stays at the service, and nobody can name it.
            await self._see_through(initiate, grace_seconds=lambda: GRACE_SECONDS)
        held, self._held = self._held, None
        self._start(held)

    def _watch_idle(self, upload_id: UploadId) -> None:
        watch = self._idle = IdleWatch(upload_id)
        scope = anyio.CancelScope()

        async def run() -> None:
            with scope:
                await watch.run()

        self._stoppable.add(scope)  # here, or a stop that comes before it runs would miss it
        self._tasks.start_soon(run)

    def _start(self, part: Part) -> None:
        self._in_flight.add(part)
        self._carriers.start(part)

    async def _carry(self, part: Part) -> None:
        try:
            if self._failure is not None:
                return
            hashes = await self._resources.hasher.run(part.job, part.buffer)
            await self._send(part, hashes)
            self._ledger.prove(part.index, part.job.length, hashes.tree_hash)
            if self._idle is not None:
                self._idle.sent()
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller's next call raises it
            self._stop(error)

    def _part_stopped(self) -> None:
        if self._drain_until is not None:
            self._failure = self._failure or _drained()

    def _end(self, part: Part) -> None:
        self._in_flight.discard(part)
        self._give_back(part)
        if not self._in_flight:
            self._none_in_flight.set()

    async def _all_ended(self) -> None:
        while self._in_flight:
            self._none_in_flight = anyio.Event()
            await self._none_in_flight.wait()

    async def _send(self, part: Part, hashes: PartHashes) -> None:
        assert self._upload_id is not None  # noqa: S101  # parts start after the upload does
        start = part.index * self.part_size
        if (known := self._known.get(start)) is not None:
            check_known_part(
                self._upload_id, ByteRange(start, start + part.job.length), known, hashes.tree_hash
            )
            return
        async with self._resources.connections.exchange(part.job.length, part.count) as count:
            self._let_next(part)
            async with part.body() as body:
                await self._store.put_part(self._upload_id, start, body, hashes, count)

    async def _store_whole(self, part: Part, confirm: Callable[[], Awaitable[None]] | None) -> FinishedUpload:
        hashes = await self._resources.hasher.run(part.job, part.buffer)
        if confirm is not None:
            await confirm()

        async with self._resources.connections.exchange(part.job.length, part.count) as count:

            async def store() -> None:
                async with part.body() as body:
                    stored = await self._store.store_whole(body, hashes, count)
                self._ledger.prove(0, part.job.length, hashes.tree_hash)
                self._finished = FinishedUpload(stored, part.job.length, hashes.tree_hash)

            finished = await self._settle(store, is_decided=lambda: part.moved >= part.job.length)
        self._held = None
        self._give_back(part)
        return finished

    async def _complete(self) -> FinishedUpload:
        assert self._upload_id is not None  # noqa: S101  # the second part began it
        upload_id = self._upload_id
        size, tree_hash = self._ledger.seal(self._next_index)
        if beyond := [start for start in self._known if start >= size]:
            raise ResumeMismatchError(
                f"the source ended after {size} bytes, but upload {upload_id} holds a part at byte "
                f"{min(beyond)}; abort that upload and begin anew"
            )

        async def complete() -> None:
            stored = await self._store.complete(upload_id, size, tree_hash)
            self._finished = FinishedUpload(stored, size, tree_hash)

        return await self._settle(complete, is_decided=lambda: True)

    async def _settle(
        self, call: Callable[[], Awaitable[None]], *, is_decided: Callable[[], bool]
    ) -> FinishedUpload:
        """Make the call that makes the archive.

        If cancelled when the service can no longer be kept from it, wait a little longer for the answer: an
        archive that nobody knows of is worse than a late cancellation.
        """
        self._settling = True
        try:
            await self._see_through(call, grace_seconds=lambda: GRACE_SECONDS if is_decided() else 0.0)
        except BaseException:
            if self._finished is not None:
                _log.warning(
                    "cancelled too late: archive %s, %d bytes, was made",
                    self._finished.stored.id,
                    self._finished.size,
                )
            raise
        assert self._finished is not None  # noqa: S101  # the call returned
        return self._finished

    async def _see_through(
        self, call: Callable[[], Awaitable[None]], *, grace_seconds: Callable[[], float]
    ) -> None:
        try:
            await see_through(self._tasks, call, grace_seconds=grace_seconds)
        except Exception as error:  # noqa: BLE001  # it stops the other parts, too
            self.fail(error)

    # --- ending

    def _stop(self, error: BaseException) -> None:
        if error is self._failure:
            return  # it has stopped everything already, or lets it drain
        if self._failure is None:
            self._failure = as_failed_upload(error)
        self._cancel_all()

    def _cancel_all(self) -> None:
        for scope in self._stoppable:
            scope.cancel()

    def _let_next(self, part: Part) -> None:
        """Let another part be taken, as this one waits for nothing of ours any more."""
        if part.is_ahead:
            part.is_ahead = False
            self._ahead.release()

    def _give_back(self, part: Part) -> None:
        if part.buffer is not None:
            self._resources.buffers.release(part.buffer)
        self._let_next(part)


def _drained() -> UploadFailedError:
    return UploadFailedError("the upload was asked to stop before its end")
