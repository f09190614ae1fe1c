"""The writer of a bundle, and the time that packing waits for a part before it fills another buffer.

A buffer of a bundle has 32 MiB, so the number of buffers decides how much memory a ``sync`` takes. Packing
small files into a part takes seconds, and a service nearby takes the part in less than one. Then one buffer
is enough, and a folder of a million files needs no more memory than one of fifty thousand. Where sending a
part takes longer than packing one, each wait would lose time, so parts go side by side within the memory
limit.

Both times tell which case it is, also on a machine that is busy with other things: packing earns patience,
waiting spends it, and once it is spent packing never waits again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from aioglacier.core.models import Archive
    from aioglacier.transfer.upload.writer import ArchiveWriter

#: Waiting costs a third of the time at most, and once as long as the first part took to pack.
_EARNED: Final = 0.5

#: The most patience to earn: a service that stalls after hours of packing is not waited for as long.
_MOST_SECONDS: Final = 30.0

#: How often a wait checks whether the part is sent.
_LOOK_SECONDS: Final = 0.02


class Patience:
    """The patience that is left for all bundles of one ``sync``.

    Attributes:
        is_spent: Parts go side by side from now on.
    """

    def __init__(self) -> None:
        self.is_spent = False
        self._left: float | None = None

    def packed(self, seconds: float) -> None:
        """Earn patience for a part that took so many seconds to pack."""
        earned = seconds if self._left is None else self._left + _EARNED * seconds
        self._left = min(earned, _MOST_SECONDS)

    def has(self, seconds: float) -> bool:
        """Return whether a wait that has taken so many seconds may go on."""
        if self._left is None or seconds >= self._left:
            self.is_spent = True
        return not self.is_spent

    def waited(self, seconds: float) -> None:
        """Spend patience on a wait of so many seconds."""
        if self._left is not None:
            self._left -= seconds


class PacedWriter:
    """Writes a bundle, and waits at the end of each part while there is patience.

    Attributes:
        archive: The writer of the archive.
    """

    def __init__(self, archive: ArchiveWriter[Archive], patience: Patience) -> None:
        self.archive = archive
        self._patience = patience
        self._filling_since = anyio.current_time()

    async def write(self, blob: bytes) -> None:
        """Append bytes to the archive."""
        archive, patience = self.archive, self._patience
        room = -archive.position % archive.part_size
        if patience.is_spent or len(blob) <= room or not archive.position:
            await archive.write(blob)
            return
        view = memoryview(blob)
        await archive.write(view[:room])
        began = anyio.current_time()
        patience.packed(began - self._filling_since)
        while archive.snapshot().parts_in_flight:
            if not patience.has(anyio.current_time() - began):
                break
            await anyio.sleep(_LOOK_SECONDS)
        self._filling_since = anyio.current_time()
        patience.waited(self._filling_since - began)
        await archive.write(view[room:])
