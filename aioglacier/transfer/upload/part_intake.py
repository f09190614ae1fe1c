"""The parts of one archive as they are taken: a buffer for each, and few ahead of their connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.upload.part import Part


class PartIntake:
    """Lends buffers, and counts what was taken.

    Attributes:
        buffer_size: Bytes of each buffer.
        parts: Parts taken.
        size: Bytes in them.
    """

    def __init__(self, resources: TransferResources, buffer_size: int) -> None:
        self._buffers = resources.buffers
        self._ahead = anyio.Semaphore(resources.parts_ahead, fast_acquire=True)
        self.buffer_size = buffer_size
        self.parts = 0
        self.size = 0

    async def wait_for_turn(self) -> None:
        """Wait until another part may be taken."""
        await self._ahead.acquire()

    async def borrow(self) -> PartBuffer:
        """Wait until another part may be taken, and lend a buffer for it."""
        await self._ahead.acquire()
        try:
            return await self._buffers.acquire(self.buffer_size)
        except BaseException:
            self._ahead.release()
            raise

    def discard(self, buffer: PartBuffer) -> None:
        """Take back a buffer that did not become a part."""
        self._buffers.release(buffer)
        self._ahead.release()

    def count(self, size: int) -> None:
        """Count a part of ``size`` bytes as taken."""
        self.parts += 1
        self.size += size

    def let_next(self, part: Part) -> None:
        """Allow another part, because this one has its connection or has ended."""
        if part.is_ahead:
            part.is_ahead = False
            self._ahead.release()

    def give_back(self, part: Part) -> None:
        """Take back the buffer of a part that has ended."""
        if part.buffer is not None:
            self._buffers.release(part.buffer)
        self.let_next(part)
