"""The bundles of a ``sync`` take one buffer if parts are sent sooner than they are packed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import anyio
from anyio import wait_all_tasks_blocked

from aioglacier.bulk.sync.pacing import PacedWriter, Patience
from aioglacier.core.limits import MIB
from aioglacier.tasks.room import Room

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from aioglacier.core.models import Archive
    from aioglacier.transfer.upload.writer import ArchiveWriter


class Sending:
    """A writer of parts of 4 bytes that are on their way until the test says otherwise."""

    part_size = 4

    def __init__(self) -> None:
        self.position = self.arrived = 0

    async def write(self, data: Buffer) -> None:
        """Take bytes."""
        self.position += len(memoryview(data))

    def snapshot(self) -> SimpleNamespace:
        """Return the number of full parts that have not arrived."""
        return SimpleNamespace(parts_in_flight=self.position // self.part_size - self.arrived)

    def paced(self, patience: Patience, room: Room) -> PacedWriter:
        """Return the writer that waits for the parts of this one."""
        return PacedWriter(cast("ArchiveWriter[Archive]", self), patience, room)


def sends(patience: Patience, packing: float, sending: float) -> bool:
    """Pack a part and wait for it. Whether it was gone in time."""
    patience.packed(packing)
    waited = 0.0
    while waited < sending:
        if not patience.has(waited):
            return False
        waited += 0.02
    patience.waited(waited)
    return True


def test_small_files_and_a_quick_service_take_one_buffer() -> None:
    """Patience lasts as long as waiting takes no more than half of the packing."""
    patience = Patience()
    assert all(sends(patience, 6.0, 2.5) for _ in range(1000))


def test_a_busy_machine_makes_no_difference() -> None:
    """A machine that slows packing and sending alike changes nothing, and one part may hang."""
    patience = Patience()
    assert all(sends(patience, 60.0, 20.0) for _ in range(50))
    assert all(sends(patience, 6.0, 1.0) for _ in range(20))
    assert sends(patience, 6.0, 29.0)
    assert all(sends(patience, 6.0, 1.0) for _ in range(50))


def test_large_files_and_a_slow_service_take_more_at_once() -> None:
    """The first part shows that sending is what takes the time, and nothing is waited for again."""
    patience = Patience()
    assert not sends(patience, 0.3, 3.0)
    assert patience.is_spent
    assert not sends(patience, 60.0, 0.1)


def test_two_parts_are_enough_for_a_service_nearby() -> None:
    """Until a wait for the first of them takes longer than a service nearby does; then there is no wait."""
    patience = Patience()
    assert all(patience.has_for_two(0.02 * step) for step in range(20))
    assert [patience.has_for_two(seconds) for seconds in (0.5, 0.0)] == [False, False]
    assert patience.is_far


def test_a_wait_for_the_first_of_two_parts_may_take_half_as_long_as_packing() -> None:
    """A busy machine slows both, and more buffers would bring little; half a minute is too long anyway."""
    patience = Patience()
    patience.packed(6.0)
    assert patience.has_for_two(2.9)
    assert not patience.has_for_two(3.0)
    patience = Patience()
    patience.packed(600.0)
    assert patience.has_for_two(29.9)
    assert not patience.has_for_two(30.0)


async def test_the_time_to_pack_each_part_counts_also_after_patience_is_spent() -> None:
    """The wait for the first of two parts depends on it."""
    noted: list[float] = []

    class Noting(Patience):
        def packed(self, seconds: float) -> None:
            noted.append(seconds)

    patience = Noting()
    assert not patience.has(0.0)
    writer = Sending().paced(patience, Room(10))
    await writer.write(b"12")
    await writer.write(b"3456")
    assert (len(noted), patience.is_spent) == (1, True)


def test_a_service_that_is_hardly_slower_is_found_out_in_the_end() -> None:
    """Waits that take two thirds of the packing cost more than they may."""
    patience = Patience()
    sent = [sends(patience, 6.0, 4.0) for _ in range(20)]
    assert sent.index(False) == 3


def test_a_stall_is_not_waited_out_after_hours_of_packing() -> None:
    """Packing waits for half a minute at most."""
    patience = Patience()
    patience.packed(7200.0)
    patience.packed(7200.0)
    assert patience.has(29.9)
    assert not patience.has(30.0)


async def test_waiting_costs_no_patience_while_packing_goes_on() -> None:
    """The second part waits for the first as long as there is room to pack."""
    sending, patience, room = Sending(), Patience(), Room(10)
    patience.packed(0.0)  # the least standstill would spend it
    writer = sending.paced(patience, room)
    await writer.write(b"12")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.write, b"3456")
        await wait_all_tasks_blocked()
        await anyio.sleep(0.02)
        assert (sending.position, patience.is_spent) == (4, False)
        sending.arrived = 1
    assert (sending.position, patience.is_spent) == (6, False)


async def test_packing_that_stands_still_spends_patience() -> None:
    """Once packers wait for room, the next part is filled although none has arrived."""
    sending, patience, room = Sending(), Patience(), Room(10)
    patience.packed(0.0)
    await room.enter(10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(room.enter, 1)
        writer = sending.paced(patience, room)
        await writer.write(b"12")
        await writer.write(b"3456")
        assert (sending.position, patience.is_spent) == (6, True)
        room.leave(10)


async def test_less_is_packed_ahead_of_two_buffers() -> None:
    """The second buffer takes what is packed while the first is sent, so the room is smaller from then on."""
    patience, room, admitted = Patience(), Room(20 * MIB), 0

    async def enter() -> None:
        nonlocal admitted
        await room.enter(6 * MIB)
        admitted += 1

    patience.is_spent = True
    writer = Sending().paced(patience, room)
    await writer.write(b"12")
    await writer.write(b"3456")
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(enter)
        await wait_all_tasks_blocked()
        assert admitted == 1
        tasks.cancel_scope.cancel()
