"""Part buffers: the one memory budget that bounds every transfer.

A part that is in memory is in a buffer from here; parts of named files stay where they are. A transfer that
wants to read or fetch a part acquires a buffer first, and waits while the budget is spent; that wait is all
the backpressure there is. Waiters are served in order.

Peak memory of a process and its workers is at most ``memory_limit`` for all buffers, plus a constant for
interpreters, libraries and connections (docs/design.md has the formula and the measurement).

Buffers that are given back are kept and handed out again, the last one first: its pages are there already
and its end is still in the CPU's cache, while fresh pages cost about 0.1 s of CPU per GiB to fault in.

The memory of a buffer is, by where it will be hashed:

- in worker processes (on Linux): an anonymous memory file, which a worker opens through
  ``/proc/<pid>/fd/<fd>``. It has no name to clean up after a crash, and the size of /dev/shm, 64 MiB in a
  default container, does not limit it.
- in threads: anonymous private memory.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import anyio

from aioglacier.core.errors import MemoryLimitError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

#: How long to wait for a buffer while none at all comes free. Longer than the 15 minutes after which a
#: transfer without progress gives up by itself, so this only ends a wait for buffers that idle writers hold.
DEFAULT_PATIENCE_SECONDS: Final = 20 * 60

#: How often the first waiter looks whether waiting tasks hold all buffers, and how often the others look
#: whether they are the first.
_STANDSTILL_SECONDS: Final = 2.0
_LATER_SECONDS: Final = 20.0


class PartBuffer:
    """Memory for one part, on loan from the pool.

    Attributes:
        view: The bytes.
        size: How many.
        locator: How a worker process on this machine opens the same memory; "" if it cannot.
        serial: Never used twice in a process, so that workers can keep what they have mapped.
        is_private: Whether it was asked for as such.
        holder: The task that fills it; ``None`` where its end depends on no single task.
    """

    __slots__ = ("_fd", "_memory", "holder", "is_private", "locator", "serial", "size", "view")

    _serials: Final = count(1)

    def __init__(self, memory: mmap.mmap | bytes, fd: int | None = None) -> None:
        self._memory = memory
        self._fd = fd
        self.view = memoryview(memory)
        self.size = len(self.view)
        self.locator = "" if fd is None else f"/proc/{os.getpid()}/fd/{fd}"
        self.serial = next(self._serials)
        self.is_private = False
        self.holder: asyncio.Task[Any] | None = None

    def close(self) -> None:
        """Give the memory back to the system at once, even if a worker still maps it."""
        self.view.release()
        try:
            if not isinstance(self._memory, bytes):
                self._memory.close()
            if self._fd is not None:
                os.ftruncate(self._fd, 0)
        except BufferError:
            # A slice is still held somewhere, as by a connection that was just aborted. The map goes with
            # the slice, and the file must not shrink under it.
            pass
        finally:
            if self._fd is not None:
                os.close(self._fd)


class BufferPool:
    """Hands out part buffers within one budget, in the order they were asked for.

    For one event loop. Use ``close()`` at the end, when every buffer is back. ``count_limit`` bounds the
    number of buffers as well, each of which may cost two file descriptors.

    Attributes:
        limit: Bytes that all buffers together never exceed.
    """

    def __init__(
        self,
        memory_limit: int,
        make_memory: Callable[[int], PartBuffer],
        *,
        count_limit: int | None = None,
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
    ) -> None:
        self.limit = memory_limit
        self._count_limit = count_limit
        self._make_memory = make_memory
        self._patience_seconds = patience_seconds
        self._allocated = 0
        self._lent_size = 0
        self._lent: set[PartBuffer] = set()
        self._returns = 0
        self._idle: list[PartBuffer] = []
        self._waiting: deque[_Waiter] = deque()

    def __repr__(self) -> str:
        return (
            f"<BufferPool limit={self.limit} allocated={self._allocated} lent={self.lent} "
            f"waiting={len(self._waiting)}>"
        )

    @property
    def lent(self) -> int:
        """Buffers that are out."""
        return len(self._lent)

    async def acquire(self, size: int, *, is_private: bool = False) -> PartBuffer:
        """Borrow a buffer of ``size`` bytes, waiting while the budget is spent.

        A private one is for this process's threads, even where parts are hashed in processes.
        Cancelling leaves nothing borrowed.

        Raises:
            MemoryLimitError: The size alone is more than the budget.
            OSError: The system has no more memory or descriptors to give.
            WaitTimeoutError: No buffer at all came back for ``patience_seconds``, or none can: the tasks that
                wait hold them all.
        """
        if size > self.limit:
            raise MemoryLimitError(part_size=size, memory_limit=self.limit)
        if not self._waiting and (buffer := self._take(size, is_private=is_private)):
            return buffer
        waiter = _Waiter(size, is_private, asyncio.current_task())
        self._waiting.append(waiter)
        try:
            await self._wait(waiter)
        except BaseException:
            if waiter.buffer is not None:
                self.release(waiter.buffer)
            elif not waiter.served.is_set():
                self._waiting.remove(waiter)
                self._serve()  # the one behind may fit where this one did not
            raise
        if waiter.buffer is None:
            assert waiter.failure is not None  # noqa: S101  # else the event was not set
            raise waiter.failure
        return waiter.buffer

    def try_acquire(self, size: int, *, is_private: bool = False) -> PartBuffer | None:
        """Borrow a buffer for work ahead of need, if no task waits and half of the budget stays for others.

        A reader that reads ahead may hold its buffers for as long as its own task takes. If that were the
        whole budget, a task that reads two archives in turn, or copies one into a writer, would wait for
        itself.
        """
        if self._waiting or self._lent_size + size > self.limit // 2:
            return None
        if self._count_limit is not None and self.lent >= self._count_limit // 2:
            return None
        return self._take(size, is_private=is_private)

    def release(self, buffer: PartBuffer) -> None:
        """Give a buffer back; its bytes must not be touched any more."""
        self._lent.discard(buffer)
        buffer.holder = None
        self._lent_size -= buffer.size
        self._returns += 1
        self._idle.append(buffer)
        self._serve()

    def close(self) -> None:
        """Free all memory; every buffer is back."""
        self.free_idle()

    def free_idle(self) -> None:
        """Free all memory that is not lent out, where buffers of other sizes are needed next, or fewer."""
        while self._idle:
            self._free(self._idle.pop())

    async def _wait(self, waiter: _Waiter) -> None:
        idle_seconds = 0.0
        while not waiter.served.is_set():
            returns, is_standstill = self._returns, self._is_standstill(waiter)
            step = _STANDSTILL_SECONDS if self._waiting[0] is waiter else _LATER_SECONDS
            step = min(step, self._patience_seconds)
            with anyio.move_on_after(step):
                await waiter.served.wait()
            if waiter.served.is_set():
                return
            idle_seconds = idle_seconds + step if returns == self._returns else 0.0
            if is_standstill and self._is_standstill(waiter):
                raise self._timed_out(
                    idle_seconds,
                    "each waiting task fills the buffers of several writers, so none becomes full",
                )
            if idle_seconds >= self._patience_seconds:
                raise self._timed_out(idle_seconds, "idle writers and readers hold them all")

    def _is_standstill(self, waiter: _Waiter) -> bool:
        """Return whether the first waiter waits for buffers that only waiting tasks could fill."""
        tasks = {each.task for each in self._waiting}
        return self._waiting[0] is waiter and all(buffer.holder in tasks for buffer in self._lent)

    def _timed_out(self, waited_seconds: float, reason: str) -> WaitTimeoutError:
        return WaitTimeoutError(
            f"no part buffer came free within {waited_seconds:.0f} s: {self.lent} are in use, the memory "
            f"limit of {self.limit} bytes allows no more, and {reason}; finish some writers first, raise "
            "Limits.memory or choose smaller parts",
            waited_seconds=waited_seconds,
        )

    def _serve(self) -> None:
        while self._waiting:
            waiter = self._waiting[0]
            try:
                waiter.buffer = self._take(waiter.size, is_private=waiter.is_private)
            except OSError as error:  # the error of the task that asked, not of the one that gave back
                waiter.failure = error
            else:
                if waiter.buffer is None:
                    return
            self._waiting.popleft()
            waiter.served.set()

    def _take(self, size: int, *, is_private: bool) -> PartBuffer | None:
        for position in range(len(self._idle) - 1, -1, -1):
            idle = self._idle[position]
            if idle.size == size and idle.is_private == is_private:
                return self._lend(self._idle.pop(position))
        while self._idle and not self._has_room(size):
            self._free(self._idle.pop(0))
        if not self._has_room(size):
            return None
        buffer = private_memory(size) if is_private else self._make_memory(size)
        buffer.is_private = is_private
        self._allocated += size
        return self._lend(buffer)

    def _has_room(self, size: int) -> bool:
        count = self.lent + len(self._idle)
        return self._allocated + size <= self.limit and (
            self._count_limit is None or count < self._count_limit
        )

    def _lend(self, buffer: PartBuffer) -> PartBuffer:
        self._lent.add(buffer)
        self._lent_size += buffer.size
        return buffer

    def _free(self, buffer: PartBuffer) -> None:
        self._allocated -= buffer.size
        buffer.close()


@dataclass(slots=True, eq=False)
class _Waiter:
    size: int
    is_private: bool
    task: asyncio.Task[Any] | None
    served: anyio.Event = field(default_factory=anyio.Event)
    buffer: PartBuffer | None = None
    failure: OSError | None = None


def shared_memory(size: int) -> PartBuffer:
    """Return memory that worker processes of this machine can map: an anonymous memory file (Linux)."""
    fd = os.memfd_create("aioglacier-part", os.MFD_CLOEXEC)
    try:
        os.ftruncate(fd, size)
        return PartBuffer(mmap.mmap(fd, size), fd)
    except BaseException:
        os.close(fd)
        raise


def private_memory(size: int) -> PartBuffer:
    """Return memory that only this process sees, for hashing in threads."""
    if sys.platform == "win32":
        return PartBuffer(mmap.mmap(-1, size))
    # Private, because fresh pages of shared memory cost 40 ms per 64 MiB, of private memory 25 ms, and in
    # huge pages, which shared memory is denied by default, 6 ms.
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel without huge pages
            memory.madvise(mmap.MADV_HUGEPAGE)
    return PartBuffer(memory)
