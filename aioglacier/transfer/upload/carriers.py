"""The tasks that carry the parts of one archive, each one part after the other.

A task and a cancel scope for each part would cost more than all else that the engine does with it. So a task
that has carried a part rests until there is another one. Cancelling its scope ends it, with or without a
part.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from anyio.abc import TaskGroup

    from aioglacier.transfer.upload.part import Part


class Carriers:
    """The carrying tasks: as many as parts were ever under way at once.

    ``carry`` carries a part. ``end`` is called once for each part, however that ends; its second argument
    says whether the part's scope was cancelled.

    Attributes:
        parts: The parts under way.
        scopes: The scopes that ``stop`` cancels: those of the carriers, and others that were added.
        drain_until: When the parts under way are cancelled, once that was asked for.
    """

    def __init__(
        self, tasks: TaskGroup, *, carry: Callable[[Part], Awaitable[None]], end: Callable[[Part, bool], None]
    ) -> None:
        self._tasks = tasks
        self._carry = carry
        self._end = end
        self._resting: list[_Carrier] = []
        self._all_ended = anyio.Event()
        self.parts: set[Part] = set()
        self.scopes: set[anyio.CancelScope] = set()
        self.drain_until: float | None = None

    def start(self, part: Part) -> None:
        """Carry a part, from the next turn of the loop on."""
        self.parts.add(part)
        carrier = self._resting.pop() if self._resting else None
        if carrier is None or not carrier.is_resting:  # cancelled in this turn of the loop, and ending
            carrier = _Carrier()
            self._run_in_scope(carrier.scope, partial(self._run, carrier))
        carrier.give(part)

    def run_beside(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a call that carries no part until ``stop``."""
        scope = anyio.CancelScope()

        async def run_in_scope() -> None:
            with scope:
                await run()

        self._run_in_scope(scope, run_in_scope)

    def stop(self) -> None:
        """Cancel everything."""
        for scope in self.scopes:
            scope.cancel()

    def drain(self, deadline: float, *, may_finish: bool) -> None:
        """Cancel all at a deadline, but parts that are not being sent at once unless they ``may_finish``."""
        self.drain_until = deadline = min(deadline, self.drain_until or deadline)
        sent = {part.scope for part in self.parts if not part.is_ahead}
        for scope in self.scopes:
            scope.deadline = deadline if may_finish or scope in sent else -math.inf

    async def wait_until_all_ended(self) -> None:
        """Wait until no part is under way."""
        while self.parts:
            self._all_ended = anyio.Event()
            await self._all_ended.wait()

    def _run_in_scope(self, scope: anyio.CancelScope, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.scopes.add(scope)  # here, or a stop that comes before it runs would miss it
        self._tasks.start_soon(run)

    async def _run(self, carrier: _Carrier) -> None:
        try:
            with carrier.scope:
                while True:
                    if carrier.part is not None:
                        await self._carry(carrier.part)
                        self._end_part(carrier, was_cancelled=False)
                    self._resting.append(carrier)
                    await carrier.rest()
            if carrier.part is not None:
                self._end_part(carrier, was_cancelled=True)
        finally:
            self.scopes.discard(carrier.scope)
            if carrier in self._resting:  # it was cancelled while it rested
                self._resting.remove(carrier)
            if carrier.part is not None:
                self._end_part(carrier, was_cancelled=False)

    def _end_part(self, carrier: _Carrier, *, was_cancelled: bool) -> None:
        part = carrier.drop()
        self.parts.discard(part)
        self._end(part, was_cancelled)
        if not self.parts:
            self._all_ended.set()


class _Carrier:
    """One carrying task and the part that it carries, ``None`` while it rests."""

    __slots__ = ("_wake", "part", "scope")

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.part: Part | None = None
        self._wake: asyncio.Future[None] | None = None

    @property
    def is_resting(self) -> bool:
        """Whether it waits for a part."""
        return self._wake is not None and not self._wake.done() and not self.scope.cancel_called

    def give(self, part: Part) -> None:
        """Give it a part, to be carried as soon as it runs."""
        self.part = part
        part.scope = self.scope
        if self._wake is not None:
            self._wake.set_result(None)

    def drop(self) -> Part:
        """Return its part and forget it."""
        part, self.part = self.part, None
        assert part is not None  # noqa: S101  # every caller has checked
        return part

    async def rest(self) -> None:
        """Wait for the next part."""
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None
