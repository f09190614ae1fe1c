"""The writer of a bundle, and the time that packing waits for a part before it fills another buffer.

A buffer of a bundle has 32 MiB, so the number of buffers decides how much memory a ``sync`` takes. Packing
small files into a part takes seconds, and a service nearby takes the part in less than one. Then one buffer
is enough, and a folder of a million files needs no more memory than one of fifty thousand. Packing goes on
meanwhile until its ``Room`` is full. Where sending a part takes longer than that, each wait would lose time,
so parts go side by side within the memory limit.

Both times tell which case it is, also on a machine that is busy with other things: packing earns patience,
standing still spends it, and once it is spent there are two buffers, one that is sent and one that is filled.
Large files are packed faster than any service takes them, so with them it is spent at once; more than two
buffers would then only wait for a service nearby. Packing waits for the first of two parts until one wait
takes as long as a service far away does, and more than half as long as the part took to pack. After that,
packing never waits again. From the second buffer on, less is packed ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.core.models import Archive
    from aioglacier.tasks.room import Room
    from aioglacier.transfer.upload.writer import ArchiveWriter

#: Waiting costs a third of the time at most, and once as long as the first part took to pack.
_EARNED: Final = 0.5

#: The most patience to earn: a service that stalls after hours of packing is not waited for as long.
_MOST_SECONDS: Final = 30.0

#: A part of 32 MiB that takes longer comes at less than 64 MB/s: connections side by side are faster.
_NEAR_SECONDS: Final = 0.5

#: Bytes packed ahead of two buffers: while one is sent, they go into the other, so that the packers seldom
#: wait. It holds a batch of small files of each packer.
_ROOM_BESIDE_TWO: Final = 8 * MIB

#: How often a wait checks whether the part is sent.
_LOOK_SECONDS: Final = 0.005


class Patience:
    """The patience that is left for all bundles of one ``sync``.

    Attributes:
        is_spent: A part is filled while another is sent, from now on.
        is_far: Any number of parts go side by side from now on.
    """

    def __init__(self) -> None:
        self.is_spent = self.is_far = False
        self._left: float | None = None
        self._packing = 0.0

    def packed(self, seconds: float) -> None:
        """Earn patience for a part that took so many seconds to pack."""
        earned = seconds if self._left is None else self._left + _EARNED * seconds
        self._left = min(earned, _MOST_SECONDS)
        self._packing = seconds

    def has(self, seconds: float) -> bool:
        """Return whether a wait that has taken so many seconds may go on."""
        if self._left is None or seconds >= self._left:
            self.is_spent = True
        return not self.is_spent

    def has_for_two(self, seconds: float) -> bool:
        """Return whether a wait for the first of two parts, of so many seconds, may go on."""
        self.is_far = self.is_far or seconds >= max(
            _NEAR_SECONDS, min(_EARNED * self._packing, _MOST_SECONDS)
        )
        return not self.is_far

    def waited(self, seconds: float) -> None:
        """Spend patience on a wait of so many seconds."""
        if self._left is not None:
            self._left -= seconds


class PacedWriter:
    """Writes a bundle, and waits at the end of each part while there is patience.

    Attributes:
        archive: The writer of the archive.
    """

    def __init__(self, archive: ArchiveWriter[Archive], patience: Patience, room: Room) -> None:
        self.archive = archive
        self._patience = patience
        self._room = room
        self._filling_since = anyio.current_time()

    async def write(self, blob: bytes) -> None:
        """Append bytes to the archive."""
        archive, patience = self.archive, self._patience
        room = -archive.position % archive.part_size
        if patience.is_far or len(blob) <= room or not archive.position:
            await archive.write(blob)
            return
        view = memoryview(blob)
        await archive.write(view[:room])
        patience.packed(anyio.current_time() - self._filling_since)
        if not patience.is_spent:
            patience.waited(await self._wait(0, patience.has))
        if patience.is_spent:
            self._room.narrow(_ROOM_BESIDE_TWO)
            await self._wait(1, patience.has_for_two)
        self._filling_since = anyio.current_time()
        await archive.write(view[room:])

    async def _wait(self, parts: int, may_go_on: Callable[[float], bool]) -> float:
        """Wait until no more than so many parts are on their way, or until too much time is lost.

        Returns:
            The seconds in which packing stood still.
        """
        lost, looked = 0.0, anyio.current_time()
        while self.archive.snapshot().parts_in_flight > parts and may_go_on(lost):
            await anyio.sleep(_LOOK_SECONDS)
            since, looked = looked, anyio.current_time()
            if self._room.is_short:
                lost += looked - since
        return lost
