"""Transactions of many tasks with one database: one writer at a time, a few readers, all in threads.

A transaction is a plain function of a connection (see ``backend.py``). If the database was busy, the function
is called again from the start, so it must change only the database.

- A change is on disk when ``write`` returns. Changes that wait while another is being written are
  written together: one commit, one wait for the disk, however many tasks. If one of them fails, all are
  undone and each is written alone, so that none suffers from another.
- The functions run in threads, and the event loop never waits for them.
- A transaction that has begun is seen through: if its caller is cancelled meanwhile, it is committed or
  rolled back before the cancellation goes on.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import anyio
import anyio.to_thread

from aioglacier.catalog.storage.backend import BusyError, DamagedError
from aioglacier.core.errors import CatalogBusyError, CatalogError
from aioglacier.tasks.see_through import see_through, wait_although_cancelled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
    from datetime import datetime

    from anyio.abc import TaskGroup

    from aioglacier.catalog.storage.backend import Connection, Store

T = TypeVar("T")
V = TypeVar("V")

#: Transactions that read at a time; a store has a connection for each, and one that writes.
READERS: Final = 3

#: Changes written together at the most, so that the first of them does not wait long for the last.
_TOGETHER: Final = 500

_RETRY_SECONDS: Final = 0.02


class Database:
    """The transactions of one catalog. Made by ``open_database``.

    Attributes:
        store: The database itself. Its methods block.
    """

    def __init__(self, store: Store, tasks: TaskGroup, busy_timeout_seconds: float) -> None:
        self.store = store
        self._tasks = tasks
        self._busy_timeout_seconds = busy_timeout_seconds
        self._waiting: deque[_Turn[Any]] = deque()
        self._is_writing = False
        self._reading = anyio.Semaphore(READERS)
        self._threads = anyio.CapacityLimiter(READERS + 2)  # one writes, and one has to do with locks
        self._is_closed = False

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Ask in one consistent view of the records.

        Raises:
            CatalogError: They cannot be read.
        """
        async with self._reading:
            started = time.monotonic()
            while True:
                try:
                    return await self.see_through(partial(self.store.run, question, is_write=False))
                except BusyError as error:
                    self._check_patience(started, error)
                except DamagedError as error:
                    raise await self._set_aside(error) from error
                await anyio.sleep(_RETRY_SECONDS)

    async def pages(self, page: Callable[[T | None, Connection], list[T]]) -> AsyncIterator[list[T]]:
        """Ask page after page, each in a transaction of its own. The caller may stop at any point.

        Args:
            page: Gets the last row of the page before, ``None`` at first; an empty page is the end.

        Raises:
            CatalogError: They cannot be read.
        """
        last: T | None = None
        while rows := await self.read(partial(page, last)):
            yield rows
            last = rows[-1]

    async def each(self, page: Callable[[T | None, Connection], list[T]]) -> AsyncIterator[T]:
        """Ask page after page, as ``pages`` does, and yield row after row, in constant memory."""
        async for rows in self.pages(page):
            for row in rows:
                yield row

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Change the records; on return the change is on disk.

        An exception of ``change`` undoes it. If cancelled while it waits for its turn, nothing was changed;
        once begun, it is seen through.

        Raises:
            CatalogBusyError: Another process kept the catalog to itself for too long; nothing was changed.
            CatalogError: The change could not be made, or the file is no longer there; nothing was changed.
        """
        return await self._take_turn(_Turn(change))

    async def write_each(self, change: Callable[[Connection, Sequence[V]], Sequence[T]], value: V) -> T:
        """Change the records as ``write`` does, by a function that takes the values of all who wait for it.

        It returns a result for each value. A server needs as long for the answers to one statement as to a
        hundred that are sent together.
        """
        return await self._take_turn(_Turn(change, value))

    async def _take_turn(self, turn: _Turn[T]) -> T:
        self._check_open()
        self._waiting.append(turn)
        if not self._is_writing:
            self._is_writing = True
            self._tasks.start_soon(self._write_waiting)
        try:
            return await turn.result()
        except anyio.get_cancelled_exc_class():
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                await wait_although_cancelled(turn.ended.is_set, turn.ended.wait)
            raise

    async def _write_waiting(self) -> None:
        try:
            with anyio.CancelScope(shield=True):
                while self._waiting:
                    turns = [self._waiting.popleft() for _ in range(min(len(self._waiting), _TOGETHER))]
                    await self._write_together(turns)
        finally:
            self._is_writing = False

    async def _write_together(self, turns: Sequence[_Turn[Any]]) -> None:
        try:
            results = await self._in_thread(
                partial(self.store.run, partial(_change_all, turns), is_write=True)
            )
        except BusyError as error:
            await self._put_back(turns, error)
        except DamagedError as error:
            damaged = await self._set_aside(error)
            for turn in turns:
                turn.fail(damaged)
        except Exception as error:  # noqa: BLE001  # raised in the task whose change it is
            if len(turns) == 1:
                turns[0].fail(error)
                return
            for turn in turns:
                await self._write_together([turn])
        else:
            for turn, result in zip(turns, results, strict=True):
                turn.end(result)

    async def _put_back(self, turns: Iterable[_Turn[Any]], error: BusyError) -> None:
        """Let changes wait again, where they can still be cancelled, but none for too long."""
        patient = []
        for turn in turns:
            try:
                self._check_patience(turn.started, error)
            except CatalogBusyError as busy:
                turn.fail(busy)
            else:
                patient.append(turn)
        self._waiting.extendleft(reversed(patient))
        if patient:
            await anyio.sleep(_RETRY_SECONDS)

    async def see_through(self, call: Callable[[], T]) -> T:
        """Call something short in a thread; a cancellation goes on only when it has ended."""
        self._check_open()
        return await see_through(self._tasks, partial(self._in_thread, call), grace_seconds=lambda: math.inf)

    def start_soon(self, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a call beside the caller. It handles its own errors; closing waits for it."""
        self._check_open()
        self._tasks.start_soon(call)

    def close(self) -> None:
        """Take no more transactions."""
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise CatalogError("the catalog has been closed", path=self.store.location)

    def _check_patience(self, started: float, error: BusyError) -> None:
        waited = time.monotonic() - started
        if waited >= self._busy_timeout_seconds:
            raise busy(self.store.location, waited) from error

    async def _set_aside(self, error: DamagedError) -> CatalogError:
        try:
            return await self._in_thread(partial(self.store.set_aside, str(error)))
        except CatalogError as other:
            return other

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(call, limiter=self._threads)


class Records:
    """Records of one kind in a catalog, and the clock that they are dated with."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now


class _Turn(Generic[T]):
    """A transaction that waits for its turn, and its result."""

    def __init__(self, change: Callable[..., Any], *value: Any) -> None:
        self.change = change
        self.value = value  # none for a change that takes no value
        # anyio's own clock and event look for the loop first: 5 us a record each.
        self.started = time.monotonic()
        self.ended = asyncio.Event()
        self._results: list[T] = []
        self._error: Exception | None = None

    def end(self, result: T) -> None:
        self._results.append(result)
        self.ended.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self.ended.set()

    async def result(self) -> T:
        await self.ended.wait()
        if self._error is not None:
            raise self._error
        return self._results[0]


def _change_all(turns: Iterable[_Turn[Any]], connection: Connection) -> list[Any]:
    results: list[Any] = []
    for (change, takes_values), alike in groupby(turns, lambda turn: (turn.change, bool(turn.value))):
        if takes_values:
            results += change(connection, [turn.value[0] for turn in alike])
        else:
            results += [change(connection) for _ in alike]
    return results


def busy(location: str, waited_seconds: float) -> CatalogBusyError:
    """Return the error for a wait that was too long."""
    return CatalogBusyError(
        f"another process has kept the catalog {location!r} to itself for {waited_seconds:.0f} s; run the "
        "same command again when it is done",
        waited_seconds=waited_seconds,
        path=location,
    )


@asynccontextmanager
async def open_database(store: Store, *, busy_timeout_seconds: float) -> AsyncIterator[Database]:
    """Open the transactions of a catalog that exists.

    Args:
        store: The open database; closed by the caller, after this.
        busy_timeout_seconds: How long another process may keep it to itself.
    """
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        try:
            database = Database(store, tasks, busy_timeout_seconds)
            try:
                yield database
            finally:
                database.close()
        except Exception as error:  # noqa: BLE001  # raised below, so that it does not come out as a group
            failure = error
    if failure is not None:
        raise failure
