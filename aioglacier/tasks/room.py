"""Room for bytes that tasks hold at the same time."""

from __future__ import annotations

import anyio


class Room:
    """Admits bytes up to a limit, in the order in which tasks ask; one task is always admitted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._waiting = 0
        self._turn = anyio.Lock()  # or small sizes would overtake a large one for ever
        self._less = anyio.Event()

    @property
    def is_short(self) -> bool:
        """Whether a task waits for room."""
        return self._waiting > 0

    def narrow(self, limit: int) -> None:
        """Lower the limit; bytes that are in stay until they leave."""
        self._limit = min(self._limit, limit)

    async def enter(self, size: int) -> None:
        """Wait until so many bytes may come. Cancelling admits none."""
        self._waiting += 1
        try:
            async with self._turn:
                while self._size and self._size + size > self._limit:
                    self._less = anyio.Event()
                    await self._less.wait()
                self._size += size
        finally:
            self._waiting -= 1

    def leave(self, size: int) -> None:
        """Take out so many bytes."""
        self._size -= size
        self._less.set()
