"""A room admits bytes up to its limit, in order, and never locks a large size out."""

from __future__ import annotations

import anyio
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from aioglacier.tasks.room import Room


async def test_tasks_wait_until_there_is_room() -> None:
    """The third task enters when the first leaves, and the room is short until then."""
    room = Room(10)
    await room.enter(6)
    await room.enter(4)
    seen = [room.is_short]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(room.enter, 5)
        await wait_all_tasks_blocked()
        seen.append(room.is_short)
        room.leave(6)
    assert [*seen, room.is_short] == [False, True, False]


async def test_one_task_is_admitted_whatever_its_size() -> None:
    """A size above the limit enters an empty room, and waits for an empty one otherwise."""
    room = Room(10)
    await room.enter(30)
    room.leave(30)
    await room.enter(1)
    with anyio.move_on_after(0) as scope:
        await room.enter(30)
    assert scope.cancelled_caught


async def test_small_sizes_do_not_overtake_a_large_one() -> None:
    """A task that asks later waits behind one that needs more, though its bytes would fit."""
    room, entered = Room(10), list[int]()

    async def enter(size: int) -> None:
        await room.enter(size)
        entered.append(size)

    await room.enter(5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter, 8)
        await wait_all_tasks_blocked()
        tasks.start_soon(enter, 1)
        await wait_all_tasks_blocked()
        assert entered == []
        room.leave(5)
    assert entered == [8, 1]


async def test_a_cancelled_wait_admits_nothing() -> None:
    """The next task gets the room of a task that was cancelled while it waited."""
    room = Room(10)
    await room.enter(5)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await room.enter(8)
    await checkpoint()
    assert not room.is_short
    await room.enter(5)


async def test_a_narrowed_room_admits_up_to_the_lower_limit() -> None:
    """Bytes that were admitted before stay; a higher limit than before changes nothing."""
    room = Room(10)
    await room.enter(9)
    room.narrow(4)
    room.narrow(8)
    room.leave(6)
    await room.enter(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(room.enter, 1)
        await wait_all_tasks_blocked()
        assert room.is_short
        room.leave(3)
    assert not room.is_short
