"""Threads that hash, with as little work around each job as possible.

A part of 1 MiB is hashed in 0.6 ms, and what a thread costs beside that is waking: to wake one and be woken
by it takes up to 0.1 ms, and each time it wants the GIL back the loop stops for it. So here

- a thread that has ended a job takes the next one without going to sleep;
- a brief job does not wake a second thread as long as it would be the only one to wait: the one that is at
  work comes to it sooner than its end would be noticed;
- of the sleeping threads the last one is woken: its memory is still in the CPU's cache;
- one call tells the loop of all the jobs that have ended since it looked.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from aioglacier.tasks.see_through import wait_although_cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class HashThreads:
    """Runs so many functions at once, the others in the order they came. For one event loop at a time."""

    def __init__(self, count: int) -> None:
        self._crew = _Crew(count)
        # Dropped without being closed, as by an event loop that is torn down, it leaves no thread behind.
        self._end = weakref.finalize(self, self._crew.dismiss)
        self._end.atexit = False
        self._long = 0

    async def run(
        self, function: Callable[[], T], *, is_brief: bool = False, give_up: Callable[[], None] | None = None
    ) -> T:
        """Call a function in a thread; if this is cancelled, it waits for the function's end first.

        ``give_up`` is called before that wait, to make it short. A brief function, which takes about a
        millisecond, may have to wait for another such one to end.
        """
        loop = asyncio.get_running_loop()
        job = _Job(function, loop.create_future())
        self._long += not is_brief
        try:
            self._crew.take(job, loop, may_wait=not self._long)
            result: T = await job.ended
        except asyncio.CancelledError:
            if not self._crew.withdraw(job) and not job.is_over:
                if give_up is not None:
                    give_up()
                over = job.over = loop.create_future()
                await wait_although_cancelled(lambda: job.is_over, lambda: asyncio.wait([over]))
            raise
        finally:
            self._long -= not is_brief
        return result

    def close(self) -> None:
        """End the threads; they have nothing to do any more."""
        self._end()


class _Job:
    """A function, and what came of it. All but the call belongs to the loop."""

    __slots__ = ("ended", "error", "function", "is_over", "over", "result")

    def __init__(self, function: Callable[[], Any], ended: asyncio.Future[Any]) -> None:
        self.function = function
        self.ended = ended
        self.over: asyncio.Future[None] | None = None
        self.is_over = False
        self.result: Any = None
        self.error: Exception | None = None

    def call(self) -> None:
        """Call the function, in a thread."""
        try:
            self.result = self.function()
        except Exception as error:  # noqa: BLE001  # raised in the task that waits
            self.error = error

    def settle(self) -> None:
        """Set the result for the task that waits, on the loop."""
        self.is_over = True
        if self.over is not None and not self.over.done():
            self.over.set_result(None)
        if not self.ended.done():
            if self.error is None:
                self.ended.set_result(self.result)
            else:
                self.ended.set_exception(self.error)
        self.error = None  # or the error would hold the frame that holds the error


class _Crew:
    """The threads. What they share with the loop are lists and deques, whose single steps nothing divides."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._hired = 0
        self._asleep: list[threading.Lock] = []
        self._jobs: deque[_Job | None] = deque()
        self._ended: deque[_Job] = deque()
        self._is_notified = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def take(self, job: _Job, loop: asyncio.AbstractEventLoop, *, may_wait: bool) -> None:
        """Have a job done. With ``may_wait`` no thread is woken while another one is to come to it next."""
        if self._loop is not loop:
            self._loop, self._is_notified = loop, False
        self._jobs.append(job)
        is_next = len(self._jobs) == 1 and len(self._asleep) < self._hired
        if not (may_wait and is_next) and not self._wake() and self._hired < self._count:
            self._hired += 1
            name = f"aioglacier-hash_{self._hired - 1}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def withdraw(self, job: _Job) -> bool:
        """Take back a job that no thread has begun; return whether that was possible."""
        try:
            self._jobs.remove(job)
        except ValueError:
            return False
        return True

    def dismiss(self) -> None:
        """End the threads, each after the job that it has; jobs that wait are forgotten."""
        self._jobs.clear()
        self._jobs.extend([None] * self._hired)
        while self._wake():
            pass

    def _wake(self) -> bool:
        try:
            self._asleep.pop().release()
        except IndexError:
            return False
        return True

    def _work(self) -> None:
        bell = threading.Lock()
        bell.acquire()  # released to wake this thread
        while True:
            try:
                job = self._jobs.popleft()
            except IndexError:
                self._sleep(bell)
                continue
            if job is None:
                return
            job.call()
            self._tell(job)
            del job  # it holds a part's memory

    def _sleep(self, bell: threading.Lock) -> None:
        """Sleep until woken, unless a job came in the moment before that could be seen."""
        self._asleep.append(bell)
        if self._jobs:
            try:
                self._asleep.remove(bell)
            except ValueError:
                pass  # it is being woken
            else:
                return
        bell.acquire()

    def _tell(self, job: _Job) -> None:
        self._ended.append(job)
        if self._is_notified or self._loop is None:
            return
        self._is_notified = True
        with suppress(RuntimeError):  # the loop was closed, so no task waits
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._is_notified = False  # before it looks: what ends from here on causes another call
        while self._ended:
            self._ended.popleft().settle()
