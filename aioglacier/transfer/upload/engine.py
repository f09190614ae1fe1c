"""The engine that carries the parts of one archive from their buffers, or from a file, to the store.

The way of a part: ``acquire`` lends a buffer, the caller fills it and hands it to ``submit``. A task then
hashes the part, waits for a connection, sends it, proves it in the ledger and gives the buffer back. A part
of a named file needs no buffer: it is read once to be hashed and, soon after, again to be sent. Parts
overtake each other freely: the ledger puts them in order.

Rules:

- An upload begins only when a second part does. A body that fits one part goes in one request, which is
  billed once instead of three times, and leaves nothing behind if it never goes.
- The first part that fails for good stops the others, and is what every later call raises. The caller's own
  task is never cancelled for it: it learns of it at its next call.
- The engine completes an upload only in ``finish``. Leaving the block without it aborts the upload or keeps
  it: ``UploadState.fate`` says which.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

import anyio
import anyio.lowlevel

from aioglacier.core.errors import EmptyArchiveError, WriterClosedError
from aioglacier.tasks.dropped import OwnerTask, warn_dropped
from aioglacier.tasks.see_through import GRACE_SECONDS, see_through
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom
from aioglacier.transfer.snapshot import TransferSnapshot
from aioglacier.transfer.store import SharedStore
from aioglacier.transfer.upload.carriers import Carriers
from aioglacier.transfer.upload.part import LARGEST_BUFFERED_SIZE, Part, PartIntake
from aioglacier.transfer.upload.remote_upload import RemoteUpload
from aioglacier.transfer.upload.upload_state import Event, State, UploadState, drained

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from types import TracebackType
    from typing import NoReturn

    from aioglacier.core.models import UploadId
    from aioglacier.core.ranges import ByteRange
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.store import ArchiveStore, Destination
    from aioglacier.transfer.upload.named_file import NamedFile

_log: Final = logging.getLogger("aioglacier.transfer")


A = TypeVar("A")


class UploadEngine(Generic[A]):
    """Carries the parts of one archive; used with ``async with``, by one task at a time."""

    def __init__(
        self,
        store: ArchiveStore[A],
        resources: TransferResources,
        *,
        part_size: int,
        buffer_size: int,
        size: int | None,
        keep_unfinished: bool,
    ) -> None:
        self._resources = resources
        self._size = size
        self._state = UploadState(keep_unfinished=keep_unfinished)
        self._remote = RemoteUpload(store, part_size)
        self._rules = store.rules
        self._intake = PartIntake(resources, buffer_size)
        self._held: Part | None = None  # the first part, until it is known whether there is a second one
        self._tasks = anyio.create_task_group()
        self._carriers = Carriers(self._tasks, carry=self._carry, end=self._end)
        self._owner: OwnerTask | None = None

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
            if self._carriers.drain_until is not None:
                await self._carriers.wait_until_all_ended()  # each has its deadline
        finally:
            self._stop(error or WriterClosedError("the writer was closed before it was completed"))
            self._carriers.stop()
            await self._leave(error)

    def _drop(self) -> None:
        """Release everything without waiting: there is no loop any more. The upload stays at the service."""
        self._stop(WriterClosedError("the writer was dropped"))
        self._carriers.stop()
        if self._held is not None:
            self._intake.give_back(self._held)
        if self.archive is None:
            where = f", with upload {self.upload_id} still at the service" if self.upload_id else ""
            warn_dropped(f"an unfinished archive{where},", source=self)

    async def _leave(self, error: BaseException | None) -> None:
        # Parts end within milliseconds of a stop. They never raise, so nothing but the caller's own error
        # leaves the block, and it does so unwrapped.
        self._tasks.cancel_scope.shield = True
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:  # it raises where the caller was cancelled, too
            if self._held is not None:
                self._intake.give_back(self._held)
            await self._remote.leave(self._state.fate(error), error)

    # --- the caller's side

    @property
    def part_size(self) -> int:
        """Bytes of every part but the last."""
        return self._remote.ledger.part_size

    @property
    def upload_id(self) -> UploadId | None:
        """The upload's id, ``None`` before it begins."""
        return self._remote.id

    @property
    def destination(self) -> Destination:
        """The place, for other processes that send parts."""
        store = self._remote.store
        assert isinstance(store, SharedStore)  # noqa: S101  # vaults and buckets are
        return store.destination

    @property
    def archive(self) -> A | None:
        """The archive, ``None`` before it is made."""
        return self._remote.archive

    def snapshot(self) -> TransferSnapshot:
        """The counters now."""
        ledger, parts = self._remote.ledger, self._carriers.parts
        return TransferSnapshot(
            size=self._size,
            taken=self._intake.size,
            moved=ledger.sent + sum(part.moved for part in parts),
            done=ledger.sent,
            parts_done=ledger.parts_sent,
            parts_in_flight=len(parts),
        )

    def resume(self, upload_id: UploadId, known: Mapping[int, bytes], *, first_part: int = 0) -> None:
        """Continue an upload whose parts, by offset, have these hashes at the service.

        A known part is hashed when it comes by, compared, and not sent again. With ``first_part`` this engine
        carries a run of parts that begins there, and ``finish_run`` ends it.
        """
        self._remote.begin(upload_id, known)
        self._intake.parts = first_part
        self._watch_idle()

    async def begin(self) -> UploadId:
        """Begin the upload before the first part, for others that send parts; return its id."""
        if self.upload_id is None:
            # An upload whose id is lost to a cancellation would stay at the service without a name.
            await self._see_through(self._remote.initiate, grace_seconds=lambda: GRACE_SECONDS)
            self._watch_idle()
        assert self.upload_id is not None  # noqa: S101  # just begun
        return self.upload_id

    def prove(self, index: int, length: int, tree_hash: bytes, receipt: object) -> None:
        """Take a part, in any order, as proven to be at the service because another process has sent it."""
        self._remote.prove_sent(index, length, tree_hash, receipt)
        self._intake.count(length)

    def skip(self, length: int, tree_hash: bytes) -> None:
        """Take the next part as proven to be at the service with this tree hash."""
        self._remote.ledger.prove(self._intake.parts, length, tree_hash)
        self._intake.count(length)

    async def acquire(self) -> PartBuffer:
        """Lend a buffer for the next part, waiting while all are in use or the memory budget is spent.

        Calling it says that there will be another part. Cancelling leaves nothing borrowed; any other
        failure is final.

        Raises:
            TooManyPartsError: 10,000 parts are taken already.
            GlacierError: The error that stopped the engine.
        """
        try:
            with self.stops_on_failure():
                await self._begin_part()
                return await self._intake.borrow()
        except Exception as error:  # noqa: BLE001  # without these bytes there can be no archive
            self.fail(error)
        raise AssertionError(self._state)

    def discard(self, buffer: PartBuffer) -> None:
        """Give back a buffer that will not become a part."""
        self._intake.discard(buffer)

    async def submit_file(self, file: NamedFile, byte_range: ByteRange) -> None:
        """Hand over the next part: these bytes of a file, waiting as ``acquire`` does.

        Only little is hashed ahead of what is sent: the system then still has in memory what is read again.
        To be called within ``stops_on_failure``, which costs more than all else here: once for all parts.

        Raises:
            GlacierError: As ``acquire``.
        """
        self.check()
        buffer = None
        try:
            await self._begin_part()
            if self._intake.buffer_size <= LARGEST_BUFFERED_SIZE:
                buffer = await self._intake.borrow()
            else:
                await self._intake.wait_for_turn()
        except Exception as error:  # noqa: BLE001  # as in acquire
            self.fail(error)
        source = ReadFrom(file.path, byte_range.start, file.identity)
        self._take(
            Part(self._intake.parts, PartJob(byte_range.size, source, self._rules.sent_hashes), buffer)
        )

    def submit(self, buffer: PartBuffer, length: int) -> None:
        """Hand over the next part: the first ``length`` bytes of the buffer."""
        self._take(Part(self._intake.parts, PartJob(length, None, self._rules.sent_hashes), buffer))

    def check(self) -> None:
        """Raise the error that stopped the engine, if one did."""
        self._state.check()

    def fail(self, error: BaseException) -> NoReturn:
        """Stop every part for good; raise the error, or the one that had stopped the engine before."""
        self._stop(error)
        self.check()
        raise AssertionError(error)

    @contextmanager
    def stops_on_failure(self) -> Iterator[None]:
        """Run a block that the first failure of any part ends, and raise that failure."""
        self.check()
        with anyio.CancelScope() as scope:
            self._carriers.scopes.add(scope)
            try:
                yield
            finally:
                self._carriers.scopes.discard(scope)
        if scope.cancelled_caught:
            self._note_deadline()
            self.check()

    async def finish(self, confirm: Callable[[], Awaitable[None]] | None = None) -> A:
        """Wait for all parts, complete the upload, and return the archive.

        ``confirm`` is called when every byte has been read and nothing is decided yet; it may still raise.
        If cancelled while the service may already be making the archive, that is given 10 more seconds.

        Raises:
            EmptyArchiveError: No part was submitted, and the place does not take that. Nothing was sent.
            ResumeMismatchError: The service has parts beyond the last one.
            GlacierError: The error that stopped the engine or the completion.
        """
        with self.stops_on_failure():
            self._state.advance(Event.END)
            if self._intake.parts == 0:
                self._held = self._nothing()
            if self._held is not None:
                return await self._store_whole(self._held, confirm)
            await self._wait_for_parts(self._intake.parts)
            if confirm is not None:
                await confirm()
            size, tree_hash = self._remote.seal(self._intake.parts)
            return await self._settle(lambda: self._remote.complete(size, tree_hash), is_decided=lambda: True)
        raise AssertionError(self._state)

    async def finish_run(self, count: int) -> None:
        """Wait until the ``count`` parts of a run are at the store. The upload stays as it is.

        Raises:
            GlacierError: The error that stopped the engine.
        """
        with self.stops_on_failure():
            self._state.advance(Event.END)
            await self._wait_for_parts(count)
            self._state.advance(Event.SETTLE)
            self._state.advance(Event.MAKE)

    async def _wait_for_parts(self, count: int) -> None:
        await self._carriers.wait_until_all_ended()
        self.check()
        if self._remote.ledger.parts_sent < count:  # some were cancelled with this task
            await anyio.lowlevel.checkpoint_if_cancelled()
            self.fail(drained())

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Take nothing more, give parts that are being sent so long to arrive, and keep the upload.

        What is called next, or waits now, raises ``UploadFailedError``, which leaving the block completes:
        it takes as long as the last such part. If all parts have been taken, the archive may still be made
        within the time. May be called again, for a shorter time.
        """
        self._state.drain()
        may_finish = self._state.now in {State.ENDING, State.SETTLING}
        self._carriers.drain(anyio.current_time() + seconds, may_finish=may_finish)

    def abort(self) -> None:
        """Stop every part; leaving the block will abort the upload, even one that was to be kept."""
        self._state.abort()
        self._carriers.stop()

    # --- carrying

    def _nothing(self) -> Part:
        """Return the only part of an archive without bytes, where the place takes one."""
        if not self._rules.takes_empty:
            raise EmptyArchiveError("the source gave no bytes")
        return Part(0, PartJob(0, None, self._rules.sent_hashes), None, is_ahead=False)

    async def _begin_part(self) -> None:
        """Check that another part may come, and begin the upload if the first part waits for that."""
        self._remote.ledger.part_range(self._intake.parts, self.part_size)
        if self._held is None:
            return
        await self.begin()
        held, self._held = self._held, None
        self._carriers.start(held)

    def _watch_idle(self) -> None:
        if self._remote.idle is not None:
            self._carriers.run_beside(self._remote.idle.run)

    def _take(self, part: Part) -> None:
        self._state.advance(Event.TAKE)
        if self._size is None:
            self._resources.hasher.expect(part.job.length, self.part_size)
        self._intake.count(part.job.length)
        if part.index == 0 and self.upload_id is None:
            self._held = part
        else:
            self._carriers.start(part)

    async def _carry(self, part: Part) -> None:
        try:
            if self._state.failure is not None:
                return
            hashes = await self._resources.hasher.run(part.job, part.buffer)
            receipt = None
            if not self._remote.has(part, hashes):
                async with self._resources.connections.exchange(part.job.length, part.count) as count:
                    self._intake.let_next(part)
                    async with part.body() as body:
                        receipt = await self._remote.put(part, body, hashes, count)
            self._remote.prove(part, hashes, receipt)
        except Exception as error:  # noqa: BLE001  # the caller's next call raises it
            self._stop(error)

    def _end(self, part: Part, was_cancelled: bool) -> None:  # called by position
        if was_cancelled:
            self._note_deadline()
        self._intake.give_back(part)

    async def _store_whole(self, part: Part, confirm: Callable[[], Awaitable[None]] | None) -> A:
        hashes = await self._resources.hasher.run(part.job, part.buffer)
        if confirm is not None:
            await confirm()
        async with self._resources.connections.exchange(part.job.length, part.count) as count:
            archive = await self._settle(
                lambda: self._remote.store_whole(part, hashes, count),
                is_decided=lambda: part.moved >= part.job.length,
            )
        self._held = None
        self._intake.give_back(part)
        return archive

    async def _settle(self, call: Callable[[], Awaitable[None]], *, is_decided: Callable[[], bool]) -> A:
        """Make the call that makes the archive."""

        async def make() -> None:
            await call()
            self._state.advance(Event.MAKE)

        self._state.advance(Event.SETTLE)
        try:
            # An archive without a known id is worse than a late cancellation.
            await self._see_through(make, grace_seconds=lambda: GRACE_SECONDS if is_decided() else 0.0)
        except BaseException:
            if self.archive is not None:
                _log.warning("cancelled too late: %s, was made", self.archive)
            raise
        assert self.archive is not None  # noqa: S101  # the call returned
        return self.archive

    async def _see_through(
        self, call: Callable[[], Awaitable[None]], *, grace_seconds: Callable[[], float]
    ) -> None:
        try:
            await see_through(self._tasks, call, grace_seconds=grace_seconds)
        except Exception as error:  # noqa: BLE001  # it stops the other parts, too
            self.fail(error)

    # --- ending

    def _stop(self, error: BaseException) -> None:
        if error is not self._state.failure:  # else it has stopped everything already, or lets it drain
            self._state.fail(error)
            self._carriers.stop()

    def _note_deadline(self) -> None:
        """Note why a part was cancelled: for a failure, or because the time to drain was over."""
        if self._state.failure is None:
            self._state.fail(drained())
