"""The tasks that carry the parts of one archive, each of them one part after the other.

A task and a cancel scope for each part cost more than all that the engine does with it. So a task that has
carried a part rests until there is another one. Cancelling its scope ends it, with or without a part.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from aioglacier.transfer.upload.part import Part


class Carriers:
    """As many as there are parts under way at any time.

    ``carry`` carries a part, and ``end`` is called once for each however that ends; ``stopped`` if it was
    by cancelling the scope. Scopes are in ``stoppable`` from the moment a part is given to them.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        stoppable: set[anyio.CancelScope],
        *,
        carry: Callable[[Part], Awaitable[None]],
        stopped: Callable[[], None],
        end: Callable[[Part], None],
    ) -> None:
        self._tasks = tasks
        self._stoppable = stoppable
        self._carry = carry
        self._stopped = stopped
        self._end = end
        self._resting: list[_Carrier] = []

    def start(self, part: Part) -> None:
        """Have a part carried, from the next turn of the loop on."""
        carrier = self._resting.pop() if self._resting else None
        if carrier is None or not carrier.is_resting:  # it was cancelled in this turn, and is ending
            carrier = _Carrier()
            self._stoppable.add(carrier.scope)  # here, or a stop that comes before it runs would miss it
            self._tasks.start_soon(self._run, carrier)
        carrier.give(part)

    async def _run(self, carrier: _Carrier) -> None:
        try:
            with carrier.scope:
                while True:
                    if carrier.part is not None:
                        await self._carry(carrier.part)
                        self._end(carrier.drop())
                    self._resting.append(carrier)
                    await carrier.rest()
            if carrier.part is not None:
                self._stopped()
        finally:
            self._stoppable.discard(carrier.scope)
            if carrier in self._resting:
                self._resting.remove(carrier)
            if carrier.part is not None:
                self._end(carrier.drop())


class _Carrier:
    """One of them; ``part`` is what it carries, ``None`` while it rests."""

    __slots__ = ("_bell", "part", "scope")

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.part: Part | None = None
        self._bell: asyncio.Future[None] | None = None

    @property
    def is_resting(self) -> bool:
        """Whether it will take the next part that it is given."""
        return self._bell is not None and not self._bell.done() and not self.scope.cancel_called

    def give(self, part: Part) -> None:
        """Have it carry a part: as soon as it runs, if it does not yet."""
        self.part = part
        part.scope = self.scope
        if self._bell is not None:
            self._bell.set_result(None)

    def drop(self) -> Part:
        """Take the part away from it."""
        part, self.part = self.part, None
        assert part is not None  # noqa: S101  # whoever asks has looked
        return part

    async def rest(self) -> None:
        """Wait for the next part."""
        self._bell = asyncio.get_running_loop().create_future()
        try:
            await self._bell
        finally:
            self._bell = None
