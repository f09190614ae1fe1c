"""The memory budget: never exceeded, handed out in order, given back whatever happens."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from hypothesis import given, settings, strategies as st

from aioglacier.core.errors import MemoryLimitError, WaitTimeoutError
from aioglacier.transfer.budget import buffers
from aioglacier.transfer.budget.buffers import BufferPool, PartBuffer, private_memory, shared_memory
from aioglacier.transfer.upload.writer import open_writer
from tests.transfer.conftest import (
    MIB,
    MemoryStore,
    cancel_when_blocked,
    count_descriptors,
    options,
    thread_resources,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KIB = 1024

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")

KINDS = [
    private_memory,
    pytest.param(shared_memory, marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only")),
]


class Budget:
    """Makes memory, and knows how much of it there is."""

    def __init__(self) -> None:
        self.size = 0
        self.most = 0
        self.made = 0
        self.failure: OSError | None = None

    def make(self, size: int) -> PartBuffer:
        """Memory that is counted until it is closed."""
        if self.failure is not None:
            raise self.failure
        self.made += 1
        self.size += size
        self.most = max(self.most, self.size)
        return _Counted(self, size)


class _Counted(PartBuffer):
    def __init__(self, budget: Budget, size: int) -> None:
        super().__init__(bytes(size))
        self._budget = budget

    def close(self) -> None:
        """Count it out."""
        self._budget.size -= self.size


async def test_waiters_are_served_in_the_order_they_came() -> None:
    """First asked, first served, even where a later and smaller wish would fit at once."""
    pool = BufferPool(4 * KIB, Budget().make)
    held = [await pool.acquire(2 * KIB), await pool.acquire(KIB)]
    order: list[str] = []

    async def wait(name: str, size: int) -> None:
        buffer = await pool.acquire(size)
        order.append(name)
        await wait_all_tasks_blocked()
        pool.release(buffer)

    async with anyio.create_task_group() as tasks:
        for name, size in (("large", 4 * KIB), ("small", KIB), ("middle", 2 * KIB)):
            tasks.start_soon(wait, name, size)
            await wait_all_tasks_blocked()
        assert not order
        assert "waiting=3" in repr(pool)
        for buffer in held:
            pool.release(buffer)
    assert order == ["large", "small", "middle"]
    assert pool.lent == 0


async def test_private_memory_is_for_who_asked_for_it() -> None:
    """It counts in the same budget, and is not handed to one who may share it with a process."""
    budget = Budget()
    pool = BufferPool(4 * KIB, budget.make)
    private = await pool.acquire(2 * KIB, is_private=True)
    assert (private.is_private, private.locator, budget.made) == (True, "", 0)
    pool.release(private)
    shared = await pool.acquire(2 * KIB)
    assert (shared.is_private, budget.made) == (False, 1)
    assert await pool.acquire(2 * KIB, is_private=True) is private
    assert pool.try_acquire(KIB, is_private=True) is None
    for buffer in (shared, private):
        pool.release(buffer)
    whole = await pool.acquire(4 * KIB)  # for which both have to go
    assert budget.size == 4 * KIB
    pool.release(whole)
    pool.close()


@settings(settings.get_profile("transfer"))
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 5, 8]), st.integers(0, 3), st.booleans()), max_size=25))
async def test_the_budget_is_never_exceeded(wishes: list[tuple[int, int, bool]]) -> None:
    """All memory together stays within the limit, for any sizes that are asked for, held and given up."""
    budget = Budget()
    pool = BufferPool(8 * KIB, budget.make)

    async def borrow(size: int, turns: int, scope: anyio.CancelScope) -> None:
        with scope:
            buffer = await pool.acquire(size * KIB)
            try:
                for _ in range(turns):
                    await checkpoint()
            finally:
                pool.release(buffer)

    async with anyio.create_task_group() as tasks:
        for size, turns, is_cancelled in wishes:
            scope = anyio.CancelScope()
            tasks.start_soon(borrow, size, turns, scope)
            await checkpoint()
            if is_cancelled:
                scope.cancel()
    assert budget.most <= 8 * KIB
    assert pool.lent == 0
    pool.close()
    assert budget.size == 0


async def test_a_buffer_is_handed_out_again() -> None:
    """The buffer that came back last goes out first, without new memory; another size makes room."""
    budget = Budget()
    pool = BufferPool(4 * KIB, budget.make)
    first, second = await pool.acquire(2 * KIB), await pool.acquire(2 * KIB)
    pool.release(first)
    pool.release(second)
    assert await pool.acquire(2 * KIB) is second
    pool.release(second)
    third = await pool.acquire(KIB)
    assert (budget.made, budget.size) == (3, 3 * KIB)
    assert third.serial > second.serial
    pool.release(third)
    pool.close()
    assert budget.size == 0


async def test_a_cancelled_waiter_leaves_its_place_to_the_next() -> None:
    """Nothing is borrowed for who gave up, and who stood behind is served at once if he can be."""
    pool = BufferPool(4 * KIB, Budget().make)
    held = await pool.acquire(2 * KIB)
    served = anyio.Event()

    async def behind() -> None:
        pool.release(await pool.acquire(2 * KIB))
        served.set()

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel_when_blocked, scope)
            tasks.start_soon(behind)
            await pool.acquire(4 * KIB)
        assert scope.cancelled_caught
        await served.wait()
    pool.release(held)
    assert pool.lent == 0


async def test_a_buffer_granted_to_a_cancelled_waiter_goes_back() -> None:
    """Cancelled in the very moment of the grant: the buffer returns and the next one gets it."""
    pool = BufferPool(KIB, Budget().make)
    held = await pool.acquire(KIB)
    first, second = (asyncio.create_task(pool.acquire(KIB)) for _ in range(2))
    await wait_all_tasks_blocked()
    pool.release(held)
    first.cancel()
    assert await second is held
    assert first.cancelled()
    pool.release(held)
    assert pool.lent == 0


async def test_a_part_larger_than_the_budget_is_refused() -> None:
    """It could never be served, so the error comes at once, with both numbers."""
    with pytest.raises(MemoryLimitError) as caught:
        await BufferPool(KIB, Budget().make).acquire(2 * KIB)
    assert (caught.value.part_size, caught.value.memory_limit) == (2 * KIB, KIB)


async def test_patience_ends_when_no_buffer_moves() -> None:
    """If nothing at all comes back in time, the wait ends with an error that names who holds what."""
    pool = BufferPool(KIB, Budget().make, patience_seconds=0)
    held = await pool.acquire(KIB)
    with pytest.raises(WaitTimeoutError, match="1 are in use"):
        await pool.acquire(KIB)
    pool.release(held)
    assert pool.lent == 0


async def test_memory_that_cannot_be_had_is_the_trouble_of_the_one_who_asked() -> None:
    """If the system has no memory for a buffer, the waiter gets the error, not the task that returns one."""
    budget = Budget()
    pool = BufferPool(2 * KIB, budget.make)
    held = await pool.acquire(2 * KIB)
    budget.failure = OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def wait() -> None:
        with pytest.raises(OSError, match="Too many open files"):
            await pool.acquire(KIB)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        pool.release(held)
    assert pool.lent == 0


async def test_the_number_of_buffers_is_bounded_too() -> None:
    """Each may cost two descriptors: with the number spent, the next one waits although memory is left."""
    budget = Budget()
    pool = BufferPool(8 * KIB, budget.make, count_limit=2)
    held = [await pool.acquire(KIB), await pool.acquire(KIB)]

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel_when_blocked, scope)
            await pool.acquire(KIB)
    assert scope.cancelled_caught
    pool.release(held[0])
    another = await pool.acquire(2 * KIB)
    assert budget.made == 3
    pool.release(another)
    pool.release(held[1])


async def test_reading_ahead_leaves_half_of_the_budget() -> None:
    """A buffer for work ahead of need is there only while half stays free and no task waits."""
    pool = BufferPool(4 * KIB, Budget().make)
    held = [pool.try_acquire(KIB), pool.try_acquire(KIB)]
    assert all(held)
    assert pool.try_acquire(KIB) is None
    rest = [await pool.acquire(KIB), await pool.acquire(KIB)]
    for buffer in [*held, *rest]:
        assert buffer is not None
        pool.release(buffer)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_holds_bytes_and_leaves_nothing(kind: Callable[[int], PartBuffer]) -> None:
    """Every kind is writable, of the very size, and gone afterwards: no descriptor."""
    descriptors = count_descriptors()
    memory = kind(3 * KIB + 5)
    assert len(memory.view) == 3 * KIB + 5
    memory.view[-3:] = b"end"
    assert bytes(memory.view[-4:]) == b"\0end"
    memory.close()
    assert count_descriptors() <= descriptors


@pytest.mark.parametrize("kind", KINDS)
@needs_proc
def test_memory_is_closed_while_a_slice_is_held(kind: Callable[[int], PartBuffer]) -> None:
    """A slice that an aborted connection still holds stays readable, and its memory goes with it."""
    descriptors = count_descriptors()
    memory = kind(4 * KIB)
    memory.view[:4] = b"held"
    slice_ = memory.view[:4]
    memory.close()
    assert bytes(slice_) == b"held"
    del slice_, memory
    assert count_descriptors() <= descriptors


async def test_a_task_that_holds_every_buffer_it_waits_for_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing could come free, so the wait ends at once with the reason, not after twenty minutes."""
    monkeypatch.setattr(buffers, "_STANDSTILL_SECONDS", 0.05)
    pool = BufferPool(2 * KIB, Budget().make)
    held = [await pool.acquire(KIB) for _ in range(2)]
    for buffer in held:
        buffer.holder = asyncio.current_task()
    with pytest.raises(WaitTimeoutError, match="several writers, so none becomes full") as caught:
        await pool.acquire(KIB)
    assert caught.value.waited_seconds < 60
    for buffer in held:
        pool.release(buffer)
    pool.close()


@pytest.mark.parametrize("holder", ["another task", "a request"])
async def test_a_buffer_that_can_still_come_back_is_waited_for(
    holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One buffer that another task fills, or that is being sent, is enough to go on waiting."""
    monkeypatch.setattr(buffers, "_STANDSTILL_SECONDS", 0.01)
    pool = BufferPool(2 * KIB, Budget().make)
    mine, other = [await pool.acquire(KIB) for _ in range(2)]
    mine.holder = asyncio.current_task()
    async with anyio.create_task_group() as tasks:

        async def fill() -> None:
            other.holder = asyncio.current_task() if holder == "another task" else None
            await anyio.sleep(0.2)  # several looks of the waiter
            pool.release(other)

        tasks.start_soon(fill)
        await anyio.lowlevel.checkpoint()
        again = await pool.acquire(KIB)
    for buffer in (mine, again):
        pool.release(buffer)
    pool.close()


async def test_one_task_that_feeds_more_writers_than_buffers_is_told_why_it_stands_still(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write that can never go on raises at once; the other writers can still be completed."""
    monkeypatch.setattr("aioglacier.transfer.budget.buffers._STANDSTILL_SECONDS", 0.05)
    async with (
        thread_resources(2 * MIB) as resources,
        open_writer(store, resources, options()) as first,
        open_writer(store, resources, options()) as second,
    ):
        for writer in (first, second):
            await writer.write(b"some")
        with pytest.raises(WaitTimeoutError, match="finish some writers first"):
            async with open_writer(store, resources, options()) as third:
                await third.write(b"more")
    assert store.archives == [b"some", b"some"]


async def test_idle_memory_can_be_given_back_while_other_memory_is_lent() -> None:
    """Lent memory stays, and the pool goes on."""
    pool = BufferPool(4 * MIB, private_memory)
    idle, lent = await pool.acquire(MIB), await pool.acquire(MIB)
    lent.view[:4] = b"kept"
    pool.release(idle)
    pool.free_idle()
    assert "allocated=1048576 lent=1" in repr(pool)
    assert bytes(lent.view[:4]) == b"kept"
    pool.release(lent)
    pool.release(await pool.acquire(2 * MIB))
    pool.close()
    assert "allocated=0 lent=0" in repr(pool)
